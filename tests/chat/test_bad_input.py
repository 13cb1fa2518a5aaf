"""What nobody should send: one sentence each through the engine, and nothing that others had is lost by it.

Tools that raise or hang are in tools/test_loop.py, PDF bombs and other files in tests/attach, hostile templates in
test_runtimes.py, more schemas in constraints/test_schema.py; here is what comes with a request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from playground.catalog import load_catalog
from playground.local_engine import LocalEngine
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ClassifyRequest,
    Done,
    Event,
    Failed,
    Message,
    Request,
    Token,
    ToolCall,
    ToolSpec,
)
from playground.settings import Settings
from playground.ui import words

TEN_MB = "a b c d " * (10 * 2**20 // 8)
GOOD = ChatRequest("starter-phi", (Message("user", "Hello!"),), temperature=0.0, seed=1, max_new_tokens=24)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    engine = LocalEngine(Settings(data_dir=tmp_path_factory.mktemp("data"), offline=True), load_catalog())
    yield engine
    engine.close()


def run(engine: LocalEngine, *requests: Request) -> list[list[Event]]:
    """The events of requests that are made at the same time."""

    async def collect(request: Request) -> list[Event]:
        return [event async for event in engine.submit(request, CancelToken())]

    async def every() -> list[list[Event]]:
        return await asyncio.gather(*map(collect, requests))

    return asyncio.run(every())


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def asking(content: Any, **values: Any) -> ChatRequest:
    return replace(GOOD, messages=(Message("user", content),), **values)


def nested(depth: int) -> str:
    return '{"items":' * depth + "{}" + "}" * depth


CALL = ToolCall("abc123456", "f", "{}")
TOOL = ToolSpec("f", "does it", '{"type":"object"}')
BAD: dict[str, tuple[Request, str]] = {
    "10 MB prompt": (asking(TEN_MB), "10,485,760 characters"),
    "10 MB system prompt": (replace(GOOD, messages=(Message("system", TEN_MB), *GOOD.messages)), "characters"),
    "10 MB of earlier turns": (
        replace(GOOD, messages=(Message("user", "x"), Message("assistant", TEN_MB), *GOOD.messages)), "characters"),
    "10 MB of reasoning": (
        replace(GOOD, messages=(Message("user", "x"), Message("assistant", "y", TEN_MB), *GOOD.messages)),
        "characters"),
    "10 MB tool result": (
        replace(GOOD, messages=(
            Message("user", "x"), Message("assistant", "", tool_calls=(CALL,)),
            Message("tool", TEN_MB, tool_call_id=CALL.id, name="f"),
        )), "characters"),
    "10 MB schema": (asking("x", json_schema=json.dumps({"enum": [TEN_MB]})), ""),
    "10 MB regex": (asking("x", regex=TEN_MB), ""),
    "10 MB choice": (asking("x", choices=("y", TEN_MB)), ""),
    "10 MB grammar": (asking("x", grammar=f'start: "{TEN_MB}"'), ""),
    "10 MB stop": (asking("x", stop=(TEN_MB,)), "stop text"),
    "10 MB tool": (asking("x", tools=(replace(TOOL, description=TEN_MB),)), ""),
    "10 MB tool name": (asking("x", tools=(replace(TOOL, name=TEN_MB),)), "name"),
    "10 MB tool choice": (asking("x", tools=(TOOL,), tool_choice=TEN_MB), ""),
    "10 MB model": (replace(GOOD, model=TEN_MB), "There is no model"),
    "10 MB draft": (asking("x", speculation=TEN_MB), "There is no model"),
    "10 MB effort": (asking("x", reasoning_effort=TEN_MB), "reasoning_effort"),
    "10 MB text to classify": (ClassifyRequest("starter-phi", TEN_MB, ("a", "b")), "characters"),
    "10 MB label": (ClassifyRequest("starter-phi", "x", ("a", TEN_MB)), "label"),
    "longest prompt that is taken": (asking("a b c d " * 60_000), "takes at most 2032 of its 2048"),
    "system prompt longer than the context": (
        replace(GOOD, messages=(Message("system", "be kind " * 4000), *GOOD.messages)), "with the system prompt"),
    "schema that is no JSON": (asking("x", json_schema="{"), "JSON"),
    "schema of a wrong type": (asking("x", json_schema='{"type": 5}'), ""),
    "schema that never ends": (asking("x", json_schema='{"$ref": "#"}'), ""),
    "schema nested too deep": (asking("x", json_schema=nested(5000)), ""),
    "half a character": (asking("broken \ud83d"), "half a character at position 7"),
    "half a character in the system prompt": (
        replace(GOOD, messages=(Message("system", "\udcff"), *GOOD.messages)), "half a character"),
    "half a character in a stop text": (asking("x", stop=("\ud800",)), "half a character"),
    "half a character in a schema": (asking("x", json_schema='{"const": "\ud800"}'), ""),
    "half a character in a choice": (asking("x", choices=("a", "\ud800")), ""),
    "half a character in a tool": (asking("x", tools=(replace(TOOL, description="\ud800"),)), ""),
    "bytes for text": (asking(b"\xff\xfe"), "must be text"),
    "number for text": (asking(5), "must be text"),
    "NaN for a temperature": (asking("x", temperature=float("nan")), "temperature"),
    "a list for a model": (replace(GOOD, model=["starter-phi"]), "There is no model"),  # type: ignore[arg-type]
    "a script for a model": (replace(GOOD, model="<script>alert(1)</script>"), "There is no model"),
}  # fmt: skip


@pytest.fixture(scope="module")
def good(engine: LocalEngine) -> str:
    return text(run(engine, GOOD)[0])


@pytest.mark.parametrize("name", BAD)
def test_it_is_one_sentence_and_the_answer_beside_it_is_whole(engine: LocalEngine, good: str, name: str) -> None:
    request, said = BAD[name]
    refused, beside = run(engine, request, GOOD)
    failed = refused[-1]
    assert isinstance(failed, Failed), failed
    assert not text(refused)
    assert said in failed.error
    assert failed.code != "Internal"
    for told in (failed.error, failed.hint):
        assert len(told) < 600
        assert "\n" not in told
        assert "Traceback" not in told
        told.encode()  # can be shown, saved and sent
    html = words.problem(failed)
    assert "<script" not in html
    assert isinstance(beside[-1], Done)
    assert text(beside) == good != ""


def test_model_text_with_scripts_comes_as_the_text_that_it_is(engine: LocalEngine) -> None:
    """Nothing is taken out of what a model says; the page shows it as text (tests/browser/test_chat.py)."""
    script = "<script>alert('x')</script><img src=x onerror=alert(1)>"
    (events,) = run(engine, asking("x", choices=(script, script + "!"), max_new_tokens=64))
    assert text(events) in (script, script + "!")
