"""The API engine against a real server: streams, figures, and everything that a server may do wrong."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from playground.protocol import (
    CancelToken,
    ChatRequest,
    ClassifyRequest,
    Done,
    Event,
    Failed,
    LoadRequest,
    Message,
    Notice,
    Token,
)
from playground.remote.openai_errors import scrubbed
from tests.remote.asking import KEY, ask, card, engine, failure, stats_of, text_of
from tests.remote.server import USAGE, Script, chunk, serving, whole


@pytest.fixture(autouse=True)
def _no_key_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as running:
        yield running


def test_an_answer_streams_with_the_figures_of_the_server(script: Script) -> None:
    said = (Message("system", "Be short."), Message("user", "Hi"))
    events = ask(engine(card(script.url)), messages=said, column=3, temperature=0.5, seed=4, stop=("END",))
    stats = stats_of(events)
    assert text_of(events) == "Hello there"
    assert all(e.column == 3 for e in events if isinstance(e, Token))
    assert (stats.prompt_tokens, stats.completion_tokens, stats.reasoning_tokens) == (100, 40, 30)
    assert (stats.context_used, stats.context_size, stats.stop_reason, stats.seed) == (140, 1000, "end", 4)
    assert stats.cost == pytest.approx((40 * 1.0 + 60 * 0.5 + 40 * 10.0) / 1e6)
    assert 0 < (stats.ttft_s or 0) <= stats.seconds
    assert stats.tokens_per_s is not None
    body = script.asked[0]
    assert body["messages"] == [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
    assert (body["model"], body["temperature"], body["seed"], body["stop"]) == ("some-model", 0.5, 4, ["END"])
    assert body["stream_options"] == {"include_usage": True}
    assert script.keys == [f"Bearer {KEY}"]


def test_thoughts_come_in_their_own_field_or_in_tags(script: Script) -> None:
    script.stream = lambda: iter([chunk(reasoning_content="so "), chunk(reasoning_content="4"), *whole("Four")])
    events = ask(engine(card(script.url)))
    assert (text_of(events, "reasoning"), text_of(events)) == ("so 4", "Four")
    script.stream = lambda: whole("<thi", "nk>so 4</th", "ink>Four")
    events = ask(engine(card(script.url)))
    assert (text_of(events, "reasoning"), text_of(events)) == ("so 4", "Four")


def test_a_reasoning_model_gets_no_sampling_values_and_the_user_is_told(script: Script) -> None:
    one = card(script.url, capabilities=("reasoning-api",))
    events = ask(engine(one), temperature=0.3, stop=("x",), max_new_tokens=9, reasoning_effort="low")
    body = script.asked[0]
    assert not {"temperature", "top_p", "stop", "seed", "max_tokens"} & set(body)
    assert (body["max_completion_tokens"], body["reasoning_effort"]) == (9, "low")
    assert [e.text for e in events if isinstance(e, Notice)] == [
        "Not sent to Api: temperature, stop. Api is a reasoning model, which takes no sampling values. "
        "Api is a reasoning model, which takes no stop texts."
    ]


def test_own_servers_get_values_beyond_the_standard_only_when_asked(script: Script) -> None:
    ask(engine(card(script.url)), top_k=5)
    ask(engine(card(script.url)))
    assert script.asked[0]["top_k"] == 5
    assert not {"top_k", "min_p", "repetition_penalty"} & set(script.asked[1])


def test_the_settings_name_another_model_and_its_cost_is_not_guessed(script: Script) -> None:
    events = ask(engine(card(script.url), openai_model="other"))
    assert script.asked[0]["model"] == "other"
    assert stats_of(events).cost is None
    assert "other" in next(e.text for e in events if isinstance(e, Notice))


def test_the_address_of_the_settings_serves_cards_without_one(script: Script) -> None:
    assert text_of(ask(engine(card(), openai_base_url=script.url))) == "Hello there"


def test_an_unnamed_model_is_asked_for(script: Script) -> None:
    ask(engine(card(script.url, source="default")))
    assert script.asked[0]["model"] == "served-model"


def test_without_usage_the_figures_are_unknown_not_zero(script: Script) -> None:
    script.stream = lambda: iter([chunk(content="Hi"), chunk(finish="length"), b"data: [DONE]\n\n"])
    stats = stats_of(ask(engine(card(script.url))))
    assert (stats.prompt_tokens, stats.completion_tokens, stats.cost, stats.tokens_per_s) == (None,) * 4
    assert stats.stop_reason == "length"


def test_thoughts_that_were_not_shown_do_not_count_as_speed(script: Script) -> None:
    script.stream = lambda: whole(*"abcdefghij")
    stats = stats_of(ask(engine(card(script.url))))
    after_first = (USAGE["completion_tokens"] - 30 - 1) / stats.tokens_per_s  # type: ignore[operator]
    assert 0 < after_first <= stats.seconds


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (400, "temperature is too hot", "InvalidRequest"),
        (401, "does not accept the API key", "ModelUnavailable"),
        (403, "does not let this key use some-model", "ModelUnavailable"),
        (404, "knows no model 'some-model'", "ModelUnavailable"),
        (429, "rate limit or quota", "ModelUnavailable"),
        (500, "failed with status 500", "ModelUnavailable"),
        (503, "failed with status 503", "ModelUnavailable"),
    ],
)
def test_a_refusal_is_one_sentence_without_the_key(script: Script, status: int, said: str, code: str) -> None:
    script.status = status
    script.error = {"error": {"message": f"temperature is too hot\nfor key {KEY} and sk-other-123456"}}
    events = ask(engine(card(script.url)))
    failed = failure(events)
    assert said in failed.error
    assert failed.code == code
    assert failed.hint
    assert "sk-" not in failed.error + failed.hint
    assert len(script.asked) == (3 if status in (429, 500, 503) else 1)
    assert sum(isinstance(e, Notice) for e in events) == len(script.asked) - 1  # no hidden second try


def test_a_rate_limit_says_how_long_to_wait(script: Script) -> None:
    script.status, script.headers = 429, {"Retry-After": "70"}
    assert "Wait 70 seconds" in failure(ask(engine(card(script.url)))).hint


def test_a_connection_that_breaks_midway_keeps_what_came(script: Script) -> None:
    def hang_up() -> Iterator[bytes]:
        yield chunk(content="Hel")
        raise ConnectionAbortedError

    script.stream = hang_up
    events = ask(engine(card(script.url)))
    assert text_of(events) == "Hel"
    assert "broke in the middle" in failure(events).error
    assert len(script.asked) == 1


def test_a_stream_that_just_ends_is_not_taken_for_an_answer(script: Script) -> None:
    script.stream = lambda: iter([chunk(content="Hel")])
    events = ask(engine(card(script.url)))
    assert text_of(events) == "Hel"
    assert "broke in the middle" in failure(events).error


@pytest.mark.parametrize("junk", [b"data: {not json\n\n", b'data: {"choices": 5}\n\n', b'data: "text"\n\n'])
def test_junk_is_told_as_such(script: Script, junk: bytes) -> None:
    script.stream = lambda: iter([chunk(content="a"), junk])
    events = ask(engine(card(script.url)))
    assert text_of(events) == "a"
    assert "not a chat completion" in failure(events).error


def test_an_error_within_the_stream_is_told(script: Script) -> None:
    script.stream = lambda: iter([b'data: {"error": {"message": "out of steam"}}\n\n'])
    assert "out of steam" in failure(ask(engine(card(script.url)))).error


def test_silence_ends_at_the_time_limit(script: Script) -> None:
    script.before = lambda: time.sleep(1.5)
    started = time.monotonic()
    failed = failure(ask(engine(card(script.url), timeout_s=0.3)))
    assert "sent nothing for 0.3 seconds" in failed.error
    assert time.monotonic() - started < 6
    assert len(script.asked) == 1


def test_silence_in_the_middle_keeps_what_came(script: Script) -> None:
    def stalled() -> Iterator[bytes]:
        yield chunk(content="Hel")
        time.sleep(1.5)

    script.stream = stalled
    events = ask(engine(card(script.url), timeout_s=0.3))
    assert text_of(events) == "Hel"
    assert "fell silent for 0.3 seconds in the middle of the answer" in failure(events).error
    assert len(script.asked) == 1


def test_nobody_there_is_told_with_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        port = taken.getsockname()[1]
        api = engine(card(f"http://user:secret@127.0.0.1:{port}/v1"))
        failed = failure(ask(api))
        states = asyncio.run(api.models())
    assert f"127.0.0.1:{port} cannot be reached" in failed.error
    assert "secret" not in repr(failed)
    assert (states[0].state, states[0].reason) == (
        "unavailable",
        f"Nothing answers at 127.0.0.1:{port}. Start the server there.",
    )


def endless() -> Iterator[bytes]:
    for i in range(2000):
        yield chunk(content=f"{i} ")
        time.sleep(0.01)


def test_a_cancel_closes_the_stream_and_keeps_the_text(script: Script) -> None:
    script.stream = endless
    events = ask(engine(card(script.url)), after=3)
    stats = stats_of(events)
    assert text_of(events).startswith("0 1 2 ")
    assert stats.stop_reason == "stopped"
    assert sum(isinstance(e, Token) for e in events) <= 4
    assert script.gone.wait(5)


def test_a_cancel_is_heard_while_the_server_is_silent(script: Script) -> None:
    script.before = lambda: time.sleep(3)
    cancel = CancelToken()
    started = time.monotonic()
    threading.Timer(0.3, cancel.cancel).start()
    stats = stats_of(ask(engine(card(script.url)), cancel))
    assert time.monotonic() - started < 2.5
    assert (stats.stop_reason, stats.ttft_s) == ("stopped", None)


def test_a_listener_that_leaves_closes_the_stream(script: Script) -> None:
    script.stream = endless

    async def leave() -> None:
        stream = engine(card(script.url)).submit(ChatRequest("api", (Message("user", "Hi"),)), CancelToken())
        async for event in stream:
            if isinstance(event, Token):
                break
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave())
    assert script.gone.wait(5)


def test_no_key_is_one_clear_sentence() -> None:
    api = engine(card(), openai_api_key=None)
    failed = failure(ask(api))
    assert (failed.error, failed.code) == ("Api needs an API key.", "ModelUnavailable")
    assert "OPENAI_API_KEY" in failed.hint
    state = asyncio.run(api.models())[0]
    assert state.state == "unavailable"
    assert "OPENAI_API_KEY" in state.reason


def test_an_own_server_needs_no_key_and_is_ready_while_it_listens(script: Script) -> None:
    api = engine(card(script.url), openai_api_key=None)
    assert text_of(ask(api)) == "Hello there"
    assert asyncio.run(api.models())[0].state == "ready"


def test_the_openai_key_is_not_shown_to_a_server_that_a_card_names(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    ask(engine(card(script.url), openai_api_key=None))
    ask(engine(card(), openai_api_key=None, openai_base_url=script.url))  # named by the settings, next to the key
    assert script.keys == ["", f"Bearer {KEY}"]


def test_with_a_key_a_far_card_is_ready_without_asking() -> None:
    assert asyncio.run(engine(card()).models())[0].state == "ready"


def test_a_missing_package_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    failed = failure(ask(engine(card())))
    assert "openai package" in failed.error
    assert "pip install" in failed.hint


@pytest.mark.parametrize("url", ["ftp://x/v1", "localhost:8000", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    assert "not an http or https URL" in failure(ask(engine(card(url)))).error


def test_wrong_values_never_reach_the_server(script: Script) -> None:
    failed = failure(ask(engine(card(script.url)), temperature="abc"))
    assert failed.code == "InvalidRequest"
    assert script.asked == []


def test_other_requests_are_answered_plainly(script: Script) -> None:
    async def events(request) -> list[Event]:  # type: ignore[no-untyped-def]
        return [e async for e in engine(card(script.url)).submit(request, CancelToken())]

    assert asyncio.run(events(LoadRequest("api"))) == [Done()]
    refused = asyncio.run(events(ClassifyRequest("api", "x", ("a", "b"))))
    assert isinstance(refused[0], Failed)
    unknown = asyncio.run(events(LoadRequest("nobody")))
    assert isinstance(unknown[0], Failed)
    assert unknown[0].code == "UnknownModel"


def test_keys_are_scrubbed_from_any_message() -> None:
    assert scrubbed("bad key abc123 and Bearer sk-proj-AbC_9*** now", "abc123") == "bad key [key] and [key] now."
    assert len(scrubbed("x" * 5000, "")) <= 300
