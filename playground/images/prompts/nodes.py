"""What a prompt means: a tree of at most 64 levels, of records that compare by value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

MAX_DEPTH = 64
MAX_WEIGHT = 100.0
# As weights and steps are written; no exponents.
NUMBER = re.compile(r"\s*([+-]?(?:\d{1,9}(?:\.\d{0,30})?|\.\d{1,30}))\s*")


@dataclass(frozen=True)
class Text:
    """Words as the text encoder reads them, escapes resolved."""

    text: str


@dataclass(frozen=True)
class Break:
    """What follows begins a new chunk."""


@dataclass(frozen=True)
class Weighted:
    """Attention: what lies in it counts `weight` times, on top of what stands around it."""

    nodes: Nodes
    weight: float


@dataclass(frozen=True)
class Scheduled:
    """`before` until `when`, `after` from then on: a share of the steps where it is a float, else a number of steps."""

    before: Nodes
    after: Nodes
    when: float | int

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scheduled):
            return NotImplemented
        mine, theirs = ((s.before, s.after, s.when, type(s.when)) for s in (self, other))
        return mine == theirs  # 1 step is not 1.0 of all

    def __hash__(self) -> int:
        return hash((self.before, self.after, self.when))


@dataclass(frozen=True)
class Alternating:
    """One of `options` a step, in turn."""

    options: tuple[Nodes, ...]


Node = Text | Break | Weighted | Scheduled | Alternating
Nodes = tuple[Node, ...]


@dataclass(frozen=True)
class Part:
    """One of the prompts that AND joins, and its weight."""

    nodes: Nodes
    weight: float = 1.0


@dataclass(frozen=True)
class LoraTag:
    """An adapter that the prompt names, with its strength in the text encoder and in the UNet."""

    name: str
    text_encoder: float = 1.0
    unet: float = 1.0


@dataclass(frozen=True)
class Prompt:
    """A parsed prompt: at least one part. `hints` are sentences for its writer and no part of the meaning."""

    parts: tuple[Part, ...]
    loras: tuple[LoraTag, ...] = ()
    hints: tuple[str, ...] = ()


def number_text(value: float) -> str:
    """The number as `NUMBER` reads it, exactly; never 1e-05."""
    return format(Decimal(repr(value)), "f")
