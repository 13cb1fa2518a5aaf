"""Token ids out of a causal language model, one at a time. Knows nothing of text, nor of what runs the model.

A plain loop over logits: on the shipped models it makes about 1.3 times the tokens a second of transformers' `generate`
with a streamer, can be left after any token, and draws from the request's own generator, whatever the runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from playground.chat.sampling import Sampler
from playground.chat.text_model import AnyText, torch_model
from playground.errors import Cancelled
from playground.models.gguf_model import LoadedGguf
from playground.models.onnx_model import LoadedOnnx
from playground.protocol import CancelToken

if TYPE_CHECKING:
    import torch

PREFILL_CHUNK = 512  # tokens between two looks at the cancel token while the prompt is read


class Logits(Protocol):
    """One running sequence of a model, with its key-value cache.

    `whole`: the prompt has to be read at once, not in chunks.
    """

    whole: bool

    def held(self, length: int) -> int:
        """How many of the first `length` ids are in the cache, and of use for reading up to there."""

    def read(self, ids: list[int]) -> torch.Tensor:
        """Appends `ids` to the sequence and returns float logits after the last of them, (1, V)."""

    def rewind(self, length: int) -> int:
        """Forgets all after the first `length` ids; returns how many are still held, `length` or 0."""

    def close(self) -> None:
        """Frees the cache."""


class Decoder:
    """One answer in the making: the ids so far and the logits that continue them."""

    def __init__(self, logits: Logits, prompt: list[int]) -> None:
        self._source = logits
        self._ids = list(prompt)

    @property
    def ids(self) -> list[int]:
        """Prompt and answer so far."""
        return list(self._ids)

    def push(self, ids: Sequence[int]) -> None:
        """Puts words into the model's mouth: the answer goes on after these tokens, which it did not choose."""
        self._ids.extend(ids)

    def tokens(self, sampler: Sampler, cancel: CancelToken) -> Iterator[int]:
        """Goes on for as long as it is asked; raises Cancelled at the first token after a cancel."""
        while True:
            token = sampler.choose(read_on(self._source, self._ids, cancel), self._ids)
            self._ids.append(token)
            yield token


def read_on(source: Logits, ids: list[int], cancel: CancelToken) -> torch.Tensor:
    """Logits after the last of `ids`, (1, V), having read what the cache lacks of them.

    Raises:
        Cancelled: before a chunk.
    """
    length = len(ids)
    at = source.held(length)
    chunk = length if source.whole else PREFILL_CHUNK
    while True:
        if cancel.cancelled:
            raise Cancelled
        upto = min(length, at + chunk)
        logits = source.read(ids[at:upto])
        at = upto
        if at == length:
            return logits


def logits_of(loaded: AnyText, tokens: int) -> Logits:
    """A fresh sequence of `loaded`'s model with room for `tokens`, prompt and answer together.

    Raises:
        OutOfMemory: there is no room for the cache.
    """
    model = torch_model(loaded)
    if model is not None:
        from playground.chat.logits_torch import TorchLogits

        return TorchLogits(model)
    if isinstance(loaded, LoadedGguf):
        from playground.chat.logits_gguf import LlamaLogits

        return LlamaLogits(loaded, tokens)
    from playground.chat.logits_onnx import OnnxLogits

    return OnnxLogits(cast(LoadedOnnx, loaded), tokens)
