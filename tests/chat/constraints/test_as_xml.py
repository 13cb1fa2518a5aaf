"""XML of JSON, read back by the standard library."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.chat.constraints.as_xml import as_xml, plain_name, xml_name
from playground.errors import PlaygroundError

XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | XML_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def back(element: ET.Element, like: Any) -> Any:
    """The value of an element, of the kinds of `like`."""
    if like is None:
        assert element.get("nil") == "true"
        return None
    if isinstance(like, dict):
        assert len(element) == len(like)
        return {plain_name(child.tag): back(child, like[plain_name(child.tag)]) for child in element}
    if isinstance(like, list):
        assert [child.tag for child in element] == ["item"] * len(like)
        return [back(child, part) for child, part in zip(element, like, strict=True)]
    text = element.text or ""
    return text if isinstance(like, str) else json.loads(text)


def names_are_writable(value: Any) -> bool:
    if isinstance(value, dict):
        return all(c < "\ud800" or c > "\udfff" for name in value for c in name) and all(
            map(names_are_writable, value.values())
        )
    return all(map(names_are_writable, value)) if isinstance(value, list) else True


@given(JSON.filter(names_are_writable))
def test_what_is_written_reads_back(value: Any) -> None:
    root = ET.fromstring(as_xml(value))
    assert root.tag == "answer"
    assert back(root, value) == value


@given(st.text(max_size=12))
def test_every_name_can_be_turned_back(name: str) -> None:
    assert plain_name(xml_name(name)) == name


def test_titles_of_the_schema_name_the_root_and_the_items() -> None:
    schema = {
        "title": "basket",
        "properties": {"fruits": {"type": "array", "items": {"$ref": "#/$defs/fruit"}}},
        "$defs": {"fruit": {"title": "fruit", "type": "string"}},
    }
    text = as_xml({"fruits": ["pear & <plum>", ""], "x y": None, "n": 1.5, "on": True, "1st": []}, schema)
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<basket>\n  <fruits>\n    <fruit>pear &amp; &lt;plum&gt;</fruit>\n'
        '    <fruit/>\n  </fruits>\n  <x_x0020_y nil="true"/>\n  <n>1.5</n>\n  <on>true</on>\n'
        "  <_x0031_st/>\n</basket>\n"
    )


def test_carriage_returns_survive_and_other_control_characters_are_told() -> None:
    assert ET.fromstring(as_xml("a\r\nb")).text == "a\r\nb"
    with pytest.raises(PlaygroundError, match="U\\+0008"):
        as_xml({"bell": "a\b"})


def test_references_in_a_circle_end() -> None:
    assert "<answer>1</answer>" in as_xml(1, {"$ref": "#"})
