"""Calls read out of a stream: the same however it is chunked, and those that were written."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from playground.chat.tools.reading import CallSplitter, Said, calls_in

MARKS = st.sampled_from([("<tool_call>", "</tool_call>"), ("[TOOL_CALLS]", ""), ("<|tool_call|>", "<|/tool_call|>")])
NOISE = st.lists(
    st.sampled_from(
        ["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|tool_call|>", "<|/tool_call|>", "<", "[", "]", "{", "}", '"',
         "\\", " ", "\n", "a", "tool_call>", '{"name": "f"}', "🙂"]
    ),
    max_size=12,
).map("".join)  # fmt: skip
NAMES = st.text("abc_", min_size=1, max_size=6)
ARGUMENTS = st.dictionaries(
    st.text("ab", max_size=2), st.one_of(st.integers(), st.text('<>/[]{}"\\ \ntool_cal', max_size=20), st.none())
)
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=3)


def chunks_of(text: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(edges)]


def split(chunks: list[str], marks: tuple[str, str]) -> tuple[str, list[str], str, bool]:
    splitter = CallSplitter(*marks)
    shown = "".join(splitter.feed(chunk) for chunk in chunks) + splitter.finish()
    return shown, splitter.blocks, splitter.cut, splitter.done


@settings(max_examples=500, deadline=None)
@given(NOISE, st.lists(st.integers(0, 200), max_size=10), MARKS)
@example("<tool_call>[1]<", [11, 14], ("<tool_call>", "</tool_call>"))
@example("a<tool_call>x</tool_call>y", [3], ("<tool_call>", "</tool_call>"))
def test_any_chunking_reads_as_the_whole_text_does(text: str, cuts: list[int], marks: tuple[str, str]) -> None:
    assert split(chunks_of(text, cuts), marks) == split([text], marks)


@settings(max_examples=300, deadline=None)
@given(
    st.text("ab <\n", max_size=10),
    st.lists(CALLS, min_size=1, max_size=3),
    st.text(" \n", max_size=2),
    st.booleans(),
    st.lists(st.integers(0, 500), max_size=10),
    MARKS,
)
def test_what_was_written_is_read(
    before: str, blocks: list, gap: str, single: bool, cuts: list[int], marks: tuple[str, str]
) -> None:
    written, text = [], before
    for calls in blocks:
        listed = [{"name": name, "arguments": arguments} for name, arguments in calls]
        body = json.dumps(listed[0] if single else listed, ensure_ascii=False)
        text += f"{marks[0]}{gap}{body}{gap}{marks[1]}{gap}"
        written += calls[:1] if single else calls
    shown, found, cut, done = split(chunks_of(text, cuts), marks)
    assert (shown, cut, done) == (before, "", False)
    said = [call for block in found for call in calls_in(block)]
    assert [(call.name, json.loads(call.arguments)) for call in said] == written


@settings(max_examples=200, deadline=None)
@given(NOISE, MARKS)
def test_text_without_a_mark_comes_out_whole(text: str, marks: tuple[str, str]) -> None:
    if marks[0] not in text:
        assert split([text], marks) == (text, [], "", False)


def test_text_streams_and_only_the_start_of_a_mark_is_held_back() -> None:
    splitter = CallSplitter("<tool_call>", "</tool_call>")
    assert splitter.feed("I look it up. ") == "I look it up. "
    assert splitter.feed("x < y, <tool") == "x < y, "
    assert splitter.feed("box> <tool_call>") == "<toolbox> "
    assert splitter.inside
    assert splitter.feed('{"name": "f", "arg') == ""
    assert splitter.feed('uments": {}}\n</tool_call>') == ""
    assert not splitter.inside
    assert splitter.blocks == ['{"name": "f", "arguments": {}}']


def test_going_on_after_a_call_ends_the_answer() -> None:
    splitter = CallSplitter("<tool_call>", "</tool_call>")
    splitter.feed('<tool_call>{"name": "f"}</tool_call>\n')
    assert not splitter.done
    splitter.feed("<tool")
    assert not splitter.done
    splitter.feed("_result>")
    assert splitter.done
    assert splitter.feed("42") == splitter.finish() == ""


def test_a_block_that_the_end_cuts_off_is_told_apart() -> None:
    assert split(['Wait <tool_call>{"name": "f", '], ("<tool_call>", "")) == (
        "Wait ", [], '<tool_call>{"name": "f", ', False,
    )  # fmt: skip
    assert split(['[TOOL_CALLS][{"name": "f"}]'], ("[TOOL_CALLS]", ""))[1] == ['[{"name": "f"}]']
    assert split(['<t>{"name": "f"} </'], ("<t>", "</t>"))[1] == ['{"name": "f"}']  # only the mark is missing


@pytest.mark.parametrize(
    ("block", "calls"),
    [
        ('{"name": "f", "arguments": {"a": 1}}', [Said("f", '{"a": 1}')]),
        ('{"name": "f", "parameters": {"a": "é"}, "id": "x1"}', [Said("f", '{"a": "é"}', "x1")]),
        ('{"name": "f", "arguments": "{\\"a\\": 1}"}', [Said("f", '{"a": 1}')]),
        ('[{"name": "f"}, {"name": "g", "arguments": null}]', [Said("f", "{}"), Said("g", "null")]),
        ('{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}', [Said("f", "{}", "a")]),
        ('[{"name": "f"}, 5]', [Said("f", "{}"), Said("", "5")]),
        ("[]", [Said("", "[]")]),
        ('{"name": 5}', [Said("", '{"name": 5}')]),
        ("{name: f}", [Said("", "{name: f}")]),
        ('{"name": "f", "arguments": {"a": NaN}}', [Said("f", '{"a": NaN}}')]),
        ('{"name": "f", "arguments": {"a": Oslo}}', [Said("f", '{"a": Oslo}}')]),
        ('[{"name": "f", "parameters": {"a": "Os', [Said("f", '{"a": "Os')]),
        ('{"name": "f", "arguments":', [Said("f", '{"name": "f", "arguments":')]),
        ('{"name": "f", "argu', [Said("", '{"name": "f", "argu')]),
        ("[" * 100_000, [Said("", "[" * 100_000)]),
    ],
)
def test_blocks_are_calls_or_come_back_as_they_stand(block: str, calls: list[Said]) -> None:
    assert calls_in(block) == calls
