"""Questions to the API engine in tests: a card, an engine, and all events of one answer."""

from __future__ import annotations

import asyncio

from playground.catalog import Catalog, ModelCard
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Event, Failed, Message, Notice, Token
from playground.remote.openai_engine import OpenAIEngine
from playground.settings import Settings

KEY = "sk-test-0123456789abcdef"
PRICE = {
    "input_per_million": 1.0, "cached_input_per_million": 0.5, "output_per_million": 10.0,
    "dated": "2026-11-21", "source": "a test",
}  # fmt: skip


def card(url: str = "", **values) -> ModelCard:
    values = {"source": "some-model", "price": PRICE, "context": 1000} | values
    return ModelCard(id="api", name="Api", kind="chat", backend="openai", licence="x", base_url=url, **values)


def engine(one: ModelCard, timeout_s: float = 10.0, **settings) -> OpenAIEngine:
    settings = {"openai_api_key": KEY} | settings
    return OpenAIEngine(Catalog({one.id: one}), Settings(**settings), timeout_s=timeout_s, backoff_s=0.01)


def ask(api: OpenAIEngine, cancel: CancelToken | None = None, after: int = 0, **values) -> list[Event]:
    """All events of one request; with `after`, cancels when that many Tokens have come."""
    request = ChatRequest("api", values.pop("messages", (Message("user", "Hi"),)), **values)
    cancel = cancel or CancelToken()

    async def run() -> list[Event]:
        events: list[Event] = []
        async for event in api.submit(request, cancel):
            events.append(event)
            if after and sum(isinstance(e, Token) for e in events) == after:
                cancel.cancel()
        return events

    events = asyncio.run(asyncio.wait_for(run(), 30))
    assert sum(isinstance(e, Done | Failed) for e in events) == 1
    assert isinstance(events[-1], Done | Failed)
    assert KEY not in repr(events)
    return events


def text_of(events: list[Event], kind: str = "answer") -> str:
    return "".join(e.text for e in events if isinstance(e, Token) and e.kind == kind)


def stats_of(events: list[Event]) -> ChatStats:
    assert isinstance(events[-1], Done), events[-1]
    assert events[-1].stats is not None
    return events[-1].stats  # type: ignore[return-value]


def failure(events: list[Event]) -> Failed:
    assert isinstance(events[-1], Failed), events[-1]
    assert events[-1].error.endswith(".")
    return events[-1]


def notices(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Notice)]


def sourced(url: str, kind: str = "openai", api: str | None = "responses", **values) -> ModelCard:
    """A card that is asked at `url` in the dialect of `kind`."""
    origin = {"name": "here", "kind": kind, "base_url": url, "api": api}
    origin |= {name: values.pop(name) for name in ("deployment", "api_version", "key_env") if name in values}
    return card(**({"source": "o4-mini", "origin": origin} | values))
