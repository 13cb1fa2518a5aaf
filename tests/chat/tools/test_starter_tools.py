"""The whole way on the shipped models: prompt, forced call, checked arguments, result, answer.

What the models say is their own affair; that every turn ends well, with each call answered, is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.catalog import load_catalog
from playground.chat.request import checked_messages
from playground.chat.tools.arguments import why_invalid
from playground.chat.tools.builtins import builtin_tools
from playground.chat.tools.events import LoopEvent, NewMessages, ToolResult
from playground.chat.tools.loop import Limits, converse
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Message, Token, ToolCalled
from playground.settings import Settings


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    made = LocalEngine(Settings(data_dir=Path(tmp_path_factory.mktemp("data")), offline=True), load_catalog())
    yield made
    made.close()


def turn(engine: LocalEngine, model: str, **values) -> list[LoopEvent]:
    request = ChatRequest(model, (Message("user", "What is 6*7?"),), max_new_tokens=64, temperature=0, seed=1, **values)

    async def collect() -> list[LoopEvent]:
        stream = converse(engine, request, builtin_tools(), CancelToken(), limits=Limits(corrections=1, rounds=3))
        return [event async for event in stream]

    return asyncio.run(asyncio.wait_for(collect(), 120))


@pytest.mark.parametrize("model", ["starter-phi", "starter-mistral"])
@pytest.mark.parametrize("choice", ["calculate", "required", "auto"])
def test_a_turn_with_tools_ends_well(engine: LocalEngine, model: str, choice: str) -> None:
    events = turn(engine, model, tool_choice=choice)
    done, new = events[-1], events[-2]
    assert isinstance(done, Done)
    assert isinstance(done.stats, ChatStats)
    assert isinstance(new, NewMessages)
    calls = [event.call for event in events if isinstance(event, ToolCalled)]
    results = [event for event in events if isinstance(event, ToolResult)]
    assert [result.call_id for result in results] == [call.id for call in calls]
    specs = [tool.spec for tool in builtin_tools()]
    for call, result in zip(calls, results, strict=True):
        assert (result.outcome == "invalid") == bool(why_invalid(call, specs)) or done.stats.stop_reason == "length"
        assert call.chance is None or 0 <= call.chance <= 1
    if choice != "auto" and _thought_ended(events, model):
        assert calls
    if choice == "calculate" and calls:
        assert calls[0].name == "calculate"
    checked_messages((Message("user", "What is 6*7?"), *new.messages, Message("user", "Thanks.")))


def _thought_ended(events: list[LoopEvent], model: str) -> bool:
    """Whether the first answer came to its call: a thought may take all the tokens that were asked for."""
    first = events[: next((i for i, e in enumerate(events) if isinstance(e, ToolResult)), len(events))]
    spoken = any(isinstance(e, Token) and e.kind == "answer" for e in first)
    return model == "starter-phi" or spoken or any(isinstance(e, ToolCalled) for e in first)
