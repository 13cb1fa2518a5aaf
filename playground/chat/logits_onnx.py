"""Logits of an ONNX model through onnxruntime-genai: one generator with its key-value cache for one sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from playground.errors import OutOfMemory, PlaygroundError
from playground.models.onnx_model import LoadedOnnx, library


class OnnxLogits:
    """One running sequence of at most `tokens`; the generator's own sampling is not used.

    Raises:
        OutOfMemory: there is no room for the cache.
    """

    whole = False

    def __init__(self, loaded: LoadedOnnx, tokens: int) -> None:
        og = library()
        self._name = loaded.card.name
        params = og.GeneratorParams(loaded.model)
        try:
            params.set_search_options(max_length=tokens, batch_size=1, num_beams=1, num_return_sequences=1)
            self._generator: Any = og.Generator(loaded.model, params)
        except RuntimeError as error:
            raise OutOfMemory(
                f"{self._name} has no room for a context of {tokens} tokens: {str(error).splitlines()[0]}.",
                "Unload another model, or ask for a shorter answer.",
            ) from None

    def held(self, length: int) -> int:
        return int(self._generator.token_count())

    def read(self, ids: list[int]) -> torch.Tensor:
        try:
            self._generator.append_tokens(np.asarray(ids, dtype=np.int32))
            return torch.tensor(self._generator.get_logits())[:, -1].float()
        except RuntimeError as error:
            raise PlaygroundError(
                f"ONNX Runtime could not run {self._name}: {str(error).splitlines()[0]}",
                "Ask again; if it stays so, load another build of the model.",
            ) from None

    def rewind(self, length: int) -> int:
        self._generator.rewind_to(length)
        return length

    def close(self) -> None:
        self._generator = None
