"""Planned code through the public API, with a scripted engine behind it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from playground.catalog import load_catalog
from playground.code.plan import plan_as_json
from playground.protocol import ChatStats, Done
from playground.settings import Settings
from playground.ui.api_code import register_code
from playground.ui.context import AppContext
from tests.code.test_plan import PLAN, with_file
from tests.code.test_planned import GOOD, MAIN, SUMS, block, wanted
from tests.running import api_client
from tests.scripted import ScriptedEngine, failure
from tests.ui.coding import coder

PLANNED = json.loads(plan_as_json(PLAN))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> AppContext:
    settings, catalog = Settings(data_dir=tmp_path_factory.mktemp("data")), load_catalog()
    return AppContext(settings, catalog, ScriptedEngine(catalog), lambda: pytest.fail("no database is needed"))


@pytest.fixture
def engine(app: AppContext) -> ScriptedEngine:
    made = app.engine
    assert isinstance(made, ScriptedEngine)
    made.requests.clear()
    made.cancelled.clear()
    made.plays = {"starter-phi": coder()}
    return made


@pytest.fixture(scope="module")
def client(app: AppContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with api_client(app, register_code, tmp_path_factory.mktemp("got")) as client:
        yield client


def test_a_plan_is_streamed_and_written(client: Client, engine: ScriptedEngine) -> None:
    engine.plays["starter-phi"] = coder(every=0.02)
    job = client.submit("A program that adds.", seed=3, api_name="/plan_code")
    planned = job.result()
    assert (planned["state"], planned["problems"], json.loads(planned["plan"])) == ("ended", [], PLANNED)
    assert any(update["state"] == "planning" and update["text"] for update in job.outputs())
    assert engine.requests[0].seed == 3
    job = client.submit(planned["plan"], "A program that adds.", api_name="/write_code")
    last = job.result()
    assert last["state"] == "ended"
    assert [(f["file"], f["state"], f["text"]) for f in last["files"]] == [
        ("main.py", "done", MAIN),
        ("app/sums.py", "done", SUMS),
    ]
    assert all(f["tokens"] and f["seconds"] >= 0 for f in last["files"])
    assert last["report"]["ok"], last["report"]
    with zipfile.ZipFile(Path(last["zip"])) as archive:
        assert archive.read("main.py").decode() == MAIN
    states = [[f["state"] for f in update["files"]] for update in job.outputs()]
    assert ["waiting", "writing"] in states


def test_what_is_done_is_not_written_again(client: Client, engine: ScriptedEngine) -> None:
    last = client.predict(json.dumps(PLANNED), done={"app/sums.py": SUMS}, api_name="/write_code")
    assert [wanted(request) for request in engine.requests] == ["main.py"]
    assert [f["state"] for f in last["files"]] == ["done", "done"]
    engine.requests.clear()
    client.predict(PLANNED, done={"app/sums.py": "ZERO = 0\n", "main.py": MAIN}, api_name="/write_code")
    assert [wanted(request) for request in engine.requests] == ["app/sums.py"]  # it lacks add


def test_a_file_that_stays_broken_says_why(client: Client, engine: ScriptedEngine) -> None:
    engine.plays["starter-phi"] = coder(files={**GOOD, "main.py": block("def main(:\n")})
    last = client.predict(PLANNED, api_name="/write_code")
    main = last["files"][0]
    assert (main["state"], main["attempt"]) == ("not whole", 2)
    assert "Line 1" in main["error"]
    with zipfile.ZipFile(Path(last["zip"])) as archive:
        assert archive.namelist() == ["app/sums.py"]


def test_a_plan_with_problems_is_told_and_not_written(client: Client, engine: ScriptedEngine) -> None:
    bad = with_file(path="../x.py")
    engine.plays["starter-phi"] = coder(plan=bad)
    planned = client.predict("A program.", api_name="/plan_code")
    assert (planned["attempt"], planned["problems"]) == (2, ["The path '../x.py' leads outside of the project."])
    assert client.predict(asdict(bad), api_name="/check_plan")["problems"] == planned["problems"]
    assert client.predict(PLANNED, api_name="/check_plan")["order"] == ["app/sums.py", "main.py"]
    with pytest.raises(AppError, match="cannot be written"):
        client.predict(asdict(bad), api_name="/write_code")


def test_a_project_goes_with_it_as_its_outline(client: Client, engine: ScriptedEngine, tmp_path: Path) -> None:
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tools/shout.py", "def shout(text: str) -> str:\n    return text.upper()\n")
    client.predict("More of it.", project=handle_file(path), api_name="/plan_code")
    asked = engine.requests[-1].messages[-1].content
    assert "def shout(text: str) -> str" in asked
    assert asked.endswith("More of it.")


def test_a_caller_that_leaves_stops_it(client: Client, engine: ScriptedEngine) -> None:
    quick = coder()
    # Its first file never ends by itself, however long this page takes to see its beginning.
    engine.plays["starter-phi"] = lambda request: [*quick(request)[:-1], (600.0, Done(ChatStats()))]
    job = client.submit(PLANNED, api_name="/write_code")
    for update in job:
        if any(f["text"] for f in update["files"]):
            break
    else:
        pytest.fail("no text came")
    job.cancel()
    until(lambda: not engine.busy)
    assert len(engine.requests) == 1


def until(check: Any) -> None:
    import time

    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline, "waited 10 s"
        time.sleep(0.02)


def test_errors_are_sentences(client: Client, engine: ScriptedEngine, tmp_path: Path) -> None:
    junk = tmp_path / "x.zip"
    junk.write_bytes(b"no zip")
    for name, values, message in (
        ("/plan_code", {"message": ""}, "Nothing is asked for"),
        ("/plan_code", {"message": "x", "model": "nobody"}, "no model 'nobody'"),
        ("/plan_code", {"message": "x", "model": "starter-sd"}, "not a model of kind chat"),
        ("/plan_code", {"message": "x", "model": []}, "models must be a list"),
        ("/plan_code", {"message": 7}, "message must be text"),
        ("/plan_code", {"message": "x", "project": {"path": "/etc/passwd"}}, "not an uploaded file"),
        ("/plan_code", {"message": "x", "project": handle_file(junk)}, "no zip that can be read"),
        ("/plan_code", {"message": "x", "max_new_tokens": "many"}, "max_new_tokens must be a whole number"),
        ("/plan_code", {"message": "x", "max_new_tokens": -1}, "max_new_tokens must be"),
        ("/plan_code", {"message": "x", "seed": "s"}, "seed must be a whole number"),
        ("/plan_code", {"message": "x", "temperature": "hot"}, "temperature must be a number"),
        ("/write_code", {"plan": ""}, "The plan is not JSON"),
        ("/write_code", {"plan": {"files": []}}, "The plan is wrong at"),
        ("/write_code", {"plan": 7}, "must be JSON text"),
        ("/write_code", {"plan": PLANNED, "done": ["x"]}, "done must hold"),
        ("/write_code", {"plan": PLANNED, "done": {"x.py": ""}}, "which the plan does not have"),
        ("/check_plan", {"plan": "{"}, "The plan is not JSON"),
    ):
        with pytest.raises(AppError, match=message):
            client.predict(**values, api_name=name)
    assert engine.requests == []
    engine.plays["starter-phi"] = failure("It broke.", "Try again.", 0.0)
    with pytest.raises(AppError, match=r"It broke\. Try again\."):
        client.predict("x", api_name="/plan_code")
    last = client.predict(PLANNED, api_name="/write_code")
    assert {f["error"] for f in last["files"]} == {"The model failed: It broke. Try again."}
    assert last["zip"] is None
