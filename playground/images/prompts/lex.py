"""Splits a prompt into words, signs and brackets, in one pass; knows which brackets belong together."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from playground.images.prompts.nodes import MAX_DEPTH

Kind = Literal["text", "open", "close", ":", "|", "AND", "BREAK"]
ESCAPABLE = "()[]{}:|<\\"
_PIECES = re.compile(r"\\[()\[\]{}:|<\\]|[()\[\]:|]|[^\\()\[\]:|]+|\\")
_WORDS = re.compile(r"\b(AND|BREAK)\b")
_SIGNS: dict[str, Kind] = {"(": "open", "[": "open", ")": "close", "]": "close", ":": ":", "|": "|"}
_PARTNER = {")": "(", "]": "["}


@dataclass(frozen=True)
class Piece:
    """A token of the prompt and the character that it begins at, from 0."""

    kind: Kind
    text: str
    at: int


def pieces(text: str) -> tuple[list[Piece], list[str]]:
    """The text's tokens, and hints. Brackets are "open" and "close" only where they have a partner; others are text."""
    found: list[Piece] = []
    for match in _PIECES.finditer(text):
        sign, at = match.group(), match.start()
        if sign in _SIGNS:
            found.append(Piece(_SIGNS[sign], sign, at))
        elif len(sign) == 2 and sign[0] == "\\":
            found.append(Piece("text", sign[1], at))
        else:
            found += _words(sign, at)
    return found, _match_brackets(found)


def _words(run: str, at: int) -> list[Piece]:
    found, end = [], 0
    for match in _WORDS.finditer(run):
        if match.start() > end:
            found.append(Piece("text", run[end : match.start()], at + end))
        word = match.group()
        found.append(Piece("AND" if word == "AND" else "BREAK", word, at + match.start()))
        end = match.end()
    if end < len(run):
        found.append(Piece("text", run[end:], at + end))
    return found


def _match_brackets(found: list[Piece]) -> list[str]:
    """Makes text of brackets without a partner or nested too deep; a closing one passes over others left open."""
    open_at: list[int] = []
    waiting = {"(": 0, "[": 0}
    stray: list[int] = []
    for index, piece in enumerate(found):
        if piece.kind == "open":
            open_at.append(index)
            waiting[piece.text] += 1
        elif piece.kind == "close":
            wanted = _PARTNER[piece.text]
            if not waiting[wanted]:
                stray.append(index)
                continue
            while found[open_at[-1]].text != wanted:
                waiting[found[open_at[-1]].text] -= 1
                stray.append(open_at.pop())
            open_at.pop()
            waiting[wanted] -= 1
    stray += open_at
    hints = [_stray_hint(found, stray)] if stray else []
    for index in stray:
        found[index] = replace(found[index], kind="text")
    depth, deepest = 0, 0
    for index, piece in enumerate(found):
        level = depth = depth + 1 if piece.kind == "open" else depth
        if piece.kind in ("open", "close"):
            deepest = max(deepest, level)
            if level > MAX_DEPTH:
                found[index] = replace(piece, kind="text")
        depth -= piece.kind == "close"
    if deepest > MAX_DEPTH:
        hints.append(f"Brackets are nested {deepest} deep; those beyond {MAX_DEPTH} are taken as text.")
    return hints


def _stray_hint(found: list[Piece], stray: list[int]) -> str:
    first = found[min(stray)]
    sign, where = first.text, first.at + 1
    if len(stray) == 1:
        return f"The bracket {sign} at character {where} has no partner and is taken as text; write \\{sign} to say so."
    return (
        f"{len(stray)} brackets have no partner and are taken as text, the first {sign} at character {where}; "
        f"write \\{sign} to say so."
    )
