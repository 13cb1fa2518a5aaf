"""JSON that stops somewhere: what is open, what is whole in it, and where it stands."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

# Where an open array or object stands: before its first part, within a name, after a name, before a value (of an array:
# after a comma; of an object: after the colon), after a value, after a comma of an object.
Stage = Literal["start", "in name", "name", "value", "done", "comma"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*\\?\Z|[\[\]{},:]|[^\s\[\]{},:"]+|\s+', re.DOTALL)


@dataclass
class Frame:
    """An array or object that is open: `done` holds its whole values, `name` the one whose value comes or is open."""

    mapping: bool
    stage: Stage = "start"
    items: list[Any] = field(default_factory=list)
    members: dict[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass
class Partial:
    """`frames` from the outside in; `leaf` is the text of a string, name, number or word that may go on, None for none.

    `whole`: the value at the top has ended.
    """

    frames: list[Frame]
    leaf: str | None = None
    whole: bool = False


def partial(text: str) -> Partial | None:
    """How a text stands that is the beginning of JSON; None where it stops within an escape."""
    found = Partial([])
    end = len(text)
    for token in _TOKEN.finditer(text):
        piece = token[0]
        if piece.isspace():
            continue
        frame = found.frames[-1] if found.frames else None
        if piece in ("{", "["):
            found.frames.append(Frame(piece == "{"))
        elif piece in ("}", "]"):
            closed = found.frames.pop()
            _put(found, closed.members if closed.mapping else closed.items)
        elif piece == ":" and frame:
            frame.stage = "value"
        elif piece == "," and frame:
            frame.stage = "comma" if frame.mapping else "value"
        elif piece[0] == '"':
            if len(piece) < 2 or piece[-1] != '"' or _escapes_last(piece):
                if _escapes_end(piece):
                    return None
                found.leaf = piece
                if frame and frame.mapping and frame.stage in ("start", "comma"):
                    frame.stage = "in name"
            elif frame and frame.mapping and frame.stage in ("start", "comma"):
                frame.name, frame.stage = json.loads(piece), "name"
            else:
                _put(found, json.loads(piece))
        elif token.end() == end:
            found.leaf = piece
        else:
            _put(found, json.loads(piece))
    return found


def _put(found: Partial, value: Any) -> None:
    if not found.frames:
        found.whole = True
        return
    frame = found.frames[-1]
    if frame.mapping:
        frame.members[frame.name] = value
    else:
        frame.items.append(value)
    frame.stage = "done"


def _escapes_last(piece: str) -> bool:
    """Whether the quote at the end is escaped, so that the string goes on."""
    body = piece[1:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def _escapes_end(piece: str) -> bool:
    return (len(piece) - len(piece.rstrip("\\"))) % 2 == 1
