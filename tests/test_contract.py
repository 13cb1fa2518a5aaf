"""The contract of the seam, one suite for every engine: the in-process one, a remote endpoint, the scripted fake, and
the router over them."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from playground.catalog import Catalog, ModelCard, load_catalog
from playground.engine import Router
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, ChatRequest, Done, Engine, Event, Failed, Message, Request, Token
from playground.remote.openai_engine import OpenAIEngine
from playground.settings import Settings
from tests.remote.responses_events import completed, numbered, opening, speaking, sse
from tests.remote.server import Script, serving, whole
from tests.scripted import ScriptedEngine, answer

NUMBERS = " ".join(str(n) for n in range(200))


@pytest.fixture(scope="module", params=["local", "openai", "responses", "scripted", "router"])
def engine_and_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), offline=True)
    catalog = load_catalog()
    if request.param == "local":
        local = LocalEngine(settings, catalog)
        yield local, "starter-phi"
        local.close()
    elif request.param in ("openai", "router"):
        with serving(Script(stream=lambda: whole(*NUMBERS.split()))) as server:
            card = ModelCard(
                id="remote", name="Remote", kind="chat", source="m", licence="-", backend="openai", base_url=server.url
            )
            cards = Catalog({"remote": card})
            remote = OpenAIEngine(cards, settings)
            router = Router(cards, {"openai": remote, "local": remote})
            yield (remote if request.param == "openai" else router), "remote"
    elif request.param == "responses":
        with serving(Script(stream=spoken)) as server:
            origin = {"name": "here", "kind": "openai", "api": "responses", "base_url": server.url}
            card = ModelCard(
                id="remote", name="Remote", kind="chat", source="o4-mini", licence="-", backend="openai", origin=origin
            )
            yield OpenAIEngine(Catalog({"remote": card}), settings), "remote"
    else:
        plays = {"starter-phi": answer(NUMBERS, every=0.005)}
        yield ScriptedEngine(catalog, plays), "starter-phi"


def spoken() -> Iterator[bytes]:
    """The numbers as a stream of the Responses API."""
    rows = numbered([*opening(), *speaking(NUMBERS), *completed()])
    for row in rows:
        yield sse([row])
        time.sleep(0.005)


def ask(model: str) -> ChatRequest:
    return ChatRequest(model, (Message("user", "Count for me."),), column=3, max_new_tokens=64, temperature=1.5, seed=5)


def run(engine: Engine, request: Request, stop_after: int = 0, leave_after: int = 0) -> list[Event]:
    async def collect() -> list[Event]:
        cancel, seen = CancelToken(), []
        stream = engine.submit(request, cancel)
        async for event in stream:
            seen.append(event)
            tokens = sum(isinstance(e, Token) for e in seen)
            if stop_after and tokens >= stop_after:
                cancel.cancel()
            if leave_after and tokens >= leave_after:
                await stream.aclose()  # type: ignore[attr-defined]
                break
        return seen

    return asyncio.run(asyncio.wait_for(collect(), 60))


def test_a_stream_ends_with_exactly_one_done_or_failed(engine_and_model: tuple) -> None:
    engine, model = engine_and_model
    events = run(engine, ask(model))
    assert isinstance(events[-1], Done)
    assert sum(isinstance(event, Done | Failed) for event in events) == 1


def test_tokens_carry_their_column_and_text(engine_and_model: tuple) -> None:
    engine, model = engine_and_model
    tokens = [event for event in run(engine, ask(model)) if isinstance(event, Token)]
    assert tokens
    assert all(token.column == 3 and token.text for token in tokens)


def test_every_event_pickles(engine_and_model: tuple) -> None:
    engine, model = engine_and_model
    for event in run(engine, ask(model)):
        assert pickle.loads(pickle.dumps(event)) == event


def test_an_unknown_model_fails_with_a_sentence(engine_and_model: tuple) -> None:
    engine, model = engine_and_model
    (event,) = run(engine, replace(ask(model), model="nothing"))
    assert isinstance(event, Failed)
    assert "nothing" in event.error


def test_a_cancel_still_ends_with_done_and_soon(engine_and_model: tuple) -> None:
    engine, model = engine_and_model
    events = run(engine, ask(model), stop_after=2)
    assert isinstance(events[-1], Done)
    assert sum(isinstance(event, Token) for event in events) < 150


def test_a_listener_may_leave_and_the_next_request_runs(engine_and_model: tuple) -> None:
    engine, model = engine_and_model
    run(engine, ask(model), leave_after=1)
    assert isinstance(run(engine, ask(model))[-1], Done)


def test_a_token_is_not_cancelled_by_a_request_that_ended_well(engine_and_model: tuple) -> None:
    engine, model = engine_and_model

    async def twice() -> CancelToken:
        cancel = CancelToken()
        for _ in range(2):
            async for _event in engine.submit(ask(model), cancel):
                pass
        return cancel

    assert not asyncio.run(twice()).cancelled


def test_models_and_health_answer(engine_and_model: tuple) -> None:
    engine, model = engine_and_model
    states = asyncio.run(engine.models())
    assert model in [state.id for state in states]
    assert asyncio.run(engine.health()).ok
