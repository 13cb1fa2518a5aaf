"""Regular expressions that two engines read alike: Python's, which checks texts, and Rust's, which binds them.

A pattern that one of them lacks or reads otherwise is refused with the construct named; where they differ on some
characters only, such as `\\W` outside ASCII, the text is kept to those on which they agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

ASCII = r"^[\t\n\r\x20-\x7e]*$"
MAX_LENGTH = 2_000
MAX_REPEATS = 4_000  # of one thing, and of all that are nested within each other multiplied
MAX_GROUPS = 40  # within each other
LAST = 0x10FFFF

_QUANTIFIER = re.compile(r"\{(\d{1,6})(?:(,)(\d{0,6}))?\}")
_LOOKS = {"=": "lookahead", "!": "lookahead", "<=": "lookbehind", "<!": "lookbehind"}
_FLAGS = re.compile(r"([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])")


class Unsupported(Exception):
    """A construct that cannot bind an answer; the text names it."""


@dataclass(frozen=True)
class Pattern:
    """A checked pattern; `ascii_only`: texts have to match `ASCII` too; `bounded`: only short texts match."""

    text: str
    ascii_only: bool = False
    bounded: bool = False


# --- what a pattern says -------------------------------------------------------------------------------------------

Ranges: TypeAlias = tuple[tuple[int, int], ...]  # of code points, both ends within, in order


@dataclass(frozen=True)
class Chars:
    """One character of these."""

    ranges: Ranges


@dataclass(frozen=True)
class Edge:
    """The start of the text, or its end."""

    end: bool


@dataclass(frozen=True)
class Chain:
    """One after the other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Choice:
    """One of several."""

    options: tuple[Part, ...]


@dataclass(frozen=True)
class Repeat:
    """`least` to `most` times, None for no end."""

    part: Part
    least: int
    most: int | None


Part: TypeAlias = Chars | Edge | Chain | Choice | Repeat

ANY: Ranges = ((0, LAST),)
DOT: Ranges = ((0, 9), (11, LAST))
DIGITS: Ranges = ((48, 57),)
WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
# Unicode's White_Space.
SPACE: Ranges = (
    (9, 13), (32, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
)  # fmt: skip
_CLASSES = {"d": DIGITS, "w": WORD, "s": SPACE}
_CHARACTERS = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "a": 7, "0": 0}


@lru_cache(maxsize=1024)
def checked(text: str) -> Pattern:
    """The pattern, known to be read alike.

    Raises:
        Unsupported: it is no regular expression, or has a construct that the engines do not share.
    """
    if len(text) > MAX_LENGTH:
        raise Unsupported(f"{len(text):,} characters, where at most {MAX_LENGTH:,} are taken")
    reader = _Reader(text)
    part = reader.read()
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unsupported(f"an error ({error})") from None
    return Pattern(text, reader.ascii_only, _anchored(part, False) and _anchored(part, True) and not reader.endless)


@lru_cache(maxsize=1024)
def parsed(text: str) -> Part:
    """What a checked pattern says."""
    return _Reader(text).read()


def _anchored(part: Part, end: bool) -> bool:
    match part:
        case Edge():
            return part.end is end
        case Chain(parts):
            return bool(parts) and _anchored(parts[-1 if end else 0], end)
        case Choice(options):
            return all(_anchored(option, end) for option in options)
    return False


def complement(ranges: Ranges) -> Ranges:
    """All other code points."""
    found, at = [], 0
    for low, high in ranges:
        if at < low:
            found.append((at, low - 1))
        at = high + 1
    return (*found, (at, LAST)) if at <= LAST else tuple(found)


def union(parts: list[tuple[int, int]]) -> Ranges:
    """The ranges in order, merged where they touch."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(parts):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


class _Reader:
    """Reads a pattern once, left to right, and refuses at the first construct that is not shared."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ignore_case = False
        self._dot_all = False
        self.ascii_only = False
        self.endless = False

    def read(self) -> Part:
        part, _ = self._choice(0)
        if self._at < len(self._text):
            raise Unsupported("a bracket that was never opened")
        return part

    def _ahead(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _next(self) -> str:
        character = self._text[self._at : self._at + 1]
        if not character:
            raise Unsupported("no end")
        self._at += 1
        return character

    def _choice(self, depth: int) -> tuple[Part, int]:
        """What stands up to the end of the group, and how often anything in it may be repeated."""
        if depth > MAX_GROUPS:
            raise Unsupported(f"more than {MAX_GROUPS} groups within each other")
        options, most = [], 1
        while True:
            part, repeats = self._chain(depth)
            options.append(part)
            most = max(most, repeats)
            if not self._ahead("|"):
                return (options[0] if len(options) == 1 else Choice(tuple(options))), most
            self._at += 1

    def _chain(self, depth: int) -> tuple[Part, int]:
        parts: list[Part] = []
        most = 1
        while self._at < len(self._text) and not self._ahead("|") and not self._ahead(")"):
            part, repeats = self._atom(depth)
            part, repeats = self._repeated(part, repeats)
            if repeats > MAX_REPEATS:
                raise Unsupported(f"{repeats:,} repetitions, where at most {MAX_REPEATS:,} are taken")
            most = max(most, repeats)
            parts.append(part)
        return Chain(tuple(parts)), most

    def _atom(self, depth: int) -> tuple[Part, int]:
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._class(), 1
        if character == "\\":
            return self._chars(self._escape(in_class=False)), 1
        if character == ".":
            return Chars(ANY if self._dot_all else DOT), 1
        if character in "^$":
            return Edge(character == "$"), 1
        if character in "*+?{":
            raise Unsupported("a repetition of nothing" if character != "{" else "a brace that is not \\{")
        return self._chars([(ord(character), ord(character))]), 1

    def _group(self, depth: int) -> tuple[Part, int]:
        kept = self._ignore_case, self._dot_all
        if self._ahead("?"):
            self._at += 1
            if self._flags_only():
                return Chain(()), 1
        part, repeats = self._choice(depth + 1)
        if self._next() != ")":
            raise Unsupported("a group without an end")
        self._ignore_case, self._dot_all = kept
        return part, repeats

    def _flags_only(self) -> bool:
        """Reads what stands after `(?`; whether that was all of the group."""
        for mark, name in _LOOKS.items():
            if self._ahead(mark):
                raise Unsupported(f"a {name}")
        if self._ahead("P="):
            raise Unsupported("a backreference")
        if self._ahead("P<"):
            self._at = self._text.find(">", self._at) + 1 or len(self._text)
            return False
        found = _FLAGS.match(self._text, self._at)
        if found is None:
            raise Unsupported(f"the group (?{self._text[self._at : self._at + 1]}")
        other = (set(found[1]) | set(found[2] or "")) - set("is")
        if other or found[2] is not None:
            raise Unsupported(f"the flag {min(other, default='-')!r}")
        self._ignore_case |= "i" in found[1]
        self._dot_all |= "s" in found[1]
        self.ascii_only |= "i" in found[1]
        self._at = found.end()
        return found[3] == ")"

    def _repeated(self, part: Part, repeats: int) -> tuple[Part, int]:
        while self._at < len(self._text) and self._text[self._at] in "*+?{":
            character = self._next()
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(character, (0, 0))
            if character == "{":
                if self._ahead(","):
                    raise Unsupported("a repetition without a least number, as {,3}")
                found = _QUANTIFIER.match(self._text, self._at - 1)
                if found is None:
                    raise Unsupported("a brace that is not \\{")
                least = int(found[1])
                most = (int(found[3]) if found[3] else None) if found[2] else least
                self._at = found.end()
            if self._ahead("+"):
                raise Unsupported("a possessive repetition")
            if self._ahead("?"):
                self._at += 1
            if self._at < len(self._text) and self._text[self._at] in "*+?{":
                raise Unsupported("a repetition of a repetition")
            self.endless |= most is None
            part = Repeat(part, least, most)
            repeats *= max(least, most or 1, 1)
        return part, repeats

    def _chars(self, ranges: list[tuple[int, int]]) -> Part:
        if self._ignore_case:
            for low, high in list(ranges):
                for first, last, shift in ((65, 90, 32), (97, 122, -32)):
                    if max(low, first) <= min(high, last):
                        ranges.append((max(low, first) + shift, min(high, last) + shift))
        return Chars(union(ranges))

    def _class(self) -> Part:
        negated = self._ahead("^")
        self._at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self._ahead("]"):
            if any(self._ahead(mark) for mark in ("[", "&&", "--", "~~", "||")):
                raise Unsupported("a character class within a class")
            first = False
            part = self._member(negated)
            if self._ahead("-") and not self._ahead("-]"):
                self._at += 1
                if self._ahead("-") or self._ahead("["):
                    raise Unsupported("a character class within a class")
                to = self._member(negated)
                if len(part) != 1 or part[0][0] != part[0][1] or len(to) != 1 or to[0][0] != to[0][1]:
                    raise Unsupported("a range between classes")
                if part[0][0] > to[0][0]:
                    raise Unsupported("a range that runs backwards")
                part = [(part[0][0], to[0][0])]
            ranges += part
        self._at += 1
        found = self._chars(ranges)
        assert isinstance(found, Chars)
        return Chars(complement(found.ranges)) if negated else found

    def _member(self, negated: bool) -> list[tuple[int, int]]:
        character = self._next()
        if character == "\\":
            if negated and self._text[self._at : self._at + 1] in ("w", "d", "s"):
                self.ascii_only = True
            return self._escape(in_class=True)
        return [(ord(character), ord(character))]

    def _escape(self, in_class: bool) -> list[tuple[int, int]]:
        character = self._next()
        if character in "pP":
            raise Unsupported(f"\\{character}, a class of Unicode")
        if character.lower() in _CLASSES:
            self.ascii_only |= character.isupper()
            ranges = _CLASSES[character.lower()]
            return list(complement(ranges) if character.isupper() else ranges)
        if character in "xuU":
            width = {"x": 2, "u": 4, "U": 8}[character]
            digits = self._text[self._at : self._at + width]
            if len(digits) < width or not all(c in "0123456789abcdefABCDEF" for c in digits):
                raise Unsupported(f"\\{character} without {width} digits")
            self._at += width
            code = int(digits, 16)
            if code > LAST or 0xD800 <= code <= 0xDFFF:
                raise Unsupported(f"\\{character}{digits}, which is no character")
            return [(code, code)]
        if character in "123456789k" and not in_class:
            raise Unsupported("a backreference")
        if character in "bBAZzG<>" and not in_class:
            raise Unsupported(f"\\{character}, a place between characters")
        if character in _CHARACTERS and (character != "0" or not self._text[self._at : self._at + 1].isdigit()):
            return [(_CHARACTERS[character], _CHARACTERS[character])]
        if character.isalnum() or not character.isascii():
            raise Unsupported(f"\\{character}")
        return [(ord(character), ord(character))]
