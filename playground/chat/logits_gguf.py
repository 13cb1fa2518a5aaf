"""Logits of a GGUF model through llama.cpp: one context with its key-value cache for one sequence."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from playground.chat.decode import PREFILL_CHUNK
from playground.errors import OutOfMemory, PlaygroundError
from playground.models.gguf_model import LoadedGguf
from playground.models.llama_native import LlamaModel, binding

if TYPE_CHECKING:
    from numpy.typing import NDArray

# llama.cpp's own choices; tests turn both off to compare with float32.
CACHE_TYPE = 1  # of keys and values, by ggml's numbers: float16
FLASH_ATTENTION = -1  # where it is faster; it multiplies in 16 bit


class LlamaLogits:
    """One running sequence; the cache of `tokens` positions (16 bit) is allocated at once and freed by `close`.

    Works on as many threads as torch does on the calling thread. A model with two sets of rope factors takes the one
    that suits `tokens`, where transformers changes over in the middle of an answer.

    Raises:
        OutOfMemory: there is no room for the cache.
    """

    whole = False

    def __init__(self, loaded: LoadedGguf, tokens: int) -> None:
        assert isinstance(loaded.model, LlamaModel)
        self._context: Any = None
        c = self._c = binding()
        self._model = loaded.model  # the context must be freed before the model
        self._name = loaded.card.name
        params = c.llama_context_default_params()
        params.n_ctx = tokens
        params.n_batch = params.n_ubatch = min(PREFILL_CHUNK, tokens)
        params.n_outputs_max = 1
        params.type_k = params.type_v = CACHE_TYPE
        params.flash_attn_type = FLASH_ATTENTION
        params.n_threads = params.n_threads_batch = torch.get_num_threads()
        if loaded.device == "cpu":
            params.offload_kqv = params.op_offload = False
        params.no_perf = True
        self._context = c.llama_init_from_model(self._model.handle, params)
        if not self._context:
            raise OutOfMemory(
                f"{self._name} has no room for a context of {tokens} tokens.",
                "Unload another model, or ask for a shorter answer.",
            )
        self._memory = c.llama_get_memory(self._context)
        self._cached = 0

    def held(self, length: int) -> int:
        return self._cached

    def read(self, ids: list[int]) -> torch.Tensor:
        tokens = (self._c.llama_token * len(ids))(*ids)
        code = self._c.llama_decode(self._context, self._c.llama_batch_get_one(tokens, len(ids)))
        if code:
            raise PlaygroundError(
                f"llama.cpp could not read {len(ids)} tokens after {self._cached} (code {code}).",
                f"Ask again; if it stays so, load another build of {self._name}.",
            )
        self._cached += len(ids)
        row = self._c.llama_get_logits_ith(self._context, -1)
        view: NDArray[np.float32] = np.ctypeslib.as_array(row, shape=(1, self._model.vocab_size))
        return torch.from_numpy(view.copy())  # the next read writes over it

    def rewind(self, length: int) -> int:
        self._cached = length if self._c.llama_memory_seq_rm(self._memory, 0, length, -1) else 0
        if not self._cached:
            self._c.llama_memory_clear(self._memory, True)
        return self._cached

    def close(self) -> None:
        context, self._context = self._context, None
        if context:
            self._c.llama_free(context)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, TypeError):  # at exit the binding may be gone
            self.close()
