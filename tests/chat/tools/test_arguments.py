"""Arguments against the jsonschema library itself, and what a model is told of wrong ones."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.tools.arguments import CallCount, InvalidCall, checked_arguments, count_calls, why_invalid
from playground.chat.tools.builtins import builtin_tools
from playground.chat.tools.schemas import checked_tools
from playground.protocol import ToolCall, ToolSpec

SPECS = tuple(tool.spec for tool in builtin_tools())
KEYS = st.sampled_from(["a", "b", "ab", "c1"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, 2.0, -1.5]),
              st.sampled_from(["", "a", "ab", "1a", " b"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip
LEAVES = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["string", "number", "integer", "boolean", "null", "array"])}),
    st.just({"type": ["string", "number"]}),
    st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"minimum": st.integers(-3, 3)}), st.fixed_dictionaries({"multipleOf": st.integers(1, 3)}),
    st.fixed_dictionaries({"pattern": st.sampled_from(["^a", "1$", "a.*b", "[ab]{2}"])}),
    st.fixed_dictionaries({"minLength": st.integers(0, 3)}), st.fixed_dictionaries({"maxItems": st.integers(0, 2)}),
    st.booleans(),
)  # fmt: skip


def objects(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(KEYS, inner, max_size=3)},
        optional={
            "required": st.lists(KEYS, max_size=2, unique=True),
            "additionalProperties": st.one_of(st.booleans(), inner),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "1"]), inner, max_size=2),
            "propertyNames": st.just({"pattern": "^[ab]"}),
        },
    )


SCHEMAS = objects(
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            objects(inner),
            st.fixed_dictionaries({"items": inner}),
            st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}),
            st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=2)}),
            st.fixed_dictionaries({"not": inner}),
        ),
        max_leaves=4,
    )
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(SCHEMAS, st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_call_is_valid_exactly_where_jsonschema_says_so(schema: dict, arguments: dict) -> None:
    tool = ToolSpec("f", "", json.dumps(schema))
    checked_tools((tool,), "auto")
    said = why_invalid(ToolCall("1", "f", json.dumps(arguments)), (tool,))
    assert (said == "") == jsonschema.Draft202012Validator(schema).is_valid(arguments)
    assert len(said) < 2000
    assert "\n" not in said


def told(arguments: Any, name: str = "convert_units", specs: tuple[ToolSpec, ...] = SPECS) -> str:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return why_invalid(ToolCall("1", name, text), specs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"value": 1, "from_unit": "km", "to_unit": "m"}, ""),
        ({"value": "1", "from_unit": "km", "to_unit": "m"}, 'value must be a number, got "1"'),
        ({"value": 1, "from_unit": "km"}, "to_unit is missing"),
        ({"value": 1}, "from_unit is missing, to_unit is missing"),
        ({"value": 1, "source": "km", "to_unit": "m"}, "source is not a parameter, from_unit is missing"),
        ({"value": True, "from_unit": "km", "to_unit": "m"}, "value must be a number, got true"),
        ("[1]", "the arguments must be an object, got [1]"),
        ("{value: 1}", "the arguments are not JSON"),
        ('{"value": NaN}', "NaN is not JSON"),
        ('{"value": ' + "9" * 5000 + "}", "the arguments are not JSON"),
        ("[" * 50_000, "nested too deep"),
        ("x" * 200_000, "the arguments have 200,000 characters"),
        ("", "value is missing, from_unit is missing, to_unit is missing"),
    ],
)
def test_what_is_wrong_is_told_in_words_that_help(arguments: Any, said: str) -> None:
    found = told(arguments)
    assert found == said if said == "" else said in found


def test_other_keywords_show_the_bound_and_the_value() -> None:
    schema = {
        "type": "object",
        "properties": {
            "unit": {"enum": ["C", "F"]},
            "n": {"type": "integer", "minimum": 1, "maximum": 9},
            "tags": {"type": "array", "items": {"type": "string", "pattern": "^a"}},
            "deep": {"type": "object", "required": ["x"], "additionalProperties": False, "properties": {"x": {}}},
        },
    }
    tool = (ToolSpec("f", "", json.dumps(schema)),)
    assert told({"unit": "K"}, "f", tool) == 'unit must be one of "C", "F", got "K"'
    assert told({"n": 12}, "f", tool) == "n must be at most 9, got 12"
    assert told({"n": 1.5}, "f", tool) == "n must be a whole number, got 1.5"
    assert told({"n": 3.0}, "f", tool) == ""  # whole, as JSON Schema sees it
    assert told({"tags": ["ab", 5, "b"]}, "f", tool) == 'tags.1 must be a string, got 5, tags.2 must match ^a, got "b"'
    assert told({"deep": {"y": 1}}, "f", tool) == "deep.y is not a parameter, deep.x is missing"


def test_an_unknown_function_names_the_known_ones() -> None:
    assert told({}, "wether") == "no tool is called wether, there are calculate, get_time, convert_units"
    assert "not JSON" in told("whatever the model wrote", "")
    with pytest.raises(InvalidCall):
        checked_arguments(ToolCall("1", "f", "{}"), ())


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"pattern": "^(a|a|aa)+$"}}},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/d0"}},
            "$defs": {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 3} for i in range(30)} | {"d30": {}},
        },
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/d"}}, "$defs": {"d": {"$ref": "#/$defs/d"}}},
    ],
)
def test_a_schema_that_takes_forever_does_not(schema: dict) -> None:
    tool = (ToolSpec("f", "", json.dumps(schema)),)
    checked_tools(tool, "auto")
    assert told({"a": "a" * 3000 + "b"}, "f", tool) in ("the arguments are too large to be checked", _no_match(schema))


def _no_match(schema: dict) -> str:
    pattern = schema["properties"]["a"].get("pattern")
    return f'a must match {pattern}, got "{"a" * 78}…'


def test_valid_calls_are_counted() -> None:
    good = ToolCall("1", "calculate", '{"expression": "1+1"}')
    calls = (good, ToolCall("2", "calculate", "{}"), ToolCall("3", "nothing", "{}"), good)
    assert count_calls(calls, SPECS) == CallCount(4, 2)
    assert count_calls((), SPECS) == CallCount(0, 0)
