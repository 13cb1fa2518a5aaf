"""What the prompts of many requests begin with: read once by whoever comes first, and copied by all others.

A request says how many characters it shares (`ChatRequest.shared_characters`); which tokens these are is found here.
What may be used of a cache is decided by comparing tokens (`models.kept`), so that a wrong number costs time alone.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from playground.chat.decode import SHORT, Logits, in_chunks, logits_of
from playground.chat.text_model import AnyText, torch_model
from playground.errors import Cancelled
from playground.models.kept import LEAST, common
from playground.protocol import CancelToken

if TYPE_CHECKING:
    from playground.chat.generate import Answer
    from playground.chat.logits_torch import TorchLogits

ENDS = ("0", "Z")  # two texts that no tokenizer joins to the same tokens
SLACK = 3  # tokens at the end of a shared text that may be others, joined with what follows it
KNOWN = 8  # shared texts whose tokens are remembered


class Beginnings:
    """The shared beginnings of one model's prompts. Used by one thread."""

    def __init__(self) -> None:
        self._reading: list[tuple[int, ...]] = []
        self._known: dict[tuple[object, ...], tuple[int, ...]] = {}

    def source(self, one: Answer, loaded: AnyText, cancel: CancelToken) -> Generator[None, None, Logits]:
        """A sequence to make the answer with, which holds what it shares with others; pauses while that is read.

        Raises:
            Cancelled: while it is read, by this answer or another.
        """
        shared = self._shared(one, loaded)
        while shared in self._reading:
            if cancel.cancelled:
                raise Cancelled
            yield
        source = logits_of(loaded, one.room, one.ids, one.say, one.shown)
        try:
            one.cached = source.held(len(one.ids))
            beginning = one.ids[: min(common(shared, one.ids), len(one.ids) - 1)]
            if len(beginning) >= LEAST and getattr(source, "remembers", False):
                source.keeps = False  # type: ignore[attr-defined]  # how one prompt goes on is of no use to others
                if not loaded.kept.shares(beginning, SLACK):  # type: ignore[union-attr]
                    yield from self._read(source, beginning, shared, cancel)  # type: ignore[arg-type]
        except BaseException:
            source.close()
            raise
        return source

    def _read(
        self, source: TorchLogits, beginning: list[int], shared: tuple[int, ...], cancel: CancelToken
    ) -> Generator[None, None, None]:
        self._reading.append(shared)
        try:
            if source.held(len(beginning)) < len(beginning):
                yield from in_chunks(source, beginning, cancel)
            source.share(len(beginning))
        finally:
            self._reading.remove(shared)

    def _shared(self, one: Answer, loaded: AnyText) -> tuple[int, ...]:
        """The ids that the request shares, as far as its text says; empty where none can be kept."""
        kept, model = getattr(loaded, "kept", None), torch_model(loaded)
        if not one.shared or one.shown is not None or kept is None or not kept.limit or model is None:
            return ()
        if model.device.type != "cpu" and len(one.ids) <= SHORT:
            return ()  # a GPU reads short prompts faster in one step together than what sets them apart one by one
        key = one.shared_key
        if key not in self._known:
            while len(self._known) >= KNOWN:
                del self._known[next(iter(self._known))]
            first, other = one.beginning(ENDS)
            self._known[key] = tuple(first[: common(first, other)])
        return self._known[key]
