"""Reads a JSON Schema (draft 2020-12; of older drafts what means the same) into nodes, every keyword of it or none.

A keyword that cannot bind an answer is refused with its name and place. Knows nothing of the engine but for regular
expressions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

from playground.chat.constraints.automaton import automaton
from playground.chat.constraints.engine import json_grammar, trouble
from playground.chat.constraints.formats import FORMATS
from playground.chat.constraints.meet import either, meet, property_of
from playground.chat.constraints.nodes import (
    BOOLEAN,
    NULL,
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
    fraction,
)
from playground.chat.constraints.patterns import Pattern, Unsupported, checked
from playground.errors import InvalidRequest

MAX_WORK = 20_000  # nodes read and merged
MAX_VALUES = 5_000  # of all `enum` together
MAX_EXACT = 2**53  # beyond, not every whole number is a float
MAX_DECIMALS = 12
MAX_STEP = 2**32  # as a whole number times a power of ten
MAX_LENGTH = 4_000  # characters that `minLength` may ask for
MAX_ITEMS = 1_000  # items that `minItems` may ask for

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
OF_TEXT = frozenset({"minLength", "maxLength", "pattern", "format"})
OF_NUMBER = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
OF_ARRAY = frozenset({"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"})
OF_OBJECT = frozenset({
    "properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties",
})  # fmt: skip
ANYWHERE = frozenset({"type", "enum", "const", "allOf", "anyOf", "oneOf", "$ref"})
# What says something of a value but asks nothing of it, by the specification (and OpenAPI's `discriminator`).
ANNOTATIONS = frozenset({
    "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$comment",
    "$defs", "definitions", "discriminator",
})  # fmt: skip
AT_ROOT = frozenset({"$schema", "$id", "id"})
KNOWN = OF_TEXT | OF_NUMBER | OF_ARRAY | OF_OBJECT | ANYWHERE | ANNOTATIONS

_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")  # those that JSON can only write as \uXXXX


def read_schema(schema: Any) -> tuple[Node, Definitions]:
    """The node of a parsed schema, and what its references name.

    Raises:
        InvalidRequest: a keyword cannot bind an answer, has a wrong value, or all is too large.
    """
    definitions = Definitions(schema)
    return definitions.read(schema, "#"), definitions


def refused(keyword: str, where: str, why: str) -> InvalidRequest:
    """The error for a keyword that cannot bind an answer."""
    return InvalidRequest(
        f"The keyword {keyword!r} at {where} cannot bind an answer: {why}.",
        "Take it out of the schema, and check the answer for it yourself.",
    )


class Definitions:
    """Nodes by the pointers that name them, read when they are first used."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._makers: dict[str, Callable[[], Node]] = {}
        self._nodes: dict[str, Node] = {}
        self._reading: set[str] = set()
        self._work = 0
        self._values = 0

    # --- names -----------------------------------------------------------------------------------------------------

    def define(self, name: str, make: Callable[[], Node]) -> Ref:
        self._makers.setdefault(name, make)
        return Ref(name)

    def resolve(self, name: str) -> Node:
        """Raises InvalidRequest where the node is needed to know itself."""
        seen = [name]
        while isinstance(node := self._node(seen[-1]), Ref):
            if node.name in seen:
                return Never(f"{name} refers to itself only")
            seen.append(node.name)
        return node

    def _node(self, name: str) -> Node:
        if name not in self._nodes:
            if name in self._reading:
                raise InvalidRequest(
                    f"The schema at {name} refers to itself beside other keywords, which cannot bind an answer.",
                    "Leave '$ref' alone where it stands, without keywords that ask more.",
                )
            self._reading.add(name)
            try:
                self._nodes[name] = self._makers[name]()
            finally:
                self._reading.discard(name)
        return self._nodes[name]

    def count(self) -> None:
        self._work += 1
        if self._work > MAX_WORK:
            raise InvalidRequest(
                f"The schema grows to more than {MAX_WORK:,} parts when its references are followed.", "Simplify it."
            )

    # --- reading ---------------------------------------------------------------------------------------------------

    def read(self, schema: Any, where: str) -> Node:
        """The node of a part of the schema; `where` is its pointer."""
        self.count()
        if schema is True:
            return Anything()
        if schema is False:
            return Never(f"{where} is false")
        if not isinstance(schema, dict):
            raise _wrong("A schema", where, "an object or true or false", schema)
        allowed = KNOWN | AT_ROOT if where == "#" else KNOWN
        for keyword in schema:
            if keyword not in allowed:
                raise refused(keyword, where, "the grammar engine does not know it")
        node = self._typed(schema, where)
        for keyword in schema:  # in their order, so that properties keep theirs
            node = meet(node, self._in_place(keyword, schema[keyword], f"{where}/{_escaped(keyword)}"), self)
        return node

    def _in_place(self, keyword: str, value: Any, where: str) -> Node:
        """What a keyword that applies to values of every type asks."""
        if keyword == "const":
            return self._listed([value], where)
        if keyword == "enum":
            return self._listed(_list(value, where), where)
        if keyword == "$ref":
            return self._reference(value, where)
        if keyword in ("allOf", "anyOf", "oneOf"):
            options = _list(value, where)
            if not options:
                raise _wrong(keyword, where, "a list with something in it", value)
            nodes = [self.read(option, f"{where}/{i}") for i, option in enumerate(options)]
            if keyword == "allOf":
                node: Node = Anything()
                for part in nodes:
                    node = meet(node, part, self)
                return node
            return either(Either(tuple(nodes), keyword == "oneOf", where))
        return Anything()

    def _listed(self, values: list[Any], where: str) -> Node:
        self._values += len(values)
        if self._values > MAX_VALUES:
            raise InvalidRequest(f"The schema lists more than {MAX_VALUES:,} values.", "List fewer.")
        for value in values:
            _check_value(value, where)
        values = [0 if isinstance(value, float) and not value else value for value in values]  # no -0
        return Values(tuple(values)) if values else Never(f"{where} is empty")

    def _reference(self, value: Any, where: str) -> Node:
        if not isinstance(value, str):
            raise _wrong("$ref", where, "text", value)
        pointer = unquote(value)
        if pointer != "#" and not pointer.startswith("#/"):
            raise refused("$ref", where.removesuffix("/$ref"), f"{value[:80]!r} is no place in this schema")
        target = self._schema
        for step in pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, dict) and name in target:
                target = target[name]
            elif isinstance(target, list) and name.isascii() and name.isdigit() and int(name) < len(target):
                target = target[int(name)]
            else:
                raise InvalidRequest(
                    f"The schema at {where.removesuffix('/$ref')} refers to {value[:80]!r}, which is not there.",
                    "Put it under $defs.",
                )
        return self.define(pointer, lambda: self.read(target, pointer))

    # --- keywords of one type --------------------------------------------------------------------------------------

    def _typed(self, schema: dict[str, Any], where: str) -> Node:
        """What `type` and the keywords of single types ask. Without `type`, keywords of a type ask for that type: what
        else the specification would let pass is surely not meant."""
        types = schema.get("type")
        if types is None:
            types = [
                name
                for name, keywords in (
                    ("string", OF_TEXT), ("number", OF_NUMBER), ("array", OF_ARRAY), ("object", OF_OBJECT)
                )
                if keywords & schema.keys()
            ]  # fmt: skip
            if not types:
                return Anything()
        types = [types] if isinstance(types, str) else types
        if not isinstance(types, list) or not types or not all(t in TYPES for t in types):
            raise _wrong("type", where, f"one of {', '.join(TYPES)}, or a list of them", schema.get("type"))
        if "number" in types:
            types = [t for t in types if t != "integer"]
        readers: dict[str, Callable[[dict[str, Any], str], Node]] = {
            "null": lambda *_: NULL,
            "boolean": lambda *_: BOOLEAN,
            "string": self._text,
            "array": self._items,
            "object": self._fields,
            "integer": lambda schema, where: self._number(schema, where, whole=True),
            "number": self._number,
        }
        return either(Either(tuple(readers[t](schema, where) for t in dict.fromkeys(types))))

    def _text(self, schema: dict[str, Any], where: str) -> Node:
        patterns = []
        if "pattern" in schema:
            patterns.append(_pattern("pattern", schema["pattern"], where))
        if "format" in schema:
            name = schema["format"]
            if not isinstance(name, str) or name not in FORMATS:
                known = ", ".join(FORMATS)
                raise refused("format", where, f"{str(name)[:40]!r} is none of {known}")
            patterns.append(checked(FORMATS[name]))
        least, most = _whole(schema, "minLength", where) or 0, _whole(schema, "maxLength", where)
        if least > MAX_LENGTH:
            raise refused("minLength", where, f"{least:,} characters are more than {MAX_LENGTH:,}")
        return _from_to(Text(least, most, tuple(patterns)), "minLength", "maxLength")

    def _number(self, schema: dict[str, Any], where: str, whole: bool = False) -> Node:
        low, high = _bound(schema, "minimum", where), _bound(schema, "maximum", where)
        above, below = _bound(schema, "exclusiveMinimum", where), _bound(schema, "exclusiveMaximum", where)
        node: Node = Number(whole, low, high, step=_step(schema, where))
        if above is not None:
            node = meet(node, Number(low=above, low_open=True), self)
        if below is not None:
            node = meet(node, Number(high=below, high_open=True), self)
        return node

    def _items(self, schema: dict[str, Any], where: str) -> Node:
        if schema.get("uniqueItems", False) is not False:
            raise refused("uniqueItems", where, "the grammar engine does not know it")
        prefix, rest = schema.get("prefixItems", []), schema.get("items", True)
        names = ("prefixItems", "items")
        if isinstance(rest, list):  # as up to draft 2019-09
            prefix, rest = rest, schema.get("additionalItems", True)
            names = ("items", "additionalItems")
        elif "additionalItems" in schema:
            raise refused("additionalItems", where, "it says something beside a list of 'items' only")
        prefix = _list(prefix, f"{where}/{names[0]}")
        least, most = _whole(schema, "minItems", where) or 0, _whole(schema, "maxItems", where)
        if least > MAX_ITEMS:
            raise refused("minItems", where, f"{least:,} items are more than {MAX_ITEMS:,}")
        nodes = tuple(self.read(item, f"{where}/{names[0]}/{i}") for i, item in enumerate(prefix))
        return _from_to(Items(nodes, self.read(rest, f"{where}/{names[1]}"), least, most), "minItems", "maxItems")

    def _fields(self, schema: dict[str, Any], where: str) -> Node:
        named = {
            name: self.read(part, f"{where}/properties/{_escaped(name)}")
            for name, part in _dict(schema.get("properties", {}), f"{where}/properties").items()
        }
        patterns = tuple(
            (_pattern("patternProperties", text, where), self.read(part, f"{where}/patternProperties/{_escaped(text)}"))
            for text, part in _dict(schema.get("patternProperties", {}), f"{where}/patternProperties").items()
        )
        rest = self.read(schema.get("additionalProperties", True), f"{where}/additionalProperties")
        required = _list(schema.get("required", []), f"{where}/required")
        if not all(isinstance(name, str) for name in required):
            raise _wrong("required", where, "a list of names", required)
        node = Fields(named, tuple(dict.fromkeys(required)), patterns, rest, where=where)
        for name in named:
            for pattern, part in patterns:
                if property_of(Fields(patterns=((pattern, part),), rest=Never("")), name, self) is part:
                    named[name] = meet(named[name], part, self)
        for name in node.required:
            named[name] = named[name] if name in named else property_of(node, name, self)
            if isinstance(named[name], Never):
                return Never(f"the property {name!r} at {where} is required and cannot be: {named[name].reason}")  # type: ignore[union-attr]
        least, most = _whole(schema, "minProperties", where) or 0, _whole(schema, "maxProperties", where)
        return _from_to(replace(node, least=least, most=most), "minProperties", "maxProperties")


# --- values of keywords --------------------------------------------------------------------------------------------


def _wrong(what: str, where: str, wanted: str, value: Any) -> InvalidRequest:
    return InvalidRequest(f"{what} at {where} must be {wanted}, got {repr(value)[:60]}.", "Correct the schema.")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong("The value", where, "a list", value)
    return value


def _dict(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong("The value", where, "an object", value)
    return value


def _whole(schema: dict[str, Any], keyword: str, where: str) -> int | None:
    value = schema.get(keyword)
    if value is None and keyword not in schema:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value // 1:
        raise _wrong(keyword, where, "a whole number from 0", value)
    return int(value)


def _from_to(node: Node, low: str, high: str) -> Node:
    least, most = node.least, node.most  # type: ignore[union-attr]  # of the three that have them
    return Never(f"{low} {least} is above {high} {most}") if most is not None and least > most else node


def _number(value: Any, keyword: str, where: str) -> Fraction:
    """A number that is exact as a float and short to write."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(keyword, where, "a number", value)
    exact = fraction(value)
    if abs(exact) > MAX_EXACT:
        raise refused(keyword, where, f"{value} is beyond ±{MAX_EXACT}, where numbers are not exact")
    if (exact * 10**MAX_DECIMALS).denominator != 1:
        raise refused(keyword, where, f"{value} has more than {MAX_DECIMALS} decimals")
    return exact


def _bound(schema: dict[str, Any], keyword: str, where: str) -> Fraction | None:
    return _number(schema[keyword], keyword, where) if keyword in schema else None


def _step(schema: dict[str, Any], where: str) -> Fraction | None:
    if "multipleOf" not in schema:
        return None
    step = _number(schema["multipleOf"], "multipleOf", where)
    if step <= 0:
        raise _wrong("multipleOf", where, "a number above 0", schema["multipleOf"])
    if coefficient(step) >= MAX_STEP:
        raise refused("multipleOf", where, f"{schema['multipleOf']} has too many digits")
    if step.denominator & (step.denominator - 1):
        raise refused(
            "multipleOf", where, f"floats hold no multiples of {schema['multipleOf']}, so that readers would disagree"
        )
    return step


def coefficient(step: Fraction) -> Fraction:
    """The digits of a decimal number as a whole number."""
    while step.denominator != 1:
        step *= 10
    return step


def _pattern(keyword: str, text: Any, where: str) -> Pattern:
    if not isinstance(text, str):
        raise _wrong(keyword, where, "text", text)
    try:
        pattern = checked(text)
        automaton(text)
    except Unsupported as unsupported:
        raise refused(keyword, where, f"{text[:60]!r} has {unsupported}") from None
    why = trouble(json_grammar({"type": "string", "pattern": text}))
    if why:
        raise refused(keyword, where, f"of {text[:60]!r} the grammar engine says: {why}")
    return pattern


def _check_value(value: Any, where: str) -> None:
    """Refuses what an answer cannot hold, or not in the same way for all readers."""
    if isinstance(value, str) and (found := _CONTROL.search(value)):
        raise refused(where.rpartition("/")[2], where, f"it lists the control character {found[0]!r}")
    if isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) <= MAX_EXACT:
        raise refused(where.rpartition("/")[2], where, f"{value:g} is beyond ±{MAX_EXACT}")
    for part in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        _check_value(part, where)
