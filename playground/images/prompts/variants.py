r"""Chooses among `{a|b}` and wildcards, by a seed. What it leaves is text for the parser, escapes as they were.

A choice depends on the seed, on which field it is for and on its place among the choices, and on no random generator
whose numbers could change with a library.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_LENGTH = 100_000  # of what comes out
MAX_NESTING = 64
MAX_WILDCARDS = 1_000  # drawn for one prompt, so that files which name each other come to an end
_PIECES = re.compile(r"\\.|[{}|]|__[\w\-][\w\-/ .]{0,80}?__|[^\\{}|_]+|[\\_]", re.DOTALL)
_COUNT = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")

# The lines of a wildcard file by its name; None where there is no such file.
Lines = Callable[[str], tuple[str, ...] | None]


@dataclass(frozen=True)
class Chosen:
    """A prompt without variants and wildcards, and hints for its writer."""

    text: str
    hints: tuple[str, ...] = ()


@dataclass
class _Draw:
    """The choices of one prompt, in their order."""

    key: str
    lines: Lines
    made: int = 0
    wildcards: int = 0
    hints: list[str] = field(default_factory=list)

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1, each as likely."""
        digest = hashlib.sha256(f"{self.key}/{self.made}".encode()).digest()
        self.made += 1
        return int.from_bytes(digest[:16], "big") % limit


def choose(text: str, seed: int, field_name: str, lines: Lines) -> Chosen:
    """The prompt with its variants and wildcards chosen by `seed`; the same seed gives the same text.

    Args:
        field_name: what the prompt is for, so that the same words in two fields are chosen apart.
        lines: reads a wildcard file.
    """
    if "{" not in text and "__" not in text:
        return Chosen(text)
    draw = _Draw(f"{seed}/{field_name}", lines)
    made = _resolved(text, draw, 0)
    if len(made) > MAX_LENGTH:
        made = made[:MAX_LENGTH]
        draw.hints.append(f"The prompt came to more than {MAX_LENGTH} characters and is cut there.")
    return Chosen(made, tuple(dict.fromkeys(draw.hints)))


def _resolved(text: str, draw: _Draw, depth: int) -> str:
    """One pass over the text; a frame for each open brace holds the options read so far."""
    found = _PIECES.findall(text)
    partners = _partners(found)
    if len(partners) < 2 * found.count("{") or len(partners) < 2 * found.count("}"):
        draw.hints.append("A brace { or } has no partner and is taken as text.")
    frames: list[list[list[str]]] = [[[]]]
    length = 0
    for index, piece in enumerate(found):
        if piece == "{" and index in partners:
            frames.append([[]])
        elif piece == "}" and index in partners:
            options = ["".join(option) for option in frames.pop()]
            frames[-1][-1].append(_variant(options, draw))
        elif piece == "|" and len(frames) > 1:
            frames[-1].append([])
        elif len(piece) > 4 and piece.startswith("__"):
            drawn = _wildcard(piece, draw, depth) if length <= MAX_LENGTH else ""
            length += len(drawn)
            frames[-1][-1].append(drawn)
        else:
            frames[-1][-1].append(piece)
    return "".join(frames[0][0])


def _partners(found: list[str]) -> set[int]:
    """Where the braces are that belong together and are not nested too deep."""
    waiting: list[int] = []
    pairs: set[int] = set()
    for index, piece in enumerate(found):
        if piece == "{":
            waiting.append(index)
        elif piece == "}" and waiting:
            opened = waiting.pop()
            if len(waiting) < MAX_NESTING:
                pairs |= {opened, index}
    return pairs


def _variant(options: list[str], draw: _Draw) -> str:
    """`{a|b}`, or `{2$$a|b|c}`, `{1-2$$a|b}`, `{2$$ and $$a|b}`: as many as are asked for, none of them twice."""
    count, joiner = 1, ", "
    head = options[0].split("$$")
    number = _COUNT.fullmatch(head[0].strip()) if len(head) > 1 else None
    if number is not None:
        low = int(number.group(1))
        high = max(low, int(number.group(2) or low))
        count = low + draw.below(high - low + 1)
        if len(head) > 2:
            joiner = head[1]
        options = ["$$".join(head[2 if len(head) > 2 else 1 :]), *options[1:]]
    left = list(range(len(options)))
    picked = [left.pop(draw.below(len(left))) for _ in range(min(count, len(left)))]
    return joiner.join(options[index] for index in picked)


def _wildcard(piece: str, draw: _Draw, depth: int) -> str:
    name = piece[2:-2].strip()
    if depth >= 8 or draw.wildcards >= MAX_WILDCARDS:
        draw.hints.append(f"The wildcard {piece} is taken as text: its files name each other without an end.")
        return piece
    draw.wildcards += 1
    lines = draw.lines(name)
    if not lines:
        missing = "has no line" if lines is not None else "is not in the wildcards folder"
        draw.hints.append(f"The wildcard {piece} is taken as text: {name}.txt {missing}.")
        return piece
    return _resolved(lines[draw.below(len(lines))], draw, depth + 1)
