"""Guessed tokens through the in-process engine, on the shipped models: drafts are leased beside the model or told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from playground.catalog import load_catalog
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Event, Failed, Message, Notice, Token
from playground.settings import Settings

PASSAGE = "The red cat sat on the mat. The blue dog ran in the park. The green bird sang a song."
ASKED = ChatRequest(
    "starter-mistral", (Message("user", f"Repeat: {PASSAGE}"),), max_new_tokens=60, temperature=0.0, seed=1
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    # In float32, where one token and several at once round alike as far as likelihoods go.
    engine = LocalEngine(
        Settings(data_dir=tmp_path_factory.mktemp("data"), offline=True, dtype="float32"), load_catalog()
    )
    yield engine
    engine.close()


def run(engine: LocalEngine, *requests: ChatRequest) -> list[list[Event]]:
    async def collect(request: ChatRequest) -> list[Event]:
        return [event async for event in engine.submit(request, CancelToken())]

    async def every() -> list[list[Event]]:
        return await asyncio.gather(*map(collect, requests))

    return asyncio.run(every())


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def said(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Notice))


def stats(events: list[Event]) -> ChatStats:
    done = events[-1]
    assert isinstance(done, Done), done
    assert isinstance(done.stats, ChatStats)
    return done.stats


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("speculation", ["prompt lookup", "starter-phi"])
def test_the_answer_is_the_same_and_the_guesses_are_counted(
    engine: LocalEngine, speculation: str, temperature: float
) -> None:
    asked = replace(ASKED, temperature=temperature)
    (plain,), (events,) = run(engine, asked), run(engine, replace(asked, speculation=speculation))
    assert text(events) == text(plain) != ""
    assert stats(events).drafted
    assert "drafted tokens were right" in said(events)
    assert stats(plain).drafted is None
    pool = engine.pool()
    assert all(not state.users for state in pool.states())


def test_answers_made_together_are_made_without_guesses_and_say_so(engine: LocalEngine) -> None:
    asked = [replace(ASKED, speculation="starter-phi", owner=str(i)) for i in range(3)]
    (plain,), together = run(engine, ASKED), run(engine, *asked)
    assert [text(events) for events in together] == 3 * [text(plain)]
    assert sum("made together with this one" in said(events) for events in together) >= 2


@pytest.mark.parametrize(
    ("speculation", "error"),
    [
        ("nothing", "There is no model 'nothing'."),
        ("starter-mistral", "it is the model itself"),
        ("starter-sd", "is not a text model"),
        ("o4-mini", "does not run here"),
        (3, "speculation must be"),
    ],
)
def test_what_cannot_draft_is_refused_in_a_sentence(engine: LocalEngine, speculation: str, error: str) -> None:
    ((failed,),) = run(engine, replace(ASKED, speculation=speculation))
    assert isinstance(failed, Failed)
    assert error in failed.error


def test_without_room_for_both_the_answer_comes_without_guesses(tmp_path) -> None:
    settings = Settings(data_dir=tmp_path, offline=True, dtype="float32", memory_budget=11_000_000)
    small = LocalEngine(settings, load_catalog())
    try:
        (events,) = run(small, replace(ASKED, speculation="starter-phi", max_new_tokens=8))
    finally:
        small.close()
    assert "there is no draft model beside it" in said(events)
    assert stats(events).completion_tokens
