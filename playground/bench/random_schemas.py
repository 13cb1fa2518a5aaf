"""Random JSON Schemas by seed: nested objects, optional fields, enums, arrays, bounds, patterns, unions, references."""

from __future__ import annotations

import random
from typing import Any

PATTERNS = (
    "^[A-Z]{3}-[0-9]{4}$", "^(red|green|blue)$", "^[a-z]+$", "^\\d{1,3}(,\\d{3})*$", "foo", "^\\w+@\\w+\\.com$",
    "^[^\\s]{2,8}$", "^(a|b.{5}c)$", "x$", "^\\W{1,3}$", "^#[0-9a-f]{6}$", "^.{3}$", "^(\\d\\d?|x)+!$", "(?i)^yes|no$",
)  # fmt: skip
FORMATS = ("date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
NAMES = ("id", "name", "kind", "value", "tags", "a", "b", "c d", 'say "hi"', "naïve", "größe", "x/y~z", "$ref", "日本")
LISTED: tuple[Any, ...] = (
    0, 1, -3, 2.5, 0.1, 1e-7, -0.0, True, False, None, "", "a", "é🙂", 'q"\\', "line\nbreak", [], {}, [1, "a"],
    {"k": [None]}, "a/b", 1.0, 123456789012,
)  # fmt: skip


def random_schema(seed: int, depth: int = 3) -> dict[str, Any]:
    """A schema that some JSON fits; the same for the same seed."""
    maker = _Maker(random.Random(seed))
    schema = maker.node(depth)
    if maker.definitions:
        schema = {"$defs": maker.definitions, "allOf": [schema]} if "$ref" in schema else schema
        schema["$defs"] = maker.definitions
    return schema


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.definitions: dict[str, Any] = {}

    def node(self, depth: int) -> dict[str, Any]:
        leaf = [self.text, self.number, self.enum, self.plain]
        inner = [self.object, self.object, self.object, self.array, self.union, self.reference, self.merged, self.one]
        schema = self.rng.choice(leaf if depth <= 0 or self.rng.random() < 0.25 else inner)(depth)
        if self.rng.random() < 0.2:
            schema = {"title": "T", "description": "what it is", **schema}
        return schema

    def plain(self, depth: int) -> dict[str, Any]:
        kind = self.rng.choice(["boolean", "null", "string", "integer", "number", ["string", "null"], "any", "object"])
        return {} if kind == "any" else {"type": kind}

    def text(self, depth: int) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string"}
        kind = self.rng.randrange(4)
        if kind == 0:
            schema["pattern"] = self.rng.choice(PATTERNS)
        elif kind == 1:
            schema["format"] = self.rng.choice(FORMATS)
        else:
            low = self.rng.choice([0, 0, 1, 3, 12])
            schema |= {"minLength": low} if low else {}
            schema |= {"maxLength": low + self.rng.choice([0, 1, 5, 40])} if self.rng.random() < 0.6 else {}
        return schema

    def number(self, depth: int) -> dict[str, Any]:
        whole = self.rng.random() < 0.5
        schema: dict[str, Any] = {"type": "integer" if whole else "number"}
        low: float = self.rng.choice([-1000, -1, 0, 1, 7, 250, 10**6])
        low = low if whole else low + self.rng.choice([0, 0.5, 0.125, 0.01])
        if self.rng.random() < 0.6:
            schema[self.rng.choice(["minimum", "exclusiveMinimum"])] = low
        if self.rng.random() < 0.6:
            schema[self.rng.choice(["maximum", "exclusiveMaximum"])] = round(low + self.rng.choice([25, 50.5, 1000]), 4)
        if self.rng.random() < 0.3:
            schema["multipleOf"] = self.rng.choice([2, 3, 7, 10] if whole else [0.5, 0.25, 2, 5])
        return schema

    def enum(self, depth: int) -> dict[str, Any]:
        if self.rng.random() < 0.3:
            return {"const": self.rng.choice(LISTED)}
        return {"enum": self.rng.sample(LISTED, self.rng.randint(1, 5))}

    def object(self, depth: int) -> dict[str, Any]:
        names = self.rng.sample(NAMES, self.rng.randint(1, 5))
        schema: dict[str, Any] = {"type": "object", "properties": {name: self.node(depth - 1) for name in names}}
        required = [name for name in names if self.rng.random() < 0.6]
        if required or self.rng.random() < 0.5:
            self.rng.shuffle(required)
            schema["required"] = required
        extra = self.rng.randrange(6)
        if extra == 0:
            schema["additionalProperties"] = False
        elif extra == 1:
            schema["additionalProperties"] = self.node(0)
        elif extra == 2:
            schema = {"type": "object", "additionalProperties": self.node(depth - 1)}
            schema |= {"minProperties": 1} if self.rng.random() < 0.5 else {}
            schema |= {"maxProperties": self.rng.randint(1, 4)} if self.rng.random() < 0.5 else {}
        elif extra == 3 and self.rng.random() < 0.5:
            schema["patternProperties"] = {"^x_": self.node(0)}
        return schema

    def array(self, depth: int) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array"}
        if self.rng.random() < 0.9:
            schema["items"] = self.node(depth - 1)
        if self.rng.random() < 0.3:
            schema["prefixItems"] = [self.node(0) for _ in range(self.rng.randint(1, 3))]
            schema["items"] = self.rng.choice([False, schema.get("items", True)])
        elif self.rng.random() < 0.5:
            schema["minItems"] = self.rng.randint(0, 3)
        if self.rng.random() < 0.5:
            schema["maxItems"] = schema.get("minItems", 0) + self.rng.randint(0, 4)
        return schema

    def union(self, depth: int) -> dict[str, Any]:
        return {"anyOf": [self.node(depth - 1) for _ in range(self.rng.randint(1, 3))]}

    def one(self, depth: int) -> dict[str, Any]:
        tags = self.rng.sample(["cat", "dog", "cow", "hen"], self.rng.randint(2, 4))
        return {
            "oneOf": [
                {"type": "object", "properties": {"kind": {"const": tag}, tag: self.node(depth - 1)},
                 "required": ["kind", tag][: self.rng.randint(1, 2)]}
                for tag in tags
            ]
        }  # fmt: skip

    def merged(self, depth: int) -> dict[str, Any]:
        first, second = self.object(depth - 1), self.object(depth - 1)
        for part in (first, second):  # closed or counted, they could exclude each other
            for keyword in ("additionalProperties", "maxProperties"):
                part.pop(keyword, None)
        shared = first.get("properties", {}).keys() & second.get("properties", {}).keys()
        for name in shared:
            second["properties"].pop(name)
            second["required"] = [n for n in second.get("required", []) if n != name]
        return {"allOf": [first, second]}

    def reference(self, depth: int) -> dict[str, Any]:
        name = f"n{len(self.definitions)}"
        self.definitions[name] = {}
        self.definitions[name] = {
            "type": "object",
            "properties": {
                "value": self.node(min(depth - 1, 1)),
                "children": {"type": "array", "items": {"$ref": f"#/$defs/{name}"}},
                "next": {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]},
            },
            "required": self.rng.sample(["value", "children", "next"], self.rng.randint(0, 3)),
        }
        return {"$ref": f"#/$defs/{name}"}
