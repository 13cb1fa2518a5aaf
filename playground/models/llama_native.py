"""A GGUF model that llama.cpp holds, through its Python binding's C functions: load, vocabulary, free.

Knows nothing of chats or caches; whoever runs the model makes a context of its own over `handle`. The binding's own
class is not used: it keeps a score table, a chat formatter and one context for all requests, and redirects the
process's output while it loads.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import re
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from playground.errors import Cancelled, ModelUnavailable

log = logging.getLogger(__name__)

EXTRA = "llama-cpp-python"
LEVELS = {1: logging.DEBUG, 2: logging.INFO, 3: logging.INFO, 4: logging.WARNING}  # ggml's levels, debug to error

_first_error = threading.local()  # since a load began on this thread; what follows it says less
_kept: list[Any] = []


@cache
def binding() -> Any:
    """llama.cpp's C functions, started, with its log sent to Python's.

    Raises:
        ModelUnavailable: the package is missing or does not start.
    """
    try:
        from llama_cpp import llama_cpp as library
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelUnavailable(
            f"llama.cpp does not start: {str(error).splitlines()[0]}.", f"Run: pip install {EXTRA}"
        ) from None

    @library.llama_log_callback
    def say(level: int, text: bytes, _: Any) -> None:
        line = text.decode("utf-8", "replace").strip()
        if level == 4 and not getattr(_first_error, "text", ""):
            _first_error.text = re.sub(r"^\w+: (error loading model: )?", "", line)
        if line:
            log.log(LEVELS.get(level, logging.DEBUG), "%s", line)

    library.llama_log_set(say, ctypes.c_void_p(0))
    _kept.append(say)  # the library keeps a bare pointer to it
    library.llama_backend_init()
    return library


class LlamaModel:
    """One loaded model; its memory is freed by `close`, or with the last reference.

    Args:
        path: of the file, or of the first of several parts.
        device: "cpu", or the GPU that takes all layers where the binding was built for one; `device` is where it lies.
        progress: is told the share that is loaded, 0 to 1, and returns whether to go on.

    Raises:
        ModelUnavailable: llama.cpp refuses the file.
        MemoryError: there is no room for the weights.
        Cancelled: `progress` returned False.
    """

    def __init__(self, path: Path, device: str, progress: Callable[[float], bool]) -> None:
        self.handle: Any = None
        c = self._c = binding()
        on_gpu = device != "cpu" and bool(c.llama_supports_gpu_offload())
        self.device = device if on_gpu else "cpu"
        params = c.llama_model_default_params()
        params.n_gpu_layers = -1 if on_gpu else 0
        if on_gpu:
            params.split_mode = c.LLAMA_SPLIT_MODE_NONE
            params.main_gpu = int(device.partition(":")[2] or 0)
        stopped = False

        @c.llama_progress_callback
        def told(share: float, _: Any) -> bool:
            nonlocal stopped
            stopped = stopped or not progress(share)
            return not stopped

        params.progress_callback = told
        _first_error.text = ""
        self.handle = c.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            if stopped:
                raise Cancelled
            reason = _first_error.text or "it gives no reason"
            if "allocat" in reason or "out of memory" in reason:
                raise MemoryError(reason)
            raise ModelUnavailable(
                f"llama.cpp cannot load {path.name}: {reason.rstrip('.')}.",
                "Fetch the file again, or choose another build of the model.",
            )
        self.vocab = c.llama_model_get_vocab(self.handle)
        self.vocab_size = int(c.llama_vocab_n_tokens(self.vocab))
        if not self.vocab_size or c.llama_model_has_encoder(self.handle) or not c.llama_model_has_decoder(self.handle):
            self.close()
            raise ModelUnavailable(f"{path.name} is no model that continues text.", "Choose a text model.")

    @property
    def weight_bytes(self) -> int:
        return int(self._c.llama_model_size(self.handle))

    @property
    def context(self) -> int | None:
        """Tokens that the model was trained for."""
        return int(self._c.llama_model_n_ctx_train(self.handle)) or None

    def end_ids(self) -> frozenset[int]:
        """The tokens that end an answer, as llama.cpp knows them by the file and by their names."""
        return frozenset(i for i in range(self.vocab_size) if self._c.llama_vocab_is_eog(self.vocab, i))

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Ids of `text`, in which the names of control tokens count as these; `special` adds those around a text."""
        data = text.encode()
        room = len(data) + 8  # never more tokens than bytes, but for those around the text
        found = (self._c.llama_token * room)()
        count = self._c.llama_tokenize(self.vocab, data, len(data), found, room, special, True)
        if count < 0:
            raise RuntimeError(f"llama.cpp gave {count} for a text of {len(data)} bytes")
        return found[:count]

    def detokenize(self, ids: Sequence[int], special: bool) -> bytes:
        """The bytes of `ids`, which may end within a character; control tokens are left out unless `special`."""
        if not ids:
            return b""
        given = (self._c.llama_token * len(ids))(*ids)
        room = 16 * len(ids) + 64
        while True:
            data = ctypes.create_string_buffer(room)
            count = self._c.llama_detokenize(self.vocab, given, len(ids), data, room, not special, special)
            if count >= 0:
                return data.raw[:count]
            room = -count

    def name_of(self, token: int) -> str | None:
        """A token as the file spells it; None for no token (-1)."""
        if not 0 <= token < self.vocab_size:
            return None
        return self._c.llama_vocab_get_text(self.vocab, token).decode("utf-8", "replace")

    def special_ids(self) -> dict[str, int]:
        """The ids of the beginning, end and padding tokens by transformers' names, -1 for none."""
        v, c = self.vocab, self._c
        return {
            "bos_token": int(c.llama_vocab_bos(v)),
            "eos_token": int(c.llama_vocab_eos(v)),
            "pad_token": int(c.llama_vocab_pad(v)),
        }

    def close(self) -> None:
        handle, self.handle = self.handle, None
        if handle:
            self._c.llama_model_free(handle)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, TypeError):  # at exit the binding may be gone
            self.close()
