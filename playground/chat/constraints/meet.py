"""What fits two nodes at once: `allOf`, and keywords that stand beside `$ref`, `anyOf` or `enum`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import lcm
from typing import Protocol

from playground.chat.constraints.accepts import accepts, parts
from playground.chat.constraints.nodes import Anything, Either, Fields, Items, Never, Node, Number, Ref, Text, Values


class Definitions(Protocol):
    """The nodes that have names."""

    def resolve(self, name: str) -> Node:
        """The node, never a Ref."""

    def define(self, name: str, make: Callable[[], Node]) -> Ref:
        """A reference to what `make` gives, which is called at the first use of the name only."""

    def count(self) -> None:
        """Counts a piece of work.

        Raises:
            InvalidRequest: there were too many.
        """


def meet(a: Node, b: Node, defs: Definitions) -> Node:
    """The node of the values that fit both; options that cannot be are left out."""
    defs.count()
    if isinstance(a, Anything) or isinstance(b, Never):
        return b
    if isinstance(b, Anything) or isinstance(a, Never) or a is b:
        return a
    if isinstance(a, Ref) and isinstance(b, Ref):
        if a == b:
            return a
        first, second = a.name, b.name
        both = "\0".join(sorted({*first.split("\0"), *second.split("\0")}))
        return defs.define(both, lambda: meet(defs.resolve(first), defs.resolve(second), defs))
    if isinstance(a, Ref):
        return meet(defs.resolve(a.name), b, defs)
    if isinstance(b, Ref):
        return meet(a, defs.resolve(b.name), defs)
    if isinstance(a, Either):
        return either(replace(a, options=tuple(meet(option, b, defs) for option in a.options)))
    if isinstance(b, Either):
        return either(replace(b, options=tuple(meet(a, option, defs) for option in b.options)))
    if isinstance(b, Values):
        a, b = b, a
    if isinstance(a, Values):
        kept = tuple(value for value in a.values if _counted(defs) and accepts(b, value, defs.resolve))
        return Values(kept) if kept else Never("none of the listed values fits")
    if isinstance(a, Text) and isinstance(b, Text):
        patterns = dict.fromkeys(a.patterns + b.patterns)
        return Text(max(a.least, b.least), _lower(a.most, b.most), tuple(patterns))
    if isinstance(a, Number) and isinstance(b, Number):
        return _numbers(a, b)
    if isinstance(a, Items) and isinstance(b, Items):
        return _items(a, b, defs)
    if isinstance(a, Fields) and isinstance(b, Fields):
        return _fields(a, b, defs)
    return Never("its types exclude each other")


def either(node: Either) -> Node:
    """The node without options that cannot be; one that is left stands for itself."""
    options = tuple(option for option in node.options if not isinstance(option, Never))
    if not options:
        return next(iter(node.options), Never("it has no options"))
    return options[0] if len(options) == 1 else replace(node, options=options)


def property_of(fields: Fields, name: str, defs: Definitions) -> Node:
    """What the value of a property has to be."""
    node, *others = parts(fields, name)
    for other in others:
        node = meet(node, other, defs)
    return node


def _counted(defs: Definitions) -> bool:
    defs.count()
    return True


def _numbers(a: Number, b: Number) -> Number:
    low, low_open = max(((n.low, n.low_open) for n in (a, b) if n.low is not None), default=(None, False))
    ends = [(n.high, not n.high_open) for n in (a, b) if n.high is not None]
    high, closed = min(ends, default=(None, True))
    step = a.step or b.step
    if a.step and b.step:
        common = a.step.denominator * b.step.denominator
        step = Fraction(lcm(int(a.step * common), int(b.step * common)), common)
    return Number(a.whole or b.whole, low, high, low_open, not closed, step)


def _items(a: Items, b: Items, defs: Definitions) -> Node:
    def at(items: Items, i: int) -> Node:
        return items.prefix[i] if i < len(items.prefix) else items.rest

    prefix = tuple(meet(at(a, i), at(b, i), defs) for i in range(max(len(a.prefix), len(b.prefix))))
    return Items(prefix, meet(a.rest, b.rest, defs), max(a.least, b.least), _lower(a.most, b.most))


def _fields(a: Fields, b: Fields, defs: Definitions) -> Node:
    named = {
        name: meet(property_of(a, name, defs), property_of(b, name, defs), defs)
        for name in dict.fromkeys([*a.named, *b.named])
    }
    required = tuple(dict.fromkeys(a.required + b.required))
    for name in required:
        node = named.get(name)
        if isinstance(node, Never):
            return Never(f"the property {name!r} is required and cannot be: {node.reason}")
    of_a, of_b = dict(a.patterns), dict(b.patterns)
    patterns = tuple(
        (pattern, meet(of_a.get(pattern, a.rest), of_b.get(pattern, b.rest), defs)) for pattern in {**of_a, **of_b}
    )
    rest = meet(a.rest, b.rest, defs)
    least, most = max(a.least, b.least), _lower(a.most, b.most)
    return Fields(named, required, patterns, rest, least, most, a.where or b.where)


def _lower(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)
