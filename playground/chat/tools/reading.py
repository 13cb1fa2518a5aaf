"""Reads calls out of a streamed answer: text before them streams on, their blocks are kept back. Knows no models."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from playground.chat.reasoning import held_back

_BEGUN = re.compile(r'\s*\[?\s*\{\s*"name"\s*:\s*"([A-Za-z0-9_-]{1,64})"\s*,\s*"(?:arguments|parameters)"\s*:')


@dataclass(frozen=True)
class Said:
    """A call as the model wrote it. `name` is empty where the text is no call; `arguments` then is the whole text."""

    name: str
    arguments: str
    id: str = ""


class CallSplitter:
    """Cuts text that arrives in any chunks into what is said before the calls, and the blocks of calls.

    A block is JSON after the mark `open`, with the mark `close` behind it where the format has one. After a block only
    blanks and further blocks may follow; anything else is the model going on without its results, and sets `done`.
    """

    def __init__(self, open_mark: str, close_mark: str = "") -> None:
        self._open, self._close = open_mark, close_mark
        self._held = ""
        self._value: _Value | None = None  # inside a block
        self.blocks: list[str] = []
        self.cut = ""  # what the end of the stream left of a block, with its mark
        self.done = False

    @property
    def inside(self) -> bool:
        """Whether the next text belongs to a block, as far as is known yet."""
        return self._value is not None

    def feed(self, text: str) -> str:
        """The text that is certain to be none of a call."""
        if self.done:
            return ""
        self._held += text
        shown = ""
        while self._held and not self.done:
            if self._value is not None:
                if not self._read_block(self._value):
                    break
            elif self.blocks:
                if not self._read_gap():
                    break
            else:
                at = self._held.find(self._open)
                if at < 0:
                    keep = len(self._held) - held_back(self._held, (self._open,))
                    shown, self._held = shown + self._held[:keep], self._held[keep:]
                    break
                shown, self._held = shown + self._held[:at], self._held[at + len(self._open) :]
                self._value = _Value()
        return shown

    def finish(self) -> str:
        """What was held back, at the end of the stream; a block that is whole but for its `close` counts."""
        held, self._held = self._held, ""
        value, self._value = self._value, None
        if value is not None:
            if value.end:
                self.blocks.append(held[: value.end])
            else:
                self.cut = self._open + held
            return ""
        return "" if self.blocks else held

    def _read_block(self, value: _Value) -> bool:
        """Goes on inside a block; False where more text is needed."""
        if not value.broken and not value.end:
            value.read(self._held)
        if value.broken:
            at = self._held.find(self._close) if self._close else -1
            if at < 0:
                return False
            self._end_block(at, at + len(self._close))
            return True
        if not value.end:
            return False
        rest = self._held[value.end :]
        blank = len(rest) - len(rest.lstrip())
        found = rest[blank : blank + len(self._close)]
        if self._close and found != self._close and self._close.startswith(found):
            return False  # the mark may still come
        closed = len(self._close) if found == self._close else 0
        self._end_block(value.end, value.end + blank * bool(closed) + closed)
        return True

    def _end_block(self, upto: int, rest: int) -> None:
        self.blocks.append(self._held[:upto])
        self._held, self._value = self._held[rest:], None

    def _read_gap(self) -> bool:
        """Goes on after a block; False where more text is needed."""
        self._held = self._held.lstrip()
        if self._held.startswith(self._open):
            self._held = self._held[len(self._open) :]
            self._value = _Value()
            return True
        self.done = bool(self._held) and not self._open.startswith(self._held)
        return False


class _Value:
    """Finds the end of a JSON list or object in text that grows, by its brackets outside strings."""

    def __init__(self) -> None:
        self._at = 0
        self._depth = 0
        self._string = self._escaped = False
        self.broken = False  # it does not begin as a list or object
        self.end = 0  # characters up to its end, 0 while that has not come

    def read(self, text: str) -> None:
        while self._at < len(text) and not self.end and not self.broken:
            self._take(text[self._at])
            self._at += 1

    def _take(self, character: str) -> None:
        if self._string:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._string = False
        elif character in "[{":
            self._depth += 1
        elif self._depth == 0:
            self.broken = not character.isspace()
        elif character == '"':
            self._string = True
        elif character in "]}":
            self._depth -= 1
            if self._depth == 0:
                self.end = self._at + 1


def calls_in(block: str) -> list[Said]:
    """The calls of one block: a JSON object {"name", "arguments"} or a list of such; never none.

    "parameters" passes for "arguments", and these may be JSON in a string. What is no JSON comes back with its name
    where it begins like a call, and with all that follows as its arguments; what is no call at all without a name.
    """
    try:
        found = json.loads(block, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        begun = _BEGUN.match(block)
        if begun is None:
            return [Said("", block.strip())]
        return [Said(begun[1], block[begun.end() :].strip() or block.strip())]  # no text would pass for no arguments
    listed = found if isinstance(found, list) and found else [found]
    return [_said(one) for one in listed]


def _said(one: Any) -> Said:
    if isinstance(one, dict) and isinstance(one.get("function"), dict):
        one = {"id": one.get("id"), **one["function"]}
    name = one.get("name") if isinstance(one, dict) else None
    if not isinstance(name, str) or not name:
        return Said("", json.dumps(one, ensure_ascii=False))
    arguments = one.get("arguments", one.get("parameters", {}))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    given = one.get("id")
    return Said(name, text, given if isinstance(given, str) else "")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
