"""Splits a model's stream into thoughts and answer at `<think>` and `</think>`. Knows nothing of models."""

from __future__ import annotations

from dataclasses import dataclass

from playground.protocol import TokenKind

OPEN = "<think>"
CLOSE = "</think>"


@dataclass(frozen=True)
class Piece:
    """A stretch of text of one kind, never empty."""

    kind: TokenKind
    text: str


class ReasoningSplitter:
    """Cuts text that arrives in any chunks; the tags themselves are left out and may be split over chunks.

    `<think>` opens a thought only while the answer is blank, so that an answer may speak about the tag. Anything but a
    tag comes out again, in order. `inside`: the text begins within a thought, as after a template that opened one;
    `answered`: it goes on with an answer.
    """

    def __init__(self, inside: bool = False, answered: bool = False) -> None:
        self._inside = inside
        self._answered = answered
        self._held = ""

    @property
    def inside(self) -> bool:
        """Whether the next text belongs to a thought, as far as is known yet."""
        return self._inside

    @property
    def answered(self) -> bool:
        """Whether the answer has begun, so that no thought can follow."""
        return self._answered

    @property
    def held(self) -> str:
        """What may become a tag."""
        return self._held

    def feed(self, text: str) -> list[Piece]:
        """The pieces that are certain after this chunk; the start of a possible tag is held back."""
        self._held += text
        pieces: list[Piece] = []
        while self._held:
            if not self._inside and not self._answered:
                lead = len(self._held) - len(self._held.lstrip())
                rest = self._held[lead:]
                self._answered = bool(rest) and not OPEN.startswith(rest[: len(OPEN)])
            if self._answered:
                return self._take(pieces, len(self._held))
            tag = CLOSE if self._inside else OPEN
            at = self._held.find(tag)
            if at < 0:
                return self._take(pieces, len(self._held) - held_back(self._held, (tag,)))
            self._take(pieces, at)
            self._held = self._held[len(tag) :]
            self._inside = not self._inside
        return pieces

    def finish(self) -> list[Piece]:
        """What was held back, at the end of the stream."""
        return self._take([], len(self._held))

    def _take(self, pieces: list[Piece], length: int) -> list[Piece]:
        if length:
            pieces.append(Piece("reasoning" if self._inside else "answer", self._held[:length]))
        self._held = self._held[length:]
        return pieces


def held_back(text: str, marks: tuple[str, ...]) -> int:
    """How many characters at the end of `text` could be the start of one of `marks`."""
    longest = max((len(mark) for mark in marks), default=0)
    for length in range(min(len(text), longest - 1), 0, -1):
        if any(mark.startswith(text[-length:]) for mark in marks):
            return length
    return 0
