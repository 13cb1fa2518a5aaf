"""Finished texts read back: what fits, why another does not, and an end to every check."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from playground.chat.constraints.check import misfit
from playground.chat.constraints.spec import Spec


def of(schema: Any) -> Spec:
    return Spec("json_schema", json.dumps(schema))


@pytest.mark.parametrize(
    ("spec", "text", "said"),
    [
        (of({"type": "integer"}), " 3\n", ""),
        (of({"type": "integer"}), '"3"', "not of type 'integer'"),
        (of({"properties": {"a": {"maximum": 3}}}), '{"a": 4}', r"at \$.a, 4 is greater than the maximum of 3"),
        (of(True), "{", "it is no JSON"),
        (of(True), "NaN", "it is no JSON"),
        (of({"type": "string", "format": "ipv4"}), '"300.1.1.1"', "is not a 'ipv4'"),
        (of({"pattern": "^a"}), '"ba"', "does not match"),
        (of({"patternProperties": {"^a": {"type": "null"}}, "additionalProperties": False}), '{"ab": null}', ""),
        (of({"patternProperties": {"^a": {"type": "null"}}}), '{"ab": 1}', r"\$.ab"),
        (of({"additionalProperties": False}), '{"x": 1}', "'x' is not foreseen"),
        (of({"properties": {"x": True}, "additionalProperties": {"type": "null"}}), '{"x": 1, "y": 2}', r"\$.y"),
        (of({"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}}), "1", ""),
        # Of what only others bind: keywords that no grammar here knows are checked all the same.
        (of({"uniqueItems": True}), "[1, 1]", "non-unique"),
        (of({"pattern": "^(?!a)"}), '"ab"', "does not match"),
        (of({"not": {"type": "null"}}), "null", "should not be valid"),
        (Spec("regex", "[ab]+"), "abba", ""),
        (Spec("regex", "[ab]+"), "abbac", "does not match all"),
        (Spec("choices", '["yes", "no"]'), "no", ""),
        (Spec("choices", '["yes", "no"]'), "no ", "none of the choices"),
        (Spec("grammar", 'start: "a"+'), "aaa", ""),
        (Spec("grammar", 'start: "a"+'), "ab", "does not take it"),
    ],
)
def test_what_fits_and_why_another_does_not(spec: Spec, text: str, said: str) -> None:
    found = misfit(spec, text)
    assert (found == "") == (said == "")
    assert re.search(said, found), found


def test_nothing_is_fetched() -> None:
    assert "refers to 'http://example.com/schema'" in misfit(of({"$ref": "http://example.com/schema"}), "1")


def test_a_check_without_end_ends() -> None:
    levels: dict[str, Any] = {"d0": {"type": "null"}}
    for i in range(60):
        levels[f"d{i + 1}"] = {"anyOf": [{"$ref": f"#/$defs/d{i}"}, {"$ref": f"#/$defs/d{i}"}]}
    assert misfit(of({"$defs": levels, "$ref": "#/$defs/d60"}), "1") == "it took too long to check"
    assert misfit(of({"$ref": "#"}), "1") == "it took too long to check"
    assert misfit(of({"items": {"$ref": "#"}}), "[" * 5000 + "]" * 5000) != ""
    assert misfit(of({"pattern": "^(a+)+$|^(a|b)*$"}), json.dumps("a" * 5000 + "b")) == ""
    assert misfit(of({"pattern": "(?=a)(a|aa)+$"}), json.dumps("a" * 60 + "!")) == "it took too long to check"
