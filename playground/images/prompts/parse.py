"""Reads a prompt into what it means. Semantics: the docstring of the package."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from playground.images.prompts.lex import Piece, pieces
from playground.images.prompts.loras import take_loras
from playground.images.prompts.nodes import (
    MAX_WEIGHT,
    NUMBER,
    Alternating,
    Break,
    Node,
    Nodes,
    Part,
    Prompt,
    Scheduled,
    Text,
    Weighted,
)

ROUND, SQUARE = 1.1, 1 / 1.1
_LONGEST_NUMBER = 100  # with white space; what is longer is words


@dataclass
class _Frame:
    """An open bracket, or the prompt itself: nodes between the ":" and "|" that stand directly in it."""

    segments: list[list[Node]] = field(default_factory=lambda: [[]])
    joints: list[str] = field(default_factory=list)  # the sign between one segment and the next
    written: list[str | None] = field(default_factory=lambda: [""])  # a segment's own text, None if it has more

    def add(self, node: Node, written: str | None = None) -> None:
        self.segments[-1].append(node)
        own = self.written[-1]
        short = own is not None and written is not None and len(own) + len(written) <= _LONGEST_NUMBER
        self.written[-1] = f"{own}{written}" if short else None

    def joint(self, sign: str) -> None:
        self.joints.append(sign)
        self.segments.append([])
        self.written.append("")

    def number(self) -> str | None:
        """The number that stands alone after the last sign, if that is a colon."""
        if not self.joints or self.joints[-1] != ":" or (own := self.written[-1]) is None:
            return None
        found = NUMBER.fullmatch(own)
        return found.group(1) if found else None

    def joined(self, start: int = 0, end: int | None = None) -> Nodes:
        """Segments `start` to `end` as one, with the signs between them as text."""
        end = len(self.segments) if end is None else end
        nodes: list[Node] = []
        for index in range(start, end):
            if index > start:
                nodes.append(Text(self.joints[index - 1]))
            nodes += self.segments[index]
        return tidy(nodes)


@lru_cache(maxsize=64)
def parse(text: str, *, joins: bool = True) -> Prompt:
    """What the prompt means; any text has a meaning, and hints tell where it may not be the one that was wanted.

    Args:
        joins: whether AND joins parts; False for a negative prompt, which has only one.
    """
    text, loras, hints = take_loras(text)
    found, more = pieces(text)
    hints += more
    parts: list[_Frame] = [_Frame()]
    stack: list[tuple[_Frame, str]] = [(parts[0], "")]
    for index, piece in enumerate(found):
        frame = stack[-1][0]
        if piece.kind == "open":
            stack.append((_Frame(), piece.text))
        elif piece.kind == "close":
            closed, sign = stack.pop()
            for node in _round(closed, hints) if sign == "(" else _square(closed, hints):
                stack[-1][0].add(node)
        elif piece.kind in (":", "|"):
            frame.joint(piece.text)
        elif piece.kind == "BREAK":
            frame.add(Break())
        elif piece.kind == "AND" and joins and len(stack) == 1:
            parts.append(_Frame())
            stack = [(parts[-1], "")]
        else:
            if piece.kind == "AND":
                where = "within brackets" if joins else "in a negative prompt"
                hints.append(f"AND {where} joins no prompts and is taken as text.")
            _add_text(frame, piece, found, index)
    whole = tuple(_part(frame, hints) for frame in parts) if len(parts) > 1 else (Part(parts[0].joined()),)
    return Prompt(whole, loras, tuple(dict.fromkeys(hints)))


def _add_text(frame: _Frame, piece: Piece, found: list[Piece], index: int) -> None:
    """BREAK takes the white space around it along."""
    text = piece.text
    if index and found[index - 1].kind == "BREAK":
        text = text.lstrip()
    if index + 1 < len(found) and found[index + 1].kind == "BREAK":
        text = text.rstrip()
    if text:
        frame.add(Text(text), text)


def _part(frame: _Frame, hints: list[str]) -> Part:
    number = frame.number()
    if number is None:
        return Part(stripped(frame.joined()))
    return Part(stripped(frame.joined(0, len(frame.segments) - 1)), _weight(number, hints))


def _round(frame: _Frame, hints: list[str]) -> list[Node]:
    number = frame.number()
    if number is None:
        nodes, weight = frame.joined(), ROUND
    else:
        nodes, weight = frame.joined(0, len(frame.segments) - 1), _weight(number, hints)
    return [Weighted(nodes, weight)] if nodes else []


def _square(frame: _Frame, hints: list[str]) -> list[Node]:
    if "|" in frame.joints:
        bars = [-1, *(i for i, sign in enumerate(frame.joints) if sign == "|"), len(frame.joints)]
        return [Alternating(tuple(frame.joined(a + 1, b + 1) for a, b in pairwise(bars)))]
    number = frame.number()
    if number is None:
        nodes = frame.joined()
        return [Weighted(nodes, SQUARE)] if nodes else []
    last = len(frame.segments) - 1
    when: float | int = min(max(float(number), 0.0), 1.0) if "." in number else max(int(number), 0)
    return [Scheduled(frame.joined(0, last - 1), frame.joined(last - 1, last), when)]


def _weight(number: str, hints: list[str]) -> float:
    weight = float(number)
    if abs(weight) > MAX_WEIGHT:
        hints.append(f"The weight {number} is taken as {MAX_WEIGHT if weight > 0 else -MAX_WEIGHT:g}.")
    return min(max(weight, -MAX_WEIGHT), MAX_WEIGHT)


def tidy(nodes: list[Node]) -> Nodes:
    """Nodes with texts that follow each other made one."""
    out: list[Node] = []
    texts: list[str] = []
    for node in nodes:
        if isinstance(node, Text):
            texts.append(node.text)
            continue
        if texts:
            out.append(Text("".join(texts)))
            texts = []
        out.append(node)
    if texts:
        out.append(Text("".join(texts)))
    return tuple(out)


def stripped(nodes: Nodes) -> Nodes:
    """Nodes without white space at either end."""
    out = list(nodes)
    if out and isinstance(out[0], Text):
        out[0] = Text(out[0].text.lstrip())
    if out and isinstance(out[-1], Text):
        out[-1] = Text(out[-1].text.rstrip())
    return tuple(node for node in out if node != Text(""))
