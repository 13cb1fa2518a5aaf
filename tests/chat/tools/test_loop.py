"""Turns with tools over the scripted engine: what comes in which order, what goes back to the model, where it ends."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from playground.catalog import load_catalog
from playground.chat.tools.builtins import builtin_tools
from playground.chat.tools.events import LoopEvent, NewMessages, ToolResult
from playground.chat.tools.loop import Approve, Limits, converse
from playground.chat.tools.tool import Output, Tool, ToolError, make_tool
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Done,
    Event,
    Failed,
    ImageRequest,
    Message,
    Notice,
    Token,
    ToolCall,
    ToolCalled,
)
from tests.scripted import ScriptedEngine, picture

ASKED = (Message("user", "What is 6*7?"),)
RIGHT = ToolCall("abcdefgh1", "calculate", '{"expression": "6*7"}', 0.9)
WRONG = ToolCall("abcdefgh2", "calculate", '{"formula": "6*7"}')
TIME = ToolCall("abcdefgh3", "get_time", '{"city": "Oslo"}')
STATS = ChatStats(
    ttft_s=0.5, tokens_per_s=10.0, prompt_tokens=100, completion_tokens=11, context_used=111, context_size=2048,
    stop_reason="tool calls", cost=0.25, seed=7, seconds=2.0,
)  # fmt: skip
LAST = ChatStats(
    ttft_s=0.1, tokens_per_s=20.0, prompt_tokens=130, completion_tokens=21, context_used=151, context_size=2048,
    stop_reason="end", cost=0.5, seed=8, seconds=1.0,
)  # fmt: skip


def calling(*calls: ToolCall, reasoning: str = "", text: str = "") -> list[Event]:
    said: list[Event] = [Token(0, reasoning, "reasoning")] if reasoning else []
    said += [Token(0, text)] if text else []
    return [*said, *(ToolCalled(0, call) for call in calls), Done(STATS, ("item",) if reasoning else ())]


def saying(text: str, reasoning: str = "") -> list[Event]:
    return [*([Token(0, reasoning, "reasoning")] if reasoning else []), Token(0, text), Done(LAST)]


def run(
    rounds: Sequence[Sequence[Event]],
    tools: Sequence[Tool] | None = None,
    *,
    approve: Approve | None = None,
    limits: Limits | None = None,
    stop_at: type | None = None,
    cancel: CancelToken | None = None,
    **values: Any,
) -> tuple[list[LoopEvent], ScriptedEngine]:
    """The events of a turn in which the engine plays these answers one after the other."""
    answers = iter(rounds)
    engine = ScriptedEngine(load_catalog(), {"starter-phi": lambda request: [(0.0, e) for e in next(answers)]})
    stop = cancel or CancelToken()

    async def collect() -> list[LoopEvent]:
        found: list[LoopEvent] = []
        request = ChatRequest("starter-phi", ASKED, **values)
        made = builtin_tools() if tools is None else tools
        async for event in converse(engine, request, made, stop, approve=approve, limits=limits):
            found.append(event)
            if stop_at is not None and isinstance(event, stop_at):
                stop.cancel()
        return found

    return asyncio.run(asyncio.wait_for(collect(), 30)), engine


def results(events: Sequence[LoopEvent]) -> list[ToolResult]:
    return [event for event in events if isinstance(event, ToolResult)]


def added(events: Sequence[LoopEvent]) -> tuple[Message, ...]:
    assert isinstance(events[-1], Done | Failed)
    assert sum(isinstance(event, Done | Failed) for event in events) == 1
    assert isinstance(events[-2], NewMessages)
    return events[-2].messages


def kinds(events: Sequence[LoopEvent]) -> list[str]:
    return [e.kind if isinstance(e, Token) else type(e).__name__ for e in events]


def test_a_call_is_run_and_its_result_read() -> None:
    events, engine = run([calling(RIGHT, text="I look. "), saying("It is 42.")])
    assert kinds(events) == ["answer", "ToolCalled", "ToolResult", "answer", "NewMessages", "Done"]
    (result,) = results(events)
    assert (result.text, result.outcome, result.error, result.call_id) == ('{"result": 42}', "ok", False, RIGHT.id)
    assert result.seconds > 0
    expected = (
        Message("assistant", "I look. ", tool_calls=(RIGHT,)),
        Message("tool", '{"result": 42}', tool_call_id=RIGHT.id, name="calculate"),
        Message("assistant", "It is 42."),
    )
    assert added(events) == expected
    assert engine.requests[1].messages == (*ASKED, *expected[:2])
    assert [spec.name for spec in engine.requests[0].tools] == ["calculate", "get_time", "convert_units"]


def test_figures_are_summed() -> None:
    done = run([calling(RIGHT), saying("42")])[0][-1]
    assert isinstance(done, Done)
    stats = done.stats
    assert isinstance(stats, ChatStats)
    assert (stats.prompt_tokens, stats.completion_tokens, stats.cost) == (230, 32, 0.75)
    assert (stats.ttft_s, stats.seed, stats.stop_reason, stats.context_used) == (0.5, 7, "end", 151)
    assert stats.tokens_per_s == pytest.approx((10 + 20) / (10 / 10 + 20 / 20))
    assert stats.reasoning_tokens is None
    assert 3.0 <= stats.seconds < 4.0


def test_reasoning_call_result_reasoning_come_in_order_and_go_back_with_the_result() -> None:
    events, engine = run([calling(RIGHT, reasoning="A sum."), saying("42", "It answered.")])
    assert kinds(events)[:5] == ["reasoning", "ToolCalled", "ToolResult", "reasoning", "answer"]
    sent = engine.requests[1].messages[1]
    assert (sent.reasoning, sent.items, sent.tool_calls) == ("A sum.", ("item",), (RIGHT,))


def test_two_calls_of_one_answer_are_run_in_order() -> None:
    events, engine = run([calling(RIGHT, TIME), saying("Both.")])
    assert [(r.name, r.outcome) for r in results(events)] == [("calculate", "ok"), ("get_time", "ok")]
    assert json.loads(results(events)[1].text)["zone"] == "Europe/Oslo"
    assert [m.role for m in engine.requests[1].messages] == ["user", "assistant", "tool", "tool"]


def test_an_invalid_call_is_fed_back_and_corrected() -> None:
    events, engine = run([calling(WRONG), calling(RIGHT), saying("42")])
    assert [r.outcome for r in results(events)] == ["invalid", "ok"]
    assert json.loads(results(events)[0].text) == {
        "error": "formula is not a parameter, expression is missing"
    }  # fmt: skip
    assert results(events)[0].seconds == 0
    assert engine.requests[1].messages[-1].content == results(events)[0].text


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            ToolCall("a", "calculator", "{}"),
            "no tool is called calculator, there are calculate, get_time, convert_units",
        ),
        (ToolCall("a", "", "calculate(6*7)"), "not JSON"),
        (ToolCall("a", "calculate", "{"), "not JSON"),
    ],
)
def test_what_cannot_be_run_says_why(call: ToolCall, said: str) -> None:
    events, _ = run([calling(call), saying("Sorry.")])
    assert results(events)[0].outcome == "invalid"
    assert said in results(events)[0].text


def failing(arguments: dict[str, Any], cancel: CancelToken) -> str:
    raise KeyError("the\nkey")


def telling(arguments: dict[str, Any], cancel: CancelToken) -> str:
    raise ToolError("the shop is closed", "Come back.")


def hanging(arguments: dict[str, Any], cancel: CancelToken) -> str:
    cancel.wait(30)
    return "too late"


async def sleeping(arguments: dict[str, Any], cancel: CancelToken) -> str:
    await asyncio.sleep(30)
    return "too late"


def exiting(arguments: dict[str, Any], cancel: CancelToken) -> str:
    raise SystemExit(1)


def odd(arguments: dict[str, Any], cancel: CancelToken) -> Any:
    return object()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (failing, "f failed with KeyError: 'the\\nkey'"),
        (telling, "the shop is closed Come back."),
        (hanging, "f took longer than 0.2 seconds"),
        (sleeping, "f took longer than 0.2 seconds"),
        (exiting, "f ended its thread"),
        (odd, "f returned object, which is not text"),
    ],
)
def test_a_tool_that_raises_or_hangs_ends_as_a_result(body: Any, said: str) -> None:
    tool = make_tool("f", "", {}, body, has_effects=False, timeout_s=0.2)
    events, _ = run([calling(ToolCall("a", "f", "{}")), saying("It did not work.")], [tool])
    (result,) = results(events)
    assert result.outcome == "failed"
    assert json.loads(result.text) == {"error": said.replace("\\n", r"\n")}
    assert "".join(e.text for e in events if isinstance(e, Token)) == "It did not work."


def test_a_long_result_is_cut_and_says_so() -> None:
    tool = make_tool("f", "", {}, lambda arguments, cancel: "x" * 20_000 + "\ud83d", has_effects=False)
    events, _ = run([calling(ToolCall("a", "f", "{}")), saying("Long.")], [tool])
    text = results(events)[0].text
    assert len(text) < 8_100
    assert text.endswith("… (cut: 8,000 of 20,001 characters)")


def test_after_too_many_wrong_calls_the_model_answers_without_tools() -> None:
    events, engine = run([calling(WRONG)] * 4 + [saying("I cannot.")])
    assert [r.outcome for r in results(events)] == ["invalid"] * 4
    assert [e.text for e in events if isinstance(e, Notice)] == [
        "The model's calls were invalid or failed 4 times in a row, so it answers without tools."
    ]
    assert [request.tool_choice for request in engine.requests] == ["auto"] * 4 + ["none"]
    assert added(events)[-1].content == "I cannot."


def test_a_right_call_makes_the_count_begin_anew() -> None:
    events, engine = run([calling(WRONG), calling(RIGHT), calling(WRONG), saying("42")], limits=Limits(corrections=1))
    assert not any(isinstance(e, Notice) for e in events)
    events, engine = run([calling(WRONG), calling(WRONG), saying("No.")], limits=Limits(corrections=1))
    assert engine.requests[-1].tool_choice == "none"


def test_a_model_that_never_stops_calling_is_ended() -> None:
    events, engine = run([calling(RIGHT)] * 4, limits=Limits(rounds=3))
    assert [r.outcome for r in results(events)] == ["ok", "ok", "ok", "invalid"]  # the last came against "none"
    assert len(engine.requests) == 4
    assert "the most that are run" in next(e.text for e in events if isinstance(e, Notice))
    assert isinstance(events[-1], Done)


def test_more_calls_than_are_run_at_once_are_told_so() -> None:
    many = [ToolCall(f"id{i}", "calculate", '{"expression": "1"}') for i in range(5)]
    events, _ = run([calling(*many), saying("ok")], limits=Limits(calls=2))
    assert [r.outcome for r in results(events)] == ["ok", "ok", "invalid", "invalid", "invalid"]


def test_calls_of_one_id_get_their_own() -> None:
    events, engine = run([calling(RIGHT, RIGHT, ToolCall("", "calculate", "{}")), saying("42")])
    ids = [event.call.id for event in events if isinstance(event, ToolCalled)]
    assert len(set(ids)) == 3
    assert [r.call_id for r in results(events)] == ids == [m.tool_call_id for m in engine.requests[1].messages[2:]]


# --- choice and approval ---


@pytest.mark.parametrize("choice", ["required", "calculate"])
def test_a_forced_choice_holds_until_a_call_has_run(choice: str) -> None:
    _, engine = run([calling(WRONG), calling(RIGHT), saying("42")], tool_choice=choice)
    assert [request.tool_choice for request in engine.requests] == [choice, choice, "auto"]


def test_with_none_no_call_is_run() -> None:
    events, engine = run([calling(RIGHT)], tool_choice="none")
    assert [r.outcome for r in results(events)] == ["invalid"]
    assert len(engine.requests) == 1


def test_a_wrong_choice_is_refused_before_the_engine_is_asked() -> None:
    events, engine = run([], tool_choice="get_weather")
    assert isinstance(events[-1], Failed)
    assert "get_weather" in events[-1].error
    assert engine.requests == []
    assert added(events) == ()


def buying(log: list[dict]) -> Tool:
    def buy(arguments: dict[str, Any], cancel: CancelToken) -> str:
        log.append(arguments)
        return "bought"

    return make_tool("buy", "Buy a thing", {"thing": {"type": "string"}}, buy)


BUY = ToolCall("abcdefgh4", "buy", '{"thing": "tea"}')


def test_what_has_effects_is_asked_about_and_a_refusal_is_told() -> None:
    log: list[dict] = []
    asked: list[str] = []

    async def no(call: ToolCall, tool: Tool) -> bool:
        asked.append(call.arguments)
        return False

    events, engine = run([calling(BUY, RIGHT), saying("Not bought.")], [buying(log), *builtin_tools()], approve=no)
    assert [r.outcome for r in results(events)] == ["refused", "ok"]  # without effects nobody is asked
    assert (log, asked) == ([], ['{"thing": "tea"}'])
    assert json.loads(engine.requests[1].messages[2].content) == {"error": "the user refused this call"}

    async def yes(call: ToolCall, tool: Tool) -> bool:
        return True

    events, _ = run([calling(BUY), saying("Bought.")], [buying(log)], approve=yes)
    assert (results(events)[0].text, log) == ("bought", [{"thing": "tea"}])


def test_without_anybody_to_ask_what_has_effects_is_refused() -> None:
    log: list[dict] = []
    assert results(run([calling(BUY), saying("No.")], [buying(log)])[0])[0].outcome == "refused"
    assert log == []
    events, _ = run([calling(BUY), saying("Yes.")], [buying(log)], limits=Limits(approval="never"))
    assert (results(events)[0].outcome, len(log)) == ("ok", 1)
    events, _ = run([calling(RIGHT), saying("No.")], limits=Limits(approval="always"))
    assert results(events)[0].outcome == "refused"


def test_an_invalid_call_is_not_asked_about() -> None:
    async def never(call: ToolCall, tool: Tool) -> bool:
        raise AssertionError

    events, _ = run([calling(ToolCall("a", "buy", "{}")), saying("x")], [buying([])], approve=never)
    assert results(events)[0].outcome == "invalid"


# --- stop, failure, leaving ---


def test_a_stop_in_the_middle_of_a_tool_ends_the_turn_and_leaves_no_call_without_result() -> None:
    cancel, began = CancelToken(), threading.Event()

    def wait(arguments: dict[str, Any], own: CancelToken) -> str:
        began.set()
        threading.Timer(0.1, cancel.cancel).start()
        own.wait(30)
        return "too late"

    tool = make_tool("f", "", {}, wait, has_effects=False)
    events, engine = run([calling(ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))], [tool], cancel=cancel)
    assert began.is_set()
    assert [r.outcome for r in results(events)] == ["stopped", "stopped"]
    assert [m.role for m in added(events)] == ["assistant", "tool", "tool"]
    assert isinstance(events[-1], Done)
    assert isinstance(events[-1].stats, ChatStats)
    assert events[-1].stats.stop_reason == "stopped"
    assert len(engine.requests) == 1


def test_a_stop_while_the_user_is_asked_ends_the_turn() -> None:
    cancel = CancelToken()

    async def thinking(call: ToolCall, tool: Tool) -> bool:
        asyncio.get_running_loop().call_later(0.1, cancel.cancel)
        await asyncio.sleep(30)
        return True

    log: list[dict] = []
    events, _ = run([calling(BUY)], [buying(log)], approve=thinking, cancel=cancel)
    assert (results(events)[0].outcome, log) == ("stopped", [])


def test_a_stop_while_the_model_speaks_ends_the_turn_with_what_there_is() -> None:
    events, engine = run([[Token(0, "I "), *calling(RIGHT)]], stop_at=Token)
    assert isinstance(events[-1], Done)
    assert added(events)[0].content == "I "
    assert len(engine.requests) == 1
    assert not any(r.outcome == "ok" for r in results(events))


def test_a_failure_in_the_second_answer_keeps_what_was_done() -> None:
    events, _ = run([calling(RIGHT), [Token(0, "It"), Failed("The line broke.", "Try again.")]])
    assert events[-1] == Failed("The line broke.", "Try again.")
    assert [m.role for m in added(events)] == ["assistant", "tool", "assistant"]


def test_leaving_in_the_middle_of_a_tool_cancels_it() -> None:
    ended = threading.Event()

    def wait(arguments: dict[str, Any], cancel: CancelToken) -> str:
        cancel.wait(30)
        ended.set()
        return ""

    async def leave() -> None:
        engine = ScriptedEngine(load_catalog(), {"starter-phi": lambda r: [(0.0, e) for e in calling(call)]})
        tool = make_tool("f", "", {}, wait, has_effects=False)
        stream = converse(engine, ChatRequest("starter-phi", ASKED), [tool], CancelToken())
        consumer = asyncio.ensure_future(_drain(stream))
        await asyncio.sleep(0.2)
        consumer.cancel()
        await asyncio.wait({consumer})

    call = ToolCall("a", "f", "{}")
    asyncio.run(leave())
    assert ended.wait(10)


async def _drain(stream: Any) -> None:
    async for _ in stream:
        pass


# --- pictures ---


def test_a_picture_is_made_by_the_same_engine() -> None:
    answers = iter([calling(ToolCall("a", "text_to_image", '{"prompt": "a red circle"}')), saying("Here it is.")])
    engine = ScriptedEngine(
        load_catalog(),
        {"starter-phi": lambda request: [(0.0, e) for e in next(answers)], "starter-sd": picture(2, 0.0)},
    )
    tools = builtin_tools(engine, "starter-sd", owner="me")

    async def collect() -> list[LoopEvent]:
        return [e async for e in converse(engine, ChatRequest("starter-phi", ASKED), tools, CancelToken())]

    events = asyncio.run(collect())
    (result,) = results(events)
    assert json.loads(result.text) == {"image": "image_1.png", "size": "128x128", "seed": 0}
    assert result.images[0].startswith(b"\x89PNG")
    request = engine.requests[1]
    assert isinstance(request, ImageRequest)
    assert (request.prompt, request.model, request.owner) == ("a red circle", "starter-sd", "me")


def test_a_picture_that_fails_tells_why() -> None:
    engine = ScriptedEngine(load_catalog(), {"starter-sd": lambda request: [(0.0, Failed("No memory.", "Use less."))]})
    tool = builtin_tools(engine, "starter-sd")[-1]
    events, _ = run([calling(ToolCall("a", "text_to_image", '{"prompt": "x"}')), saying("No.")], [tool])
    assert (results(events)[0].outcome, json.loads(results(events)[0].text)) == (
        "failed", {"error": "No memory. Use less."},
    )  # fmt: skip


def test_a_picture_that_takes_too_long_stops_the_engine() -> None:
    engine = ScriptedEngine(load_catalog(), {"starter-sd": picture(4, 5.0)})
    tool = replace(builtin_tools(engine, "starter-sd")[-1], timeout_s=0.2)
    events, _ = run([calling(ToolCall("a", "text_to_image", '{"prompt": "x"}')), saying("No.")], [tool])
    assert "took longer than 0.2 seconds" in results(events)[0].text
    assert engine.busy == 0


def test_an_output_may_carry_pictures_and_text() -> None:
    tool = make_tool("f", "", {}, lambda arguments, cancel: Output("seen", (b"png",)), has_effects=False)
    (result,) = results(run([calling(ToolCall("a", "f", "")), saying("ok")], [tool])[0])
    assert (result.text, result.images) == ("seen", (b"png",))
