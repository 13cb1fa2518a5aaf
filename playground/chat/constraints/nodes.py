"""What a JSON Schema allows at one place, in a small normal form: merged, typed, with its references by name.

A node is open: an object may hold more than its properties, a text may be of any length. What an answer may hold is
narrower, see `narrow.py`; whatever is narrower still fits the schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from playground.chat.constraints.patterns import Pattern


@dataclass(frozen=True)
class Anything:
    """Every JSON value."""


@dataclass(frozen=True)
class Never:
    """No value; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class Values:
    """These values only: `enum`, `const`, `null` and `boolean`."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Text:
    """Strings of `least` to `most` characters in which every pattern is found."""

    least: int = 0
    most: int | None = None
    patterns: tuple[Pattern, ...] = ()


@dataclass(frozen=True)
class Number:
    """Numbers from `low` to `high`; without the ends where these are open. `step`: what they are a multiple of."""

    whole: bool = False
    low: Fraction | None = None
    high: Fraction | None = None
    low_open: bool = False
    high_open: bool = False
    step: Fraction | None = None


@dataclass(frozen=True)
class Items:
    """Arrays of `least` to `most` items: first those of `prefix`, then any number of `rest`."""

    prefix: tuple[Node, ...] = ()
    rest: Node = field(default_factory=Anything)
    least: int = 0
    most: int | None = None


@dataclass(frozen=True)
class Fields:
    """Objects: `rest` is what a property may be that is neither named nor fits one of `patterns`.

    `where` is the place in the schema.
    """

    named: Mapping[str, Node] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    patterns: tuple[tuple[Pattern, Node], ...] = ()
    rest: Node = field(default_factory=Anything)
    least: int = 0
    most: int | None = None
    where: str = ""


@dataclass(frozen=True)
class Either:
    """One of `options`; where `one` is set (`oneOf`), of exactly one. `where` is its place in the schema."""

    options: tuple[Node, ...]
    one: bool = False
    where: str = ""


@dataclass(frozen=True)
class Ref:
    """What stands at `name`, a JSON pointer into the schema."""

    name: str


Node: TypeAlias = Anything | Never | Values | Text | Number | Items | Fields | Either | Ref
Resolve: TypeAlias = Callable[[str], Node]  # a node by its pointer, never a Ref

BOOLEAN = Values((False, True))
NULL = Values((None,))


def written(value: Any) -> str:
    """A value as the engine writes it: no spaces, characters as they are, numbers without exponent, 1.0 as 1."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{written(k)}:{written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return json.dumps(value, ensure_ascii=False)


def fraction(value: float) -> Fraction:
    """A JSON number as it is written, 0.1 as one tenth."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal: 1 is 1.0, and neither is true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b)
