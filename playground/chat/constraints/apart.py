"""`oneOf`: whether what is written for one option can never fit another, or can be kept from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from playground.chat.constraints.accepts import accepts, found_in, pattern_schema
from playground.chat.constraints.engine import json_grammar, trouble
from playground.chat.constraints.meet import Definitions, property_of
from playground.chat.constraints.nodes import (
    Anything,
    Either,
    Fields,
    Items,
    Never,
    Node,
    Number,
    Ref,
    Text,
    Values,
)

MAX_DEPTH = 8  # of references and parts that are followed


def separated(options: Sequence[Node], defs: Definitions) -> list[Node] | tuple[int, int]:
    """The options, narrowed until what is written for one fits no other; or the first two that cannot be told apart.

    An object keeps clear of another by leaving out a property that the other requires.
    """
    kept = list(options)
    for i in range(len(kept)):
        for j, other in enumerate(options):
            if i == j or apart(kept[i], other, defs):
                continue
            clear = _without(kept[i], other, defs)
            if clear is None:
                return min(i, j), max(i, j)
            kept[i] = clear
    return kept


def apart(written: Node, other: Node, defs: Definitions, depth: int = MAX_DEPTH) -> bool:
    """Whether no value that is written for the one fits the other; False where that is not sure.

    Of objects only properties that the schema speaks of are written, see `narrow.py`.
    """
    defs.count()
    if isinstance(written, Never) or isinstance(other, Never):
        return True
    if depth == 0 or isinstance(written, Anything) or isinstance(other, Anything):
        return False
    written, other = (defs.resolve(n.name) if isinstance(n, Ref) else n for n in (written, other))
    if isinstance(written, Either):
        return all(apart(option, other, defs, depth - 1) for option in written.options)
    if isinstance(other, Either):
        return all(apart(written, option, defs, depth - 1) for option in other.options)
    if isinstance(written, Values):
        return not any(accepts(other, value, defs.resolve) for value in written.values)
    if isinstance(other, Values):
        return not any(accepts(written, value, defs.resolve) for value in other.values)
    if isinstance(written, Number) and isinstance(other, Number):
        return _numbers_apart(written, other)
    if isinstance(written, Text) and isinstance(other, Text):
        return _texts_apart(written, other)
    if isinstance(written, Items) and isinstance(other, Items):
        return _items_apart(written, other, defs, depth)
    if isinstance(written, Fields) and isinstance(other, Fields):
        return any(not _may_have(written, name) for name in other.required) or any(
            name in written.required
            and apart(property_of(written, name, defs), property_of(other, name, defs), defs, depth - 1)
            for name in written.required + tuple(other.named)
        )
    return type(written) is not type(other)


def _without(written: Node, other: Node, defs: Definitions) -> Node | None:
    """The object without a property that the other requires; None where that cannot be."""
    written, other = (defs.resolve(n.name) if isinstance(n, Ref) else n for n in (written, other))
    if not isinstance(written, Fields) or not isinstance(other, Fields):
        return None
    for name in other.required:
        if name not in written.required:
            return replace(written, named={**written.named, name: Never("another option requires it")})
    return None


def _may_have(fields: Fields, name: str) -> bool:
    if name in fields.named:
        return not isinstance(fields.named[name], Never)
    found = [node for pattern, node in fields.patterns if found_in(pattern, name)]
    if found:
        return not any(isinstance(node, Never) for node in found)
    if isinstance(fields.rest, Anything):  # then only an object of which nothing is said gets other properties
        return not fields.named and not fields.patterns
    return not isinstance(fields.rest, Never)


def _numbers_apart(a: Number, b: Number) -> bool:
    def below(x: Number, y: Number) -> bool:
        if x.high is None or y.low is None:
            return False
        return x.high < y.low or (x.high == y.low and (x.high_open or y.low_open))

    return below(a, b) or below(b, a)


def _texts_apart(a: Text, b: Text) -> bool:
    least, most = max(a.least, b.least), min((n.most for n in (a, b) if n.most is not None), default=None)
    if most is not None and least > most:
        return True
    patterns = tuple(dict.fromkeys(a.patterns + b.patterns))
    return len(patterns) > 1 and "empty" in trouble(json_grammar(pattern_schema(patterns)))


def _items_apart(a: Items, b: Items, defs: Definitions, depth: int) -> bool:
    if any(x.most is not None and x.most < y.least for x, y in ((a, b), (b, a))):
        return True

    def at(items: Items, i: int) -> Node:
        return items.prefix[i] if i < len(items.prefix) else items.rest

    shared = min(a.least, 1 + max(len(a.prefix), len(b.prefix)))
    return any(apart(at(a, i), at(b, i), defs, depth - 1) for i in range(shared))
