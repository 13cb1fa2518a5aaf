"""The Responses API's stream, event by event, over a real connection: whole, in odd pieces, broken and hostile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.protocol import Done, Event, Failed, Message, ToolCall, ToolCalled
from tests.remote import responses_events as events
from tests.remote.asking import KEY, ask, engine, failure, notices, sourced, stats_of, text_of
from tests.remote.server import Script, serving

THOUGHT = "First add.\n\nThen check."


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    with serving(Script()) as running:
        yield running


@pytest.fixture
def script(server: Script) -> Script:
    fresh = Script(url=server.url)
    server.__dict__.update(fresh.__dict__)
    return server


def answer(
    script: Script, rows: Iterable[dict], sizes: Iterable[int] = (), newline: str = "\n", **values
) -> list[Event]:
    """The events of one answer whose stream is these rows, cut into chunks of these sizes."""
    data = events.sse(rows, newline)
    script.stream = lambda: iter(events.pieces(data, sizes))
    return ask(engine(sourced(script.url)), **values)


def calls_of(found: list[Event]) -> list[ToolCall]:
    return [e.call for e in found if isinstance(e, ToolCalled)]


def test_every_event_is_what_the_sdk_says() -> None:
    parts = [*events.opening(), *events.thinking(), *events.calling(), *events.speaking(), *events.refusing()]
    ends = [*events.completed(events.THOUGHT), *events.incomplete("max_output_tokens"), *events.failed("x", "y")]
    rows = events.numbered([*parts, *ends[:2]])
    events.checked(rows)
    used = {row["type"] for row in parts + ends}
    assert used | {row["type"] for row in events.strangers(used)} == events.all_types()


def test_a_thought_and_an_answer_stream_with_the_figures_of_the_server(script: Script) -> None:
    found = answer(script, events.whole())
    stats = stats_of(found)
    assert (text_of(found, "reasoning"), text_of(found)) == (THOUGHT, events.TEXT)
    assert (stats.prompt_tokens, stats.completion_tokens, stats.reasoning_tokens) == (100, 40, 30)
    assert (stats.context_used, stats.stop_reason, stats.seed) == (140, "end", None)
    assert stats.cost == pytest.approx((40 * 1.0 + 60 * 0.5 + 40 * 10.0) / 1e6)
    assert script.paths == ["/v1/responses"]
    assert notices(found) == []


def test_the_items_come_back_for_the_next_turn_with_the_encrypted_thought_of_the_done_event(script: Script) -> None:
    found = answer(script, events.whole())
    assert isinstance(found[-1], Done)
    items = [json.loads(item)["item"] for item in found[-1].items]
    assert [item["type"] for item in items] == ["reasoning", "message"]
    assert items[0]["encrypted_content"] == "gAAAA-secret"
    assert items[0] == events.THOUGHT
    said = (
        Message("user", "Hi"),
        Message("assistant", events.TEXT, items=found[-1].items),
        Message("user", "And then?"),
    )
    answer(script, events.whole(), messages=said)
    sent = script.asked[-1]["input"]
    assert sent[1] == events.THOUGHT
    assert sent[2]["content"][0]["text"] == events.TEXT
    assert [row.get("role") for row in sent] == ["user", None, "assistant", "user"]


def test_events_of_other_kinds_and_of_no_known_kind_change_nothing(script: Script) -> None:
    rows = events.whole()
    known = {row["type"] for row in rows} | {"error", "response.failed", "response.incomplete"}
    known |= {row["type"] for row in [*events.calling(), *events.refusing()]}
    known |= {"response.reasoning_text.delta", "response.reasoning_text.done"}  # raw thoughts are shown
    others = [*events.strangers(known), {"type": "response.from.tomorrow", "text": "x", "delta": "y"}]
    for place in (0, 5, 12, len(rows) - 1):
        found = answer(script, [*rows[:place], *others, *rows[place:]])
        assert (text_of(found, "reasoning"), text_of(found)) == (THOUGHT, events.TEXT)
        assert stats_of(found).stop_reason == "end"


def test_raw_thoughts_are_shown_instead_of_their_summary(script: Script) -> None:
    at = {"item_id": "rs_1", "output_index": 0, "content_index": 0}
    raw = [
        {"type": "response.reasoning_text.delta", "delta": "1 + 2 "} | at,
        {"type": "response.reasoning_text.delta", "delta": "= 3"} | at,
        {"type": "response.reasoning_text.done", "text": "1 + 2 = 3"} | at,
    ]
    rows = [*events.opening(), *raw, *events.thinking(), *events.speaking(), *events.completed()]
    assert text_of(answer(script, events.numbered(rows)), "reasoning") == "1 + 2 = 3"


def test_text_that_comes_only_when_it_is_done_is_shown_once(script: Script) -> None:
    without_deltas = [row for row in events.whole() if not row["type"].endswith(".delta")]
    found = answer(script, without_deltas)
    assert (text_of(found, "reasoning"), text_of(found)) == (THOUGHT, events.TEXT)
    only_end = events.numbered([*events.opening(), *events.completed(events.THOUGHT, events.message())])
    found = answer(script, only_end)
    assert text_of(found) == events.TEXT
    assert isinstance(found[-1], Done)
    assert len(found[-1].items) == 2


def test_two_messages_are_set_apart(script: Script) -> None:
    rows = [*events.opening(), *events.speaking("One."), *events.speaking("Two.", "msg_2"), *events.completed()]
    found = answer(script, events.numbered(rows))
    assert text_of(found) == "One.\n\nTwo."
    assert isinstance(found[-1], Done)
    said = (Message("user", "Hi"), Message("assistant", "One.\n\nTwo.", items=found[-1].items), Message("user", "?"))
    answer(script, events.whole(), messages=said)
    assert [row.get("id") for row in script.asked[-1]["input"]] == [None, "msg_1", "msg_2", None]


def test_a_function_call_comes_whole_after_the_thought_and_ends_the_answer(script: Script) -> None:
    rows = [*events.opening(), *events.thinking(), *events.calling(), *events.completed(events.THOUGHT, events.CALL)]
    found = answer(script, events.numbered(rows))
    assert calls_of(found) == [ToolCall("call_1", "add", '{"a": 1, "b": 2}')]
    assert stats_of(found).stop_reason == "tool calls"
    assert stats_of(found).ttft_s is not None


def test_a_refusal_is_said_as_such(script: Script) -> None:
    found = answer(script, events.numbered([*events.opening(), *events.refusing(), *events.completed()]))
    assert text_of(found) == ""
    assert [text.split(" refused: ")[1] for text in notices(found)] == ["I cannot help with that."]
    assert stats_of(found).stop_reason == "refusal"


@pytest.mark.parametrize(("reason", "stop"), [("max_output_tokens", "length"), ("content_filter", "content filter")])
def test_an_incomplete_answer_keeps_its_text_and_says_why(script: Script, reason: str, stop: str) -> None:
    found = answer(script, events.numbered([*events.opening(), *events.speaking(), *events.incomplete(reason)]))
    stats = stats_of(found)
    assert text_of(found) == events.TEXT
    assert (stats.stop_reason, stats.completion_tokens) == (stop, 40)
    assert any("content filter" in text for text in notices(found)) == (stop == "content filter")
    assert isinstance(found[-1], Done)
    assert found[-1].items == ()  # a cut answer goes back as text


def test_an_answer_of_thoughts_alone_is_explained(script: Script) -> None:
    rows = [*events.opening(), *events.thinking(), *events.incomplete("max_output_tokens")]
    assert "All 30 tokens went into reasoning" in notices(answer(script, events.numbered(rows)))[0]


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    "end",
    [
        events.failed("server_error", f"out of steam, {KEY}"),
        [{"type": "error", "code": "server_error", "message": f"out of steam, {KEY}", "param": None}],
        [{"type": "error", "error": {"message": f"out of steam, {KEY}", "code": "server_error"}}],  # as older servers
    ],
)
def test_a_failure_within_the_stream_keeps_what_came(script: Script, end: list[dict], begun: bool) -> None:
    before = [*events.opening(), *(events.speaking()[:4] if begun else [])]
    found = answer(script, events.numbered([*before, *end]))
    assert "out of steam, [key]" in failure(found).error
    assert bool(text_of(found)) == begun
    assert ("middle of the answer" in failure(found).error) == begun
    assert ("kept" in failure(found).hint) == begun


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=8),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_the_borders_of_chunks_and_lines_do_not_matter(script: Script, sizes: list[int], newline: str) -> None:
    rows = [*events.opening(), *events.thinking(), *events.calling(), *events.speaking(), *events.completed()]
    found = answer(
        script, events.numbered(rows), [max(size, 40) for size in sizes] if min(sizes) < 3 else sizes, newline
    )
    assert (text_of(found, "reasoning"), text_of(found)) == (THOUGHT, events.TEXT)
    assert calls_of(found) == [ToolCall("call_1", "add", '{"a": 1, "b": 2}')]
    assert stats_of(found).stop_reason == "tool calls"


ROWS = events.numbered(
    [*events.opening(), *events.thinking(), *events.calling(), *events.speaking(), *events.completed()]
)
WIRE = events.sse(ROWS)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(WIRE)), rude=st.booleans())
def test_whatever_breaks_what_came_before_is_kept_and_there_is_one_end(script: Script, cut: int, rude: bool) -> None:
    """`ask` checks that there is exactly one Done or Failed, and that it comes last."""

    def broken() -> Iterator[bytes]:
        yield from events.pieces(WIRE[:cut], [97])
        if rude:
            raise ConnectionAbortedError

    came = ROWS[: WIRE[:cut].count(b"\n\n")]
    script.stream = broken
    found = ask(engine(sourced(script.url)))
    assert text_of(found) == "".join(row["delta"] for row in came if row["type"] == "response.output_text.delta")
    summaries = [row for row in came if row["type"] == "response.reasoning_summary_text.delta"]
    assert text_of(found, "reasoning").replace("\n", "") == "".join(row["delta"] for row in summaries)
    whole_call = any(row["type"] == "response.output_item.done" and row["item"]["id"] == "fc_1" for row in came)
    assert len(calls_of(found)) == whole_call
    assert isinstance(found[-1], Done) == (len(came) == len(ROWS))
    if isinstance(found[-1], Failed):
        begun = bool(summaries)
        assert ("kept" in found[-1].hint) or not begun
        assert len(notices(found)) == (0 if begun else 2)  # before the first token it is tried again, and said
    script.asked.clear()


@pytest.mark.parametrize("at", range(len(ROWS) + 1))
def test_a_break_between_any_two_events_leaves_a_clear_state(script: Script, at: int) -> None:
    found = answer(script, ROWS[:at])
    if at == len(ROWS):
        assert isinstance(found[-1], Done)
    else:
        begun = any(row["type"].endswith(".delta") for row in ROWS[:at])
        said = "broke in the middle of the answer" if begun else "closed the connection without an answer"
        assert said in failure(found).error


@pytest.mark.parametrize("junk", [b"data: {not json\n\n", b"data: 5\n\n", b'data: {"type": "error"}\n\n'])
def test_junk_after_text_is_told_and_the_text_is_kept(script: Script, junk: bytes) -> None:
    script.stream = lambda: iter([events.sse(ROWS[:25]), junk])
    found = ask(engine(sourced(script.url)))
    assert text_of(found)
    said = "reported an error in the middle" if b"error" in junk else "something that is not a response"
    assert said in failure(found).error
    assert "kept" in failure(found).hint


def test_an_event_without_an_end_is_not_read_for_ever(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.remote.client.EVENT_BYTES", 2**20)

    def endless() -> Iterator[bytes]:
        yield events.sse(ROWS[:25])
        for _ in range(100):
            yield b"data: " + b"x" * 65536 + b"\n"

    script.stream = endless
    found = ask(engine(sourced(script.url)))
    assert "1 MB without an end" in failure(found).error
    assert text_of(found)
