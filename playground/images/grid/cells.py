"""What came of one cell: its parameters, its figures, or the error in its place. Plain records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from playground.images.grid.plan import Cell, request_record
from playground.images.metadata import read_metadata


@dataclass(frozen=True)
class Result:
    """One finished cell. Seconds are the picture's own and, apart, those of loading its model; None was not measured.

    `parameters`: the settings by the names of an ImageRequest, as they were used. `text`: A1111's text of them.
    `clip_score`: 100 max(cos, 0) of picture and prompt. `error` and `hint` stand in place of a picture.
    """

    index: int
    parameters: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    seconds: float | None = None
    load_s: float | None = None
    clip_score: float | None = None
    width: int | None = None
    height: int | None = None
    notices: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    code: str = ""


def parameters_of(cell: Cell, png: bytes | None) -> dict[str, Any]:
    """The cell's settings: what was asked for, and what the picture itself says of what was used."""
    asked = request_record(cell.request)
    found: Mapping[str, Any] = read_metadata(png) if png is not None else {}
    if found.get("source") != "playground":
        return asked
    used = {name: found[name] for name in asked if name in found and name != "model"}
    more = {name: found[name] for name in ("dtype", "device", "revision", "model_hash") if found.get(name) is not None}
    return asked | used | more


def to_json(result: Result) -> str:
    """The result as text."""
    return json.dumps(asdict(result), ensure_ascii=True, allow_nan=False)


def from_json(text: str) -> Result:
    """The result that `to_json` wrote; fields that a later version added are left out.

    Raises:
        ValueError, TypeError: it is damaged.
    """
    found = json.loads(text)
    known = {f.name for f in fields(Result)}
    if not isinstance(found, dict) or not isinstance(found.get("index"), int):
        raise ValueError("no result")
    values = {name: value for name, value in found.items() if name in known}
    return Result(**values | {"notices": tuple(values.get("notices") or ())})
