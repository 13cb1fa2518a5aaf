"""Whether a JSON value fits a node."""

from __future__ import annotations

from typing import Any

from playground.chat.constraints.automaton import automaton
from playground.chat.constraints.nodes import (
    Anything,
    Either,
    Fields,
    Items,
    Node,
    Number,
    Ref,
    Resolve,
    Text,
    Values,
    fraction,
    same,
)
from playground.chat.constraints.patterns import ASCII, Pattern


def accepts(node: Node, value: Any, resolve: Resolve, within: tuple[str, ...] = ()) -> bool:
    """Whether `value` fits `node`. Of `oneOf` one option is enough, since an answer is made so that only one fits.

    `within`: references that were followed for this very value; one that leads to itself adds nothing.
    """
    match node:
        case Anything():
            return True
        case Values(values):
            return any(same(value, v) for v in values)
        case Text(least, most, patterns):
            return (
                isinstance(value, str)
                and least <= len(value) <= (len(value) if most is None else most)
                and all(found_in(pattern, value) for pattern in patterns)
            )
        case Number():
            return isinstance(value, int | float) and not isinstance(value, bool) and _number(node, value)
        case Items(prefix, rest, least, most):
            return (
                isinstance(value, list)
                and least <= len(value) <= (len(value) if most is None else most)
                and all(accepts(prefix[i] if i < len(prefix) else rest, v, resolve) for i, v in enumerate(value))
            )
        case Fields(required=required, least=least, most=most):
            return (
                isinstance(value, dict)
                and all(name in value for name in required)
                and least <= len(value) <= (len(value) if most is None else most)
                and all(accepts(part, v, resolve) for k, v in value.items() for part in parts(node, k))
            )
        case Either(options):
            return any(accepts(option, value, resolve, within) for option in options)
        case Ref(name):
            return name not in within and accepts(resolve(name), value, resolve, (*within, name))
    return False


def parts(fields: Fields, name: str) -> list[Node]:
    """All that the value of a property has to fit."""
    if name in fields.named:
        return [fields.named[name]]
    return [node for pattern, node in fields.patterns if found_in(pattern, name)] or [fields.rest]


def found_in(pattern: Pattern, text: str) -> bool:
    """Whether the pattern is found in the text, in time that grows with the text alone."""
    return automaton(pattern.text).matches(text) and (not pattern.ascii_only or automaton(ASCII).matches(text))


def pattern_schema(patterns: tuple[Pattern, ...]) -> dict[str, Any]:
    """A schema of the strings in which all are found."""
    texts = [p.text for p in patterns] + [ASCII] * any(p.ascii_only for p in patterns)
    if len(texts) == 1:
        return {"type": "string", "pattern": texts[0]}
    return {"type": "string", "allOf": [{"type": "string", "pattern": text} for text in texts]}


def _number(node: Number, value: float) -> bool:
    if node.whole and not float(value).is_integer():
        return False
    exact = fraction(value)
    low = node.low is None or exact > node.low or (exact == node.low and not node.low_open)
    high = node.high is None or exact < node.high or (exact == node.high and not node.high_open)
    return low and high and (node.step is None or exact % node.step == 0)
