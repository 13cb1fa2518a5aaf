"""Functions that may be offered, and those that are refused by name."""

from __future__ import annotations

import json

import pytest

from playground.chat.tools.builtins import builtin_tools
from playground.chat.tools.schemas import checked_tools, read_specs
from playground.errors import InvalidRequest
from playground.protocol import ToolSpec


def spec(name: str = "f", parameters: object = None, description: str = "") -> ToolSpec:
    schema = parameters if isinstance(parameters, str) else json.dumps(parameters or {"type": "object"})
    return ToolSpec(name, description, schema)


def of(**properties: object) -> dict:
    return {"type": "object", "properties": properties}


def test_the_builtin_tools_may_be_offered_and_chosen_by_name() -> None:
    specs = tuple(tool.spec for tool in builtin_tools())
    assert checked_tools(specs, "get_time") == (specs, "get_time")
    assert checked_tools(list(specs), None) == (specs, "auto")
    assert checked_tools((), "none") == ((), "none")
    assert checked_tools((spec("f", ""),), "f")[1] == "f"  # no parameters at all


@pytest.mark.parametrize(
    ("tools", "choice", "said"),
    [
        ("f", "auto", "must be a list"),
        ([{"name": "f"}], "auto", "must have a name"),
        ([spec("get time")], "auto", "get time"),
        ([spec("")], "auto", "letters"),
        ([spec("x" * 65)], "auto", "letters"),
        ([spec("auto")], "auto", "tool choice"),
        ([spec(), spec()], "auto", "Two tools"),
        ([spec(f"f{i}") for i in range(65)], "auto", "At most 64"),
        ([spec()], "g", "tool_choice must be one of auto, none, required, f, got 'g'"),
        ([spec()], 5, "tool_choice"),
        ([], "required", "no tools"),
        ([spec(description="x" * 5000)], "auto", "description"),
        ([spec(description="half \ud83d")], "auto", "half a character"),
        ([ToolSpec("f", 5, "{}")], "auto", "description"),  # type: ignore[arg-type]
        ([ToolSpec("f", "", {})], "auto", "JSON"),  # type: ignore[arg-type]
        ([spec(parameters="{not json")], "auto", "not JSON"),
        ([spec(parameters='{"type": NaN}')], "auto", "NaN"),
        ([spec(parameters="[]")], "auto", "object"),
        ([spec(parameters='{"type": "string"}')], "auto", "object"),
        ([spec(parameters="[" * 20000)], "auto", "not JSON"),
        ([spec(parameters=of(a={"type": "strin"}))], "auto", "properties/a/type"),
        ([spec(parameters=of(a={"$ref": "https://example.org/x.json"}))], "auto", "https://example.org/x.json"),
        ([spec(parameters=of(a={"$ref": "#/$defs/missing"}))], "auto", "#/$defs/missing"),
        ([spec(parameters=of(a={"$ref": 5}))], "auto", "refers to 5"),
        ([spec(parameters={"type": "object", "unevaluatedProperties": False})], "auto", "unevaluatedProperties"),
        ([spec(parameters=of(a={"pattern": "("}))], "auto", "pattern"),
        ([spec(parameters=of(a={"pattern": "x{1000000000}"}))], "auto", "too large"),
        ([spec(parameters=of(a={"pattern": "(?:(?:a{1000}){1000}){1000}"}))], "auto", "too large"),
        ([spec(parameters='{"not":' * 60 + "{}" + "}" * 60)], "auto", "too large"),
        ([spec(f"f{i}", of(a={"description": "x" * 25_000})) for i in range(5)], "auto", "characters"),
    ],
)
def test_what_cannot_be_offered_is_refused_in_a_sentence(tools: object, choice: object, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_tools(tools, choice)
    assert said in refused.value.message
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 600


def test_a_property_may_have_the_name_of_a_keyword_that_is_refused() -> None:
    checked_tools((spec(parameters=of(unevaluatedProperties={"type": "string"}, pattern={"type": "string"})),), "auto")
    local = {**of(a={"$ref": "#/$defs/n"}), "$defs": {"n": {"type": "number"}}}
    checked_tools((spec(parameters=local),), "auto")


BARE = {"name": "f", "description": "Does it", "parameters": of(a={"type": "string"})}


@pytest.mark.parametrize("value", [[BARE], BARE, {"type": "function", "function": BARE}, json.dumps([BARE])])
def test_functions_are_read_as_people_write_them(value: object) -> None:
    assert read_specs(value) == (ToolSpec("f", "Does it", json.dumps(BARE["parameters"])),)


@pytest.mark.parametrize("value", ["", [], "[]"])
def test_no_functions_are_none(value: object) -> None:
    assert read_specs(value) == ()


@pytest.mark.parametrize(
    "value",
    ["{", 5, ["f"], [{}], [{"type": "web_search"}], [{"name": 5}], [BARE, BARE], [{"name": "f", "parameters": 5}]],
)
def test_what_is_no_function_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest):
        read_specs(value)
