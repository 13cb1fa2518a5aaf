"""Thoughts and unfinished answers over an API: what is sent, what comes back, and what cannot be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import InvalidRequest
from playground.protocol import CancelToken, ChatRequest, Event, Message, Notice, Token, ToolCall
from playground.remote.continuing import Echo
from tests.remote.asking import ask, card, engine, notices, sourced, stats_of, text_of
from tests.remote.server import Script, chunk, serving, whole
from tests.remote.test_requests import URL, arguments

BEGUN = (Message("user", "Count."), Message("assistant", "One, two", "I count."))


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as running:
        yield running


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("vllm", {"continue_final_message": True, "add_generation_prompt": False}),
        ("sglang", {"continue_final_message": True}),
        ("llama.cpp", {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
def test_servers_of_open_models_go_on_in_their_own_words(kind: str, fields: dict) -> None:
    body, _ = arguments(sourced(URL, kind, "chat"), *BEGUN)
    assert {name: body["extra_body"][name] for name in fields} == fields
    assert body["messages"][-1]["content"] == "One, two"
    assert not set(fields) & set(arguments(sourced(URL, kind, "chat"))[0].get("extra_body", {}))


@pytest.mark.parametrize("kind", ["openai", "azure", "vendor", "transformers"])
def test_an_api_that_cannot_go_on_says_so(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot go on with an unfinished answer"):
        arguments(sourced(URL, kind, "chat"), *BEGUN)


def test_the_responses_api_cannot_go_on() -> None:
    with pytest.raises(InvalidRequest, match="cannot go on with an unfinished answer"):
        arguments(sourced(URL), *BEGUN)


def test_no_api_goes_on_within_a_thought() -> None:
    with pytest.raises(InvalidRequest, match="from within a thought"):
        arguments(sourced(URL, "vllm", "chat"), BEGUN[0], Message("assistant", "", "I count."))


@pytest.mark.parametrize(
    "texts", [(", three",), ("One, two, three",), ("One", ", two", ", three"), ("One, t", "wo, three")]
)
def test_mistral_goes_on_and_the_stream_brings_what_is_new(script: Script, texts: tuple[str, ...]) -> None:
    script.stream = lambda: whole(*texts)
    events = ask(engine(sourced(script.url, "mistral", "chat"), mistral_api_key="k"), messages=BEGUN)
    assert text_of(events) == ", three"
    assert script.asked[0]["messages"][-1] == {"role": "assistant", "content": "One, two", "prefix": True}


@given(begun=st.text("ab", max_size=6), rest=st.text("abc", max_size=6), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_an_echo_is_cut_however_it_arrives(begun: str, rest: str, cuts: list[int]) -> None:
    echo, said, at = Echo(begun), begun + rest, 0
    heard = ""
    for cut in [*sorted(cuts), len(said)]:
        heard += echo.feed(said[at:cut])
        at = max(at, cut)
    assert heard + echo.finish() == rest


def test_text_that_is_no_echo_is_all_there() -> None:
    echo = Echo("One, two")
    assert echo.feed("One") + echo.feed(" more") == "One more"
    echo = Echo("One, two")
    assert echo.feed("One") + echo.finish() == "One"


def test_auto_becomes_an_effort_that_the_model_takes_and_is_told(script: Script) -> None:
    one = engine(card(script.url, capabilities=("reasoning-api",)))
    for text, effort in (("Hi", "low"), ("Why is the sky blue?", "medium"), ("Prove that 2 is prime.", "high")):
        events = ask(one, messages=(Message("user", text),), reasoning_effort="auto")
        assert script.asked[-1]["reasoning_effort"] == stats_of(events).reasoning_effort == effort
    assert stats_of(ask(one)).reasoning_effort == ""
    plain = ask(engine(card(script.url)), reasoning_effort="auto")
    assert stats_of(plain).reasoning_effort == ""


def test_a_running_chain_of_calls_keeps_its_thoughts_whatever_the_setting() -> None:
    call = ToolCall("call_1", "add", "{}")
    chain = (
        *BEGUN,
        Message("user", "And on."),
        Message("assistant", "", "I add.", (call,)),
        Message("tool", "3", tool_call_id="call_1", name="add"),
    )
    for keep, thoughts in ((None, ["I count.", "I add."]), (True, ["I count.", "I add."]), (False, ["I add."])):
        body, _ = arguments(sourced(URL, "vllm", "chat"), *chain, keep_reasoning=keep)
        assert [m["reasoning_content"] for m in body["messages"] if "reasoning_content" in m] == thoughts


def test_probes_are_for_local_models(script: Script) -> None:
    assert "Not sent to Api: stable_probes." in notices(ask(engine(card(script.url)), stable_probes=3))[0]
    assert notices(ask(engine(card(script.url)), stable_probes=0)) == []


def test_a_wish_for_the_answer_is_told_to_be_in_vain_while_the_server_is_silent(script: Script) -> None:
    told, cancel = threading.Event(), CancelToken()

    def slow() -> Iterator[bytes]:
        yield chunk(reasoning_content="so ")
        yield from whole("Four" if told.wait(20) else "Too late")

    script.stream = slow
    request = ChatRequest("api", (Message("user", "Hi"),))

    async def run() -> list[Event]:
        events: list[Event] = []
        async for event in engine(card(script.url)).submit(request, cancel):
            events.append(event)
            if isinstance(event, Token) and event.kind == "reasoning":
                cancel.answer_now()
            if isinstance(event, Notice):
                told.set()
        return events

    events = asyncio.run(asyncio.wait_for(run(), 30))
    assert [e.text for e in events if isinstance(e, Notice)] == [
        "Api runs behind an API, which cannot end a thought early."
    ]
    assert (text_of(events, "reasoning"), text_of(events)) == ("so ", "Four")
