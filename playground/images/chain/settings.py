"""One setting of a step: what it may be, how it is read from JSON, and how a page names it. Knows no steps."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from playground.errors import InvalidRequest

Kind = Literal["text", "whole", "number", "choice", "flag", "model", "sampler", "schedule", "picture", "box"]
MOST_TEXT = 20_000
MOST_PICTURE = 100_000  # characters of base64, so that the whole chain fits into a picture's file
WORDS: dict[str, str] = {"text": "a text", "flag": "true or false", "picture": "a picture file as base64 text"}


@dataclass(frozen=True)
class Setting:
    """`low` and `high` bound numbers; an `optional` one may be None, and its `info` says what is taken then."""

    kind: Kind
    label: str
    info: str = ""
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    optional: bool = False
    step: float = 1


def setting(default: Any, kind: Kind, label: str, info: str = "", **more: Any) -> Any:
    """A dataclass field with a Setting; a None default makes it optional."""
    return field(default=default, metadata={"setting": Setting(kind, label, info, optional=default is None, **more)})


def read(name: str, value: Any, rule: Setting) -> Any:
    """The value as the step keeps it.

    Raises:
        InvalidRequest: it is of the wrong type or out of range.
    """
    if value is None and rule.optional:
        return None
    if rule.kind in ("whole", "number"):
        return _number(name, value, rule)
    if rule.kind == "box":
        return _box(name, value)
    if rule.kind == "flag":
        if not isinstance(value, bool):
            raise InvalidRequest(f"{name} must be true or false, got {_short(value)}.")
        return value
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be {WORDS.get(rule.kind, 'a name')}, got {_short(value)}.")
    if rule.kind == "choice" and value not in rule.choices:
        raise InvalidRequest(f"{name} must be one of {', '.join(rule.choices)}, got {_short(value)}.")
    if rule.kind == "picture":
        picture_bytes(name, value)
        return value
    if len(value) > MOST_TEXT:
        raise InvalidRequest(f"{name} has {len(value):,} characters; at most {MOST_TEXT:,} are taken.", "Shorten it.")
    return value


def picture_bytes(name: str, text: str) -> bytes:
    """The file in a picture setting; b"" where there is none.

    Raises:
        InvalidRequest: the text is no base64, or too long to travel in a picture's file.
    """
    if len(text) > MOST_PICTURE:
        raise InvalidRequest(
            f"{name} has {len(text):,} characters of base64; at most {MOST_PICTURE:,} are taken.",
            "Use a smaller picture.",
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"{name} is no base64 text.", "Encode the bytes of a picture file.") from None


def _number(name: str, value: Any, rule: Setting) -> int | float:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not rule.low <= value <= rule.high or (rule.kind == "whole" and value != int(value)):
        what = "a whole number from " if rule.kind == "whole" else ""
        raise InvalidRequest(f"{name} must be {what}{rule.low:.10g} to {rule.high:.10g}, got {_short(value)}.")
    return int(value) if rule.kind == "whole" else float(value)


def _box(name: str, value: Any) -> tuple[int, int, int, int]:
    numbers = value if isinstance(value, list | tuple) and len(value) == 4 else ()
    if not numbers or not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 100_000 for n in numbers):
        raise InvalidRequest(f"{name} must be [left, top, right, bottom] in pixels, got {_short(value)}.")
    left, top, right, bottom = numbers
    if right <= left or bottom <= top:
        raise InvalidRequest(f"{name} {_short(value)} holds no pixel.", "Right and bottom must be the larger ones.")
    return left, top, right, bottom


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
