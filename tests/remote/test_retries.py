"""What passes is tried again, before the first token and in sight of the user; what does not pass is told at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from playground.protocol import CancelToken
from playground.remote.openai_errors import retry_after
from playground.remote.retries import without
from tests.remote import responses_events as events
from tests.remote.asking import ask, card, engine, failure, notices, sourced, stats_of, text_of
from tests.remote.server import Script, chunk, serving, whole


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script()) as running:
        yield running


@pytest.fixture(params=["chat", "responses"])
def kind(request: pytest.FixtureRequest, script: Script) -> str:
    if request.param == "responses":
        script.stream = lambda: iter([events.sse(events.whole())])
    return request.param


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529, 0])
def test_what_passes_is_tried_again_and_said(script: Script, kind: str, status: int) -> None:
    script.statuses = [status, status]
    found = ask(engine(sourced(script.url, "openai", kind)))
    assert stats_of(found).stop_reason == "end"
    assert text_of(found)
    assert len(script.asked) == 3
    assert [text[text.index("Try") :][:8] for text in notices(found)] == ["Try 2 in", "Try 3 in"]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 418, 422, 501])
def test_what_does_not_pass_is_told_at_once(script: Script, kind: str, status: int) -> None:
    script.status = status
    failed = failure(ask(engine(sourced(script.url, "openai", kind))))
    assert len(script.asked) == 1
    assert failed.error
    assert failed.hint


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (429, {"error": {"message": "no", "code": "insufficient_quota"}}, "quota of this key is used up"),
        (400, {"error": {"message": "no", "code": "context_length_exceeded"}}, "longer than o4-mini takes"),
        (413, {"error": {"message": "no"}}, "longer than o4-mini takes"),
        (400, {"error": {"message": "violence", "code": "content_filter"}}, "content filter of 127.0.0.1"),
        (422, {"detail": "Unexpected fields"}, "Unexpected fields"),
        (400, {"object": "error", "message": "Mistral's way"}, "Mistral's way"),
        (307, {"error": {"message": "moved"}}, "elsewhere, which is not followed"),
    ],
)
def test_servers_own_names_for_errors_are_understood(script: Script, status: int, body: dict, said: str) -> None:
    script.status, script.error = status, body
    script.headers = {"Location": "http://127.0.0.1:9/v1"}
    assert said in failure(ask(engine(sourced(script.url)))).error
    assert len(script.asked) == 1


def test_nothing_is_tried_again_after_the_first_token(script: Script) -> None:
    def hang_up() -> Iterator[bytes]:
        yield chunk(content="Hel")
        raise ConnectionAbortedError

    script.stream = hang_up
    found = ask(engine(card(script.url)))
    assert "middle of the answer" in failure(found).error
    assert len(script.asked) == 1


def test_a_wait_that_the_server_asks_for_is_kept(script: Script) -> None:
    script.statuses, script.headers = [429], {"Retry-After": "0.4"}
    started = time.monotonic()
    found = ask(engine(card(script.url)))
    assert time.monotonic() - started >= 0.4
    assert "in 0.4 seconds" in notices(found)[0]


def test_a_server_may_forbid_or_ask_for_another_try(script: Script) -> None:
    script.statuses, script.headers = [503], {"x-should-retry": "false"}
    failure(ask(engine(card(script.url))))
    script.statuses, script.headers = [418], {"x-should-retry": "true"}
    assert stats_of(ask(engine(card(script.url)))).stop_reason == "end"


def test_a_stop_ends_the_wait(script: Script) -> None:
    script.status, script.headers = 429, {"Retry-After": "15"}
    cancel = CancelToken()
    threading.Timer(0.3, cancel.cancel).start()
    started = time.monotonic()
    assert stats_of(ask(engine(card(script.url)), cancel)).stop_reason == "stopped"
    assert time.monotonic() - started < 10


def test_retry_after_is_read_in_all_its_forms() -> None:
    assert retry_after({"retry-after": "3"}) == 3
    assert retry_after({"retry-after-ms": "250"}) == 0.25
    assert 50 < (retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) or 0) <= 60
    for wrong in ("", "soon", "-1", "nan", "inf", "1e99", "Wed, 99 Foo 2026"):
        assert retry_after({"retry-after": wrong}) is None


def test_a_parameter_that_the_server_refuses_is_left_out_said_and_remembered(script: Script) -> None:
    refusal = {"message": "Unsupported value", "param": "reasoning.summary", "code": "unsupported_value"}
    script.statuses, script.error = [400], {"error": refusal}
    script.stream = lambda: iter([events.sse(events.whole())])
    api = engine(sourced(script.url))
    found = ask(api, reasoning_effort="low")
    assert text_of(found) == events.TEXT
    assert notices(found) == [f"{script.url[7:-3]} takes no reasoning.summary for o4-mini: sent without it."]
    assert [body["reasoning"] for body in script.asked] == [{"summary": "auto", "effort": "low"}, {"effort": "low"}]
    assert notices(ask(api, reasoning_effort="low")) == notices(found)
    assert len(script.asked) == 3
    assert "reasoning.summary" in api.rejects("api")


def test_a_refused_limit_takes_its_other_name(script: Script) -> None:
    refusal = {"message": "no", "param": "max_tokens", "code": "unsupported_parameter"}
    script.statuses, script.error = [400], {"error": refusal}
    ask(engine(card(script.url)), max_new_tokens=9)
    assert (script.asked[0]["max_tokens"], script.asked[1]["max_completion_tokens"]) == (9, 9)
    assert "max_tokens" not in script.asked[1]


def test_what_a_request_is_about_is_never_left_out(script: Script) -> None:
    for param in ("messages", "tools[0]", "response_format.json_schema", "model", "nothing", 5, None):
        script.statuses = [400]
        script.error = {"error": {"message": "no", "param": param, "code": "unsupported_parameter"}}
        assert failure(ask(engine(card(script.url)))).code == "InvalidRequest"


def test_a_server_that_refuses_all_it_gets_is_not_asked_for_ever(script: Script) -> None:
    def turn() -> None:
        param = "max_tokens" if "max_tokens" in script.asked[-1] else "max_completion_tokens"
        script.error = {"error": {"message": "no", "param": param, "code": "unsupported_parameter"}}

    script.status, script.before = 400, turn
    failure(ask(engine(card(script.url))))
    assert len(script.asked) <= 3
    assert without({"max_tokens": 1}, "max_tokens") == {"max_completion_tokens": 1}


def test_thoughts_that_cannot_be_read_any_more_are_left_out(script: Script) -> None:
    from playground.protocol import Done, Message

    script.stream = lambda: iter([events.sse(events.whole())])
    api = engine(sourced(script.url))
    first = ask(api)[-1]
    assert isinstance(first, Done)
    script.statuses = [400]
    script.error = {"error": {"message": "no", "code": "invalid_encrypted_content"}}
    talk = (Message("user", "Hi"), Message("assistant", events.TEXT, items=first.items), Message("user", "?"))
    found = ask(api, messages=talk)
    assert text_of(found) == events.TEXT
    assert "cannot read its earlier thoughts" in notices(found)[0]
    assert script.asked[-1]["input"][1] == {"role": "assistant", "content": events.TEXT}


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_is_packed_or_endless_is_not_read(script: Script, status: int) -> None:
    """A bomb of a few bytes must not be unpacked, nor an endless error page be read."""
    import gzip

    if status == 200:
        script.packed = True
        script.stream = lambda: iter([gzip.compress(b"data: {}\n\n" * 1000)])
        assert "packed" in failure(ask(engine(card(script.url)))).error
    else:
        script.status, script.error = 400, {"error": {"message": "x" * 3_000_000}}
        assert "status 400" in failure(ask(engine(card(script.url)))).error


def test_a_break_behind_the_end_is_no_failure(script: Script) -> None:
    def hang_up() -> Iterator[bytes]:
        yield chunk(content="Hello")
        yield chunk(finish="stop")
        raise ConnectionAbortedError

    script.stream = hang_up
    stats = stats_of(ask(engine(card(script.url))))
    assert (stats.stop_reason, stats.completion_tokens) == ("end", None)
    script.stream = lambda: whole("Hello")
    assert stats_of(ask(engine(card(script.url)))).completion_tokens == 40
