"""Planned code over the scripted engine, and once over a model that is shipped."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest

from playground.catalog import load_catalog
from playground.code.files import CodeFile
from playground.code.plan import PLAN_SCHEMA, Plan, plan_as_json, plan_from_json
from playground.code.planned import (
    FileBegun,
    FileWritten,
    Planned,
    Progress,
    Written,
    ask_plan,
    looked_over,
    write_files,
)  # fmt: skip
from playground.errors import InvalidRequest
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Failed, Message, Request, Token
from tests.code.test_plan import PLAN, with_file
from tests.scripted import Script, ScriptedEngine, answer

SUMS = "ZERO = 0\n\n\ndef add(a: int, b: int) -> int:\n    return a + b + ZERO\n"
MAIN = "from app.sums import add\n\n\ndef main() -> None:\n    print(add(1, 2))\n"
ASKED = ChatRequest("starter-phi", (Message("user", "A program that adds."),), seed=1)


def engine(play: Callable[[ChatRequest], Script | str]) -> ScriptedEngine:
    def script(request: Request) -> Script:
        assert isinstance(request, ChatRequest)
        said = play(request)
        if not isinstance(said, str):
            return said
        parts = [said[i : i + 40] for i in range(0, len(said), 40)]
        return [*((0.0, Token(0, part)) for part in parts), (0.0, Done(ChatStats(stop_reason="end")))]

    return ScriptedEngine(load_catalog(), {"starter-phi": script})


def wanted(request: ChatRequest) -> str:
    """The path that a request asks for."""
    asks = [m.content for m in request.messages if m.role == "user" and "Write the file " in m.content]
    return asks[-1].split("Write the file ", 1)[1].split(" ", 1)[0]


def block(text: str, name: str = "") -> str:
    return f"Here it is:\n\n```python {name}\n{text}```\nDone."


def run(stream) -> list:
    async def all_of() -> list:
        return [event async for event in stream]

    return asyncio.run(all_of())


GOOD = {"main.py": block(MAIN, "main.py"), "app/sums.py": block(SUMS)}


def test_a_plan_is_asked_for_bound_by_the_schema() -> None:
    scripted = engine(lambda request: plan_as_json(PLAN))
    events = run(ask_plan(scripted, ASKED, CancelToken()))
    assert events[-1] == Planned(PLAN)
    assert all(isinstance(event, Progress) for event in events[:-1])
    (request,) = scripted.requests
    assert request.json_schema == PLAN_SCHEMA
    assert request.messages[0].role == "system"
    assert request.messages[-1] == ASKED.messages[-1]


def test_a_plan_with_problems_is_asked_for_again_with_them() -> None:
    bad = with_file(path="../x.py")
    scripted = engine(lambda request: plan_as_json(bad if len(request.messages) == 2 else PLAN))
    assert run(ask_plan(scripted, ASKED, CancelToken()))[-1] == Planned(PLAN)
    assert "leads outside" in scripted.requests[1].messages[-1].content
    stubborn = run(ask_plan(engine(lambda request: plan_as_json(bad)), ASKED, CancelToken()))[-1]
    assert isinstance(stubborn, Planned)
    assert stubborn.problems == ("The path '../x.py' leads outside of the project.",)
    assert isinstance(run(ask_plan(engine(lambda request: "No."), ASKED, CancelToken()))[-1], Failed)


def whole(end: Written) -> list[CodeFile]:
    return [CodeFile(file.path, file.text) for file in end.files if file.whole]


def test_files_are_written_in_order_with_what_the_earlier_ones_offer() -> None:
    scripted = engine(lambda request: GOOD[wanted(request)])
    events = run(write_files(scripted, ASKED, PLAN, CancelToken()))
    begun = [(e.path, e.index, e.total) for e in events if isinstance(e, FileBegun)]
    assert begun == [("app/sums.py", 1, 2), ("main.py", 2, 2)]
    asked = scripted.requests[1].messages[-1].content
    assert "def add(a: int, b: int) -> int" in asked
    assert "return a + b" not in asked
    assert plan_as_json(PLAN) in [m.content for m in scripted.requests[1].messages]
    end = events[-1]
    assert isinstance(end, Written)
    assert [(file.path, file.text) for file in end.files] == [("main.py", MAIN), ("app/sums.py", SUMS)]
    assert all(file.whole for file in end.files)
    report, data = looked_over(whole(end), PLAN)
    assert report.ok, report.problems
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("main.py").decode() == MAIN
        assert sorted(archive.namelist()) == ["app/sums.py", "main.py"]


def test_a_file_that_breaks_the_plan_is_asked_for_again() -> None:
    tries: list[str] = []

    def play(request: ChatRequest) -> str:
        tries.append(wanted(request))
        if tries == ["app/sums.py"]:
            return block("def add(a, b):\n    return a + b\n")
        if len(tries) == 2:
            assert "ZERO" in request.messages[-1].content
            return block("def add(:\n")  # worse: the first try is kept if no better one comes
        return GOOD[wanted(request)]

    events = run(write_files(engine(play), ASKED, PLAN, CancelToken()))
    assert tries == ["app/sums.py", "app/sums.py", "main.py"]
    sums = next(e for e in events if isinstance(e, FileWritten))
    assert sums.missing == ("ZERO",)
    assert sums.whole


def test_a_failed_file_is_kept_as_such_and_the_others_go_on() -> None:
    def play(request: ChatRequest) -> Script | str:
        if wanted(request) == "app/sums.py":
            return [(0.0, Token(0, "```python\ndef add(")), (0.0, Failed("The line broke.", "Try again."))]
        return GOOD["main.py"]

    events = run(write_files(engine(play), ASKED, PLAN, CancelToken()))
    end = events[-1]
    assert isinstance(end, Written)
    failed = next(file for file in end.files if file.path == "app/sums.py")
    assert failed.text == "def add(\n"
    assert failed.error == "The model failed: The line broke. Try again."
    assert sum(isinstance(e, FileBegun) for e in events) == 2  # what the engine failed at is not tried again
    report, data = looked_over(whole(end), PLAN)
    assert not report.ok  # main.py takes from a file that is not there
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["main.py"]
    again = run(write_files(engine(lambda r: GOOD[wanted(r)]), ASKED, PLAN, CancelToken(), done={"main.py": MAIN}))
    assert [e.path for e in again if isinstance(e, FileBegun)] == ["app/sums.py"]
    assert looked_over(whole(again[-1]), PLAN)[0].ok


@pytest.mark.parametrize("said", ["", "I cannot.", "```python\ndef add(a, b\n```", "```python\n" + SUMS])
def test_what_is_no_file_is_an_error_unless_it_is_whole(said: str) -> None:
    plan = Plan((PLAN.files[1],))
    end = run(write_files(engine(lambda request: said), ASKED, plan, CancelToken(), tries=1))[-1]
    (file,) = end.files
    assert file.whole == said.endswith(SUMS)  # a fence that was left open does not make the code wrong


def test_stop_ends_it_between_tokens_and_keeps_what_there_is() -> None:
    cancel = CancelToken()

    async def stopped() -> list:
        found = []
        scripted = engine(lambda request: GOOD[wanted(request)])
        scripted.plays["starter-phi"] = answer(GOOD["app/sums.py"].replace("\n", " \n "), every=0.01)
        async for event in write_files(scripted, ASKED, PLAN, cancel):
            found.append(event)
            if isinstance(event, Progress) and isinstance(event.event, Token):
                cancel.cancel()
        assert len(scripted.cancelled) == 1
        return found

    events = asyncio.run(stopped())
    end = events[-1]
    assert isinstance(end, Written)
    assert end.stopped
    assert [(file.path, file.error) for file in end.files] == [("app/sums.py", "Stopped.")]
    assert looked_over(whole(end), PLAN)[1] == b""
    assert sum(isinstance(e, Progress) and isinstance(e.event, Token) for e in events) == 1
    done = CancelToken()
    done.cancel()
    assert not any(isinstance(e, Planned) for e in run(ask_plan(engine(lambda r: "{}"), ASKED, done)))


def test_closing_the_stream_closes_the_engines() -> None:
    scripted = engine(lambda request: GOOD[wanted(request)])

    async def left() -> None:
        stream = write_files(scripted, ASKED, PLAN, CancelToken())
        async for event in stream:
            if isinstance(event, Progress):
                break
        await stream.aclose()
        assert scripted.busy == 0

    asyncio.run(left())


def test_an_edited_plan_is_written_and_a_broken_one_is_refused() -> None:
    edited = plan_from_json(plan_as_json(PLAN).replace("app/sums.py", "lib/sums.py"))
    end = run(write_files(engine(lambda r: GOOD[wanted(r).replace("lib", "app")]), ASKED, edited, CancelToken()))[-1]
    assert [file.path for file in end.files] == ["main.py", "lib/sums.py"]
    with pytest.raises(InvalidRequest, match="leads outside"):
        run(write_files(engine(lambda r: ""), ASKED, with_file(path="../x"), CancelToken()))


def test_a_shipped_model_plans_in_the_form_that_is_asked_for() -> None:
    pytest.importorskip("llguidance")
    from playground.local_engine import LocalEngine
    from playground.settings import Settings

    local = LocalEngine(Settings(), load_catalog())
    try:
        asked = replace(ASKED, messages=(Message("user", "Add two numbers."),), max_new_tokens=120)
        events = run(ask_plan(local, asked, CancelToken(), tries=1))
    finally:
        local.close()
    text = "".join(e.event.text for e in events if isinstance(e, Progress) and isinstance(e.event, Token))
    assert text.startswith("{")
    stats = next(e.event.stats for e in events if isinstance(e, Progress) and isinstance(e.event, Done))
    assert stats.stop_reason in ("end", "closed"), stats
    assert isinstance(events[-1], Planned)
    assert events[-1].plan.files
