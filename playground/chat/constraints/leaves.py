"""Nodes as the schemas that the grammar engine is given, and the shortest texts of those without parts."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

from playground.chat.constraints.accepts import pattern_schema
from playground.chat.constraints.automaton import shortest_text
from playground.chat.constraints.engine import leaf
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
    written,
)
from playground.chat.constraints.reach import shortest

DEFINITIONS = "#/$defs/"


def engine_schema(node: Node) -> Any:
    """A narrowed node (see `narrow.py`) as a schema of the engine; what it refers to is left as references."""
    match node:
        case Anything():
            return True
        case Never():
            return False
        case Values(values):
            return {"enum": list(values)}
        case Text(least, most, patterns):
            schema: dict[str, Any] = pattern_schema(patterns) if patterns else {"type": "string"}
            if least:
                schema["minLength"] = least
            if most is not None:
                schema["maxLength"] = most
            return schema
        case Number(whole=whole, low=low, high=high, step=step):
            schema = {"type": "integer" if whole else "number"}
            for keyword, value in (("minimum", low), ("maximum", high), ("multipleOf", step)):
                if value is not None:
                    schema[keyword] = plain_number(value)
            return schema
        case Items(prefix, rest, least, most):
            schema = {"type": "array", "items": engine_schema(rest), "minItems": least}
            if prefix:
                schema["prefixItems"] = [engine_schema(item) for item in prefix]
            if most is not None:
                schema["maxItems"] = most
            return schema
        case Fields():
            return _fields(node)
        case Either(options):
            return {"anyOf": [engine_schema(option) for option in options]}
        case Ref(name):
            return {"$ref": DEFINITIONS + name}
    raise AssertionError(node)


def _fields(node: Fields) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: engine_schema(part) for name, part in node.named.items()},
        "required": list(node.required),
        "additionalProperties": engine_schema(node.rest),
    }
    if node.patterns:
        schema["patternProperties"] = {pattern.text: engine_schema(part) for pattern, part in node.patterns}
    if node.least:
        schema["minProperties"] = node.least
    if node.most is not None:
        schema["maxProperties"] = node.most
    return schema


def plain_number(value: Fraction) -> int | float:
    """The number as JSON writes it."""
    return value.numerator if value.denominator == 1 else float(value)


def least_leaf(node: Text | Number) -> bytes | None:
    """The shortest text of a string or a number; None for none."""
    return _least(node)


@lru_cache(maxsize=2048)
def _least(node: Text | Number) -> bytes | None:
    if isinstance(node, Number):
        return shortest(leaf(engine_schema(node)))
    text = rest_of_text(node, "")
    return None if text is None else written(text).encode()


def rest_of_text(node: Text, prefix: str) -> str | None:
    """The shortest text with which a string that begins with `prefix` fits; None for none."""
    if not node.patterns:
        return "x" * (node.least - len(prefix))
    ascii_only = any(pattern.ascii_only for pattern in node.patterns)
    rest = shortest_text(tuple(p.text for p in node.patterns), prefix, node.least, ascii_only=ascii_only)
    too_long = rest is not None and node.most is not None and len(prefix) + len(rest) > node.most
    return None if too_long else rest
