"""Batches of events: pace, ticks, the end, and stopping an engine that does not listen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from playground.errors import OutOfMemory
from playground.protocol import CancelToken, ChatRequest, Done, Event, Failed, Request, Token
from playground.ui import stream
from playground.ui.running import Running

REQUEST = ChatRequest("m", ())
Body = Callable[[CancelToken], AsyncIterator[Event]]


class Engine:
    def __init__(self, body: Body) -> None:
        self._body = body

    def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        return self._body(cancel)


def collect(body: Body, cancel: CancelToken | None = None) -> list[list[Event]]:
    async def run() -> list[list[Event]]:
        return [batch async for batch in stream.batches(Engine(body), REQUEST, cancel or CancelToken())]  # type: ignore[arg-type]

    return asyncio.run(run())


def test_no_event_is_lost_and_updates_are_few() -> None:
    async def body(cancel: CancelToken) -> AsyncIterator[Event]:
        for i in range(200):
            yield Token(0, str(i))
            await asyncio.sleep(0.002)
        yield Done()

    started = time.monotonic()
    batches = collect(body)
    took = time.monotonic() - started
    events = [event for batch in batches for event in batch]
    assert [e.text for e in events if isinstance(e, Token)] == [str(i) for i in range(200)]
    assert isinstance(events[-1], Done)
    assert len(batches) <= took * 12 + 3


def test_silence_gives_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "TICK_S", 0.05)

    async def body(cancel: CancelToken) -> AsyncIterator[Event]:
        await asyncio.sleep(0.3)
        yield Done()

    assert [] in collect(body)


def test_what_an_engine_raises_ends_as_a_sentence() -> None:
    async def expected(cancel: CancelToken) -> AsyncIterator[Event]:
        raise OutOfMemory("3 GiB are needed.", "Unload one.")
        yield Done()

    async def unexpected(cancel: CancelToken) -> AsyncIterator[Event]:
        raise ZeroDivisionError("secret detail")
        yield Done()

    assert collect(expected)[-1][-1] == Failed("3 GiB are needed.", "Unload one.", "OutOfMemory")
    last = collect(unexpected)[-1][-1]
    assert isinstance(last, Failed)
    assert "secret" not in last.error + last.hint


def test_a_deaf_engine_is_left_after_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "GRACE_S", 0.2)
    monkeypatch.setattr(stream, "TICK_S", 0.05)
    cancel = CancelToken()
    cancel.cancel()

    async def body(token: CancelToken) -> AsyncIterator[Event]:
        await asyncio.sleep(60)
        yield Done()

    started = time.monotonic()
    collect(body, cancel)
    assert time.monotonic() - started < 5


def test_an_engine_that_cancels_its_own_token_leaves_the_next_request_alone() -> None:
    """The picture tab runs several models under one token; the first one's end must not stop the others."""
    cancel = CancelToken()

    async def body(token: CancelToken) -> AsyncIterator[Event]:
        yield Done()
        token.cancel()

    collect(body, cancel)
    assert not cancel.cancelled


def test_a_stop_reaches_the_engine_at_once() -> None:
    cancel = CancelToken()
    linked = stream.Linked(cancel)
    assert not linked.wants_answer
    cancel.answer_now()
    assert linked.wants_answer
    assert not linked.wait(0.01)
    cancel.cancel()
    assert linked.cancelled
    assert linked.wait(10)


def test_a_session_stops_only_its_own_work() -> None:
    running = Running()
    mine, other = running.start("a", "chat-0"), running.start("b", "chat-0")
    picture = running.start("a", "image")
    assert running.stop("a", "chat-") == 1
    assert mine.cancelled
    assert not other.cancelled
    assert not picture.cancelled
    running.finish("a", "chat-0", mine)
    assert not running.any("a", "chat-")
    assert running.any("a")


def test_new_work_at_a_place_ends_the_old() -> None:
    running = Running()
    old = running.start("a", "image")
    new = running.start("a", "image")
    assert old.cancelled
    running.finish("a", "image", old)
    assert running.any("a", "image")
    assert not new.cancelled
