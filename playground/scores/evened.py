"""Two answers shown at one pace, so that neither the first word nor the speed tells who writes. Pure, no clock.

Both begin when both have begun, and each new character of one waits for one of the other: whichever is slower holds
both up, and nothing on the page says which it was. An answer that has ended lets the other go on alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Side = Literal["a", "b"]


@dataclass
class Evened:
    """The texts of two sides as they come, and how much of each is shown."""

    texts: dict[Side, str] = field(default_factory=lambda: {"a": "", "b": ""})
    ended: dict[Side, bool] = field(default_factory=lambda: {"a": False, "b": False})
    _count: int = 0

    def feed(self, side: Side, text: str) -> None:
        """Takes more of one side's answer."""
        self.texts[side] += text

    def end(self, side: Side) -> None:
        """Notes that one side has written its last word."""
        self.ended[side] = True

    def advance(self, characters: int) -> bool:
        """Shows up to so many more characters of each side; returns whether more may come."""
        there = [len(self.texts[side]) for side in ("a", "b") if not self.ended[side]]  # type: ignore[index]
        most = min(there) if there else max(map(len, self.texts.values()))
        self._count = max(self._count, min(self._count + characters, most))
        return not all(self.ended.values()) or self._count < max(map(len, self.texts.values()))

    def shown(self, side: Side) -> str:
        """What is shown of one side."""
        return self.texts[side][: self._count]
