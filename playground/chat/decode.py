"""Logits out of a causal language model, for a sequence that grows. Knows nothing of text, nor of what runs the model.

A plain loop over them: on the shipped models it makes about 1.3 times the tokens a second of transformers' `generate`
with a streamer, can be left after any token, and draws from the request's own generator, whatever the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from playground.chat.text_model import AnyText, torch_model
from playground.errors import Cancelled
from playground.models.gguf_model import LoadedGguf
from playground.models.loaded import LoadedText
from playground.models.onnx_model import LoadedOnnx
from playground.protocol import CancelToken

if TYPE_CHECKING:
    import torch

    from playground.chat.senses.prompt import Shown

PREFILL_CHUNK = 512  # tokens between two looks at the cancel token while the prompt is read
SHORT = 256  # tokens of a prompt that is read together with others


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


def read_on(source: Logits, ids: list[int], cancel: CancelToken) -> torch.Tensor:
    """Logits after the last of `ids`, (1, V), having read what the cache lacks of them.

    Raises:
        Cancelled: before a chunk.
    """
    reading = in_chunks(source, ids, cancel)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value


def in_chunks(source: Logits, ids: list[int], cancel: CancelToken) -> Generator[None, None, torch.Tensor]:
    """The same, with a pause after each chunk but the last, in which others may work."""
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
        yield


def logits_of(
    loaded: AnyText,
    tokens: int,
    prompt: Sequence[int] = (),
    tell: Callable[[str], None] | None = None,
    shown: Shown | None = None,
) -> Logits:
    """A sequence of `loaded`'s model with room for `tokens`, prompt and answer together.

    With `prompt` it goes on from an earlier sequence that began alike, where one is kept, and is kept itself. With
    `tell`, which is told what that cost, its steps are compiled where the settings ask for it. `shown` are the pictures
    and sounds that stand in it.

    Raises:
        OutOfMemory: there is no room for the cache.
    """
    model = torch_model(loaded)
    if model is not None:
        from playground.chat.logits_torch import TorchLogits, can_rewind

        kept = getattr(loaded, "kept", None) if prompt else None
        if shown is not None:
            from playground.chat.logits_senses import SensedLogits

            return SensedLogits(model, shown, kept, prompt)
        if tell is not None and isinstance(loaded, LoadedText) and loaded.steps is not None:
            if can_rewind(model) and loaded.movable:
                from playground.chat.logits_static import StaticLogits

                return StaticLogits(model, loaded.steps, tokens, loaded.kept, prompt, tell)
            tell(f"{loaded.card.name} is not compiled: its cache cannot have a fixed size on one device.")
        return TorchLogits(model, kept, prompt)
    if isinstance(loaded, LoadedGguf):
        from playground.chat.logits_gguf import LlamaLogits

        return LlamaLogits(loaded, tokens)
    from playground.chat.logits_onnx import OnnxLogits

    return OnnxLogits(cast(LoadedOnnx, loaded), tokens)
