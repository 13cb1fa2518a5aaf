"""The shortest end from everywhere: the engine takes it, and it is no longer than the start of the same schema."""

from __future__ import annotations

import json
import random

import pytest

from playground.bench.random_schemas import random_schema
from playground.chat.constraints.closing import SchemaCloser
from playground.chat.constraints.partial import partial
from tests.chat.constraints.walks import of_schema, takes, walk


def prefixes(data: bytes, rng: random.Random, count: int) -> list[str]:
    """Beginnings of a text that do not cut a character."""
    found = []
    for _ in range(count):
        piece = data[: rng.randrange(len(data) + 1)]
        found.append(piece.decode("utf-8", "ignore"))
    return [*found, data.decode()]


@pytest.mark.parametrize("seed", range(120))
def test_from_anywhere_in_an_answer_the_end_is_taken(seed: int) -> None:
    grammar = of_schema(random_schema(seed))
    assert grammar.schema is not None
    closer = SchemaCloser(grammar.schema)
    text = walk(grammar, seed)
    assert text is not None
    for begun in prefixes(text, random.Random(seed), 25):
        end = closer.rest(begun)
        if end is None:
            assert partial(begun) is None, begun  # within an escape
        else:
            assert takes(grammar, begun + end), (begun, end)


@pytest.mark.parametrize(
    ("schema", "begun", "end"),
    [
        ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["b"]},
         "{", '"b":""}'),
        ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["b"]},
         '{"a": 12', ',"b":""}'),
        ({"type": "array", "items": {"enum": ["yes", "no"]}, "minItems": 2}, '["y', 'es","no"]'),
        ({"type": "string", "pattern": "^[A-Z]{2}-\\d$"}, '"A', 'A-0"'),
        ({"type": "integer", "multipleOf": 7, "minimum": 20, "maximum": 29}, "2", "1"),
        ({"anyOf": [{"type": "object", "properties": {"a": {"const": 1}, "z": {"const": "l" * 9}}, "required": ["z"]},
                    {"type": "object", "properties": {"a": {"const": 2}}}]}, '{"a":2', "}"),
        ({"enum": [{"a": [1, 2]}, {"a": [1, 3, 4]}]}, '{"a":[1, 3', ",4]}"),
        ({"type": "string"}, '"end', '"'),
        ({"type": "string", "minLength": 6}, '"\\"end', 'xx"'),
        ({"type": "string"}, '"a\\', None),
        (True, "", "0"),
    ],
)  # fmt: skip
def test_ends_are_short(schema: object, begun: str, end: str | None) -> None:
    grammar = of_schema(schema)
    assert grammar.schema is not None
    assert SchemaCloser(grammar.schema).rest(begun) == end


def test_partial_json_is_read_as_far_as_it_goes() -> None:
    state = partial('{"a": [1, {"b\\"": tru')
    assert state is not None
    assert [frame.mapping for frame in state.frames] == [True, False, True]
    assert state.frames[0].name == "a"
    assert state.frames[1].items == [1]
    assert (state.frames[2].name, state.frames[2].stage, state.leaf) == ('b"', "value", "tru")
    assert partial(json.dumps({"a": [1, "x"]})).whole  # type: ignore[union-attr]
    assert partial('"\\\\"').whole  # type: ignore[union-attr]
    assert partial('"\\"').leaf == '"\\"'  # type: ignore[union-attr]
