"""Streams of Chat Completions as servers send them: tool calls in pieces, thoughts in four forms, breaks anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.protocol import Done, Event, ToolCall, ToolCalled
from tests.remote.asking import ask, engine, failure, notices, sourced, stats_of, text_of
from tests.remote.responses_events import pieces
from tests.remote.server import USAGE, Script, chunk, serving, whole

DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    with serving(Script()) as running:
        yield running


@pytest.fixture
def script(server: Script) -> Script:
    server.__dict__.update(Script(url=server.url).__dict__)
    return server


def answer(script: Script, *parts: bytes, kind: str = "vllm", **values) -> list[Event]:
    script.stream = lambda: iter(parts)
    return ask(engine(sourced(script.url, kind, "chat")), **values)


def calls_of(found: list[Event]) -> list[ToolCall]:
    return [e.call for e in found if isinstance(e, ToolCalled)]


def piece(
    index: int | None, call_id: str | None = None, name: str | None = None, arguments: str | None = None
) -> bytes:
    call = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return chunk(tool_calls=[{key: value for key, value in call.items() if value is not None}])


def test_calls_in_pieces_are_put_together(script: Script) -> None:
    found = answer(
        script,
        chunk(content="Let me add."),
        piece(0, "c1", "add", ""),
        piece(0, arguments='{"a": '),
        piece(0, arguments="1}"),
        piece(1, "c2", "clock", "{}"),
        chunk(finish="tool_calls"),
        DONE,
    )
    assert calls_of(found) == [ToolCall("c1", "add", '{"a": 1}'), ToolCall("c2", "clock", "{}")]
    assert stats_of(found).stop_reason == "tool calls"
    assert text_of(found) == "Let me add."


def test_whole_calls_without_index_or_id_are_told_apart(script: Script) -> None:
    """As Mistral's API and small servers send them; some call the end "stop"."""
    found = answer(script, piece(None, "c1", "add", "{}"), piece(None, "c2", "add", "{}"), chunk(finish="stop"), DONE)
    assert [call.id for call in calls_of(found)] == ["c1", "c2"]
    assert stats_of(found).stop_reason == "tool calls"
    found = answer(script, piece(0, None, "add"), chunk(finish="tool_calls"), DONE)
    assert calls_of(found) == [ToolCall("call_0", "add", "{}")]


def test_a_call_that_breaks_off_is_not_taken_for_whole(script: Script) -> None:
    found = answer(script, piece(0, "c1", "add", "{}"), piece(1, "c2", "add", '{"a":'))
    assert [call.id for call in calls_of(found)] == ["c1"]
    assert "middle of the answer" in failure(found).error


@pytest.mark.parametrize(
    "parts",
    [
        [chunk(reasoning_content="so "), chunk(reasoning_content="4"), chunk(content="Four")],
        [chunk(reasoning="so 4"), chunk(content="Four")],
        [chunk(content="<think>so"), chunk(content=" 4</think>"), chunk(content="Four")],
        [
            chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "so 4"}]}]),
            chunk(content=[{"type": "text", "text": "Four"}, {"type": "reference", "reference_ids": [1]}, 5]),
        ],
    ],
)
def test_thoughts_come_in_four_forms(script: Script, parts: list[bytes]) -> None:
    found = answer(script, *parts, chunk(finish="stop"), chunk(usage=USAGE), DONE, kind="mistral")
    assert (text_of(found, "reasoning"), text_of(found)) == ("so 4", "Four")
    assert stats_of(found).reasoning_tokens == 30


def test_a_refusal_and_a_filter_are_said(script: Script) -> None:
    found = answer(script, chunk(refusal="I can"), chunk(refusal="not."), chunk(finish="stop"), DONE)
    assert notices(found)[0].endswith("refused: I cannot.")
    assert stats_of(found).stop_reason == "refusal"
    found = answer(script, chunk(content="Well"), chunk(finish="content_filter"), DONE)
    assert "content filter" in notices(found)[0]
    assert (text_of(found), stats_of(found).stop_reason) == ("Well", "content filter")


def test_an_end_by_error_is_a_failure(script: Script) -> None:
    found = answer(script, chunk(content="Well"), chunk(finish="error"), DONE)
    assert "error instead of an end" in failure(found).error
    assert text_of(found) == "Well"


def test_chunks_that_servers_put_around_an_answer_are_passed_over(script: Script) -> None:
    azure = b'data: {"id": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}\n\n'
    bare = b'data: {"choices": [{"index": 0, "finish_reason": null}]}\n\n'
    found = answer(script, azure, b": ping\n\n", bare, *whole("Hello"), kind="azure")
    assert text_of(found) == "Hello"
    assert stats_of(found).completion_tokens == 40


@pytest.mark.parametrize("usage", [{"prompt_tokens": "many"}, {"prompt_tokens": -1, "completion_tokens": True}, 5])
def test_figures_that_are_none_stay_unknown(script: Script, usage: object) -> None:
    stats = stats_of(answer(script, chunk(content="a"), chunk(finish="stop"), chunk(usage=usage), DONE))  # type: ignore[arg-type]
    assert (stats.prompt_tokens, stats.completion_tokens, stats.cost) == (None, None, None)


PARTS = [
    chunk(reasoning_content="so 4 🦊"),
    chunk(content="It is "),
    chunk(content="four, é."),
    piece(0, "c1", "add", "{}"),
    chunk(finish="tool_calls"),
    chunk(usage=USAGE),
    DONE,
]
WIRE = b"".join(PARTS)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(WIRE)), size=st.integers(7, 200), rude=st.booleans())
def test_whatever_breaks_what_came_before_is_kept_and_there_is_one_end(
    script: Script, cut: int, size: int, rude: bool
) -> None:
    def broken() -> Iterator[bytes]:
        yield from pieces(WIRE[:cut], [size])
        if rude:
            raise ConnectionAbortedError

    came = WIRE[:cut].count(b"\n\n")
    script.stream = broken
    found = ask(engine(sourced(script.url, "vllm", "chat")))
    assert text_of(found, "reasoning") == ("so 4 🦊" if came >= 1 else "")
    assert text_of(found) == ("It is " if came >= 2 else "") + ("four, é." if came >= 3 else "")
    assert len(calls_of(found)) == (came >= 5)
    assert isinstance(found[-1], Done) == (came >= 5)
    script.asked.clear()
