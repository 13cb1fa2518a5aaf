"""The section's handlers and the API, with a scripted engine behind them; nothing of a browser."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from playground.batches.exporting import COLUMNS
from playground.batches.records import Row
from playground.catalog import load_catalog
from playground.protocol import ChatRequest
from playground.settings import Settings
from playground.store import Store
from playground.ui.api_batches import register_batches
from playground.ui.batch_tab import EXAMPLE, build_batches
from playground.ui.batch_words import groups_html, preview_html, rows_html
from playground.ui.context import AppContext
from playground.ui.remember import Remember
from playground.ui.running import Running
from tests.batches.making import items, question_of, spec, thought_of
from tests.running import api_client
from tests.scripted import ScriptedEngine, answer, failure

OWNER = "browser:" + "a" * 32


def said(request: Any) -> Any:
    """What was asked, after a thought unless one was given."""
    assert isinstance(request, ChatRequest)
    reasoning = "" if thought_of(request) else "hm so"
    return answer(f"{question_of(request)} {thought_of(request)}".strip(), 0.001, reasoning)(request)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppContext]:
    settings, catalog = Settings(data_dir=tmp_path_factory.mktemp("data")), load_catalog()
    store = Store(settings.store_url)
    yield AppContext(settings, catalog, ScriptedEngine(catalog), lambda: store)
    store.close()


@pytest.fixture
def engine(app: AppContext) -> ScriptedEngine:
    made = app.engine
    assert isinstance(made, ScriptedEngine)
    made.requests.clear()
    made.cancelled.clear()
    made.plays = {"starter-mistral": said, "starter-phi": answer("twelve 12", 0.001)}
    return made


# --- the API ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(app: AppContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with api_client(app, register_batches, tmp_path_factory.mktemp("got")) as client:
        yield client


def test_a_batch_is_run_listed_read_and_exported(client: Client, engine: ScriptedEngine) -> None:
    models = ["starter-phi", "starter-mistral"]
    settings = {"truth": "answer", "seed": 4, "match": "number", "form": "csv", "api_name": "/batch_start"}
    job = client.submit(EXAMPLE, models, **settings)
    last = job.result()
    assert (last["state"], last["left"]) == ("ended", 0)
    streamed = [row for state in job.outputs() for row in state["rows"]]
    assert len(streamed) == 8
    assert len(engine.requests) == 8
    again = client.predict(EXAMPLE, models, **settings)
    assert (again["batch"], len(engine.requests)) == (last["batch"], 8), "what was finished ran again"
    found = client.predict(last["batch"], api_name="/batch_rows")
    assert [row["right"] for row in found["rows"] if row["model"] == "starter-phi"] == [True, True, False, False]
    assert found["totals"][0]["accuracy"] == 0.5
    assert client.predict(api_name="/batch_list")[0]["done"] == 8
    path = Path(client.predict(last["batch"], "csv", api_name="/batch_export"))
    with path.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 8
    lines = Path(client.predict(last["batch"], "jsonl", api_name="/batch_export")).read_text().splitlines()
    assert list(json.loads(lines[0])) == list(COLUMNS)
    other = Client(client.src, verbose=False)
    with pytest.raises(AppError, match="no batch"):
        other.predict(last["batch"], api_name="/batch_rows")
    client.predict(last["batch"], api_name="/batch_delete")
    with pytest.raises(AppError, match="no batch"):
        client.predict(last["batch"], api_name="/batch_resume")


def test_a_batch_is_stopped_and_resumed(client: Client, engine: ScriptedEngine) -> None:
    engine.plays["starter-phi"] = answer("one two three", 0.15)
    prompts = "\n".join(f"Say {i}" for i in range(40))
    job = client.submit(prompts, ["starter-phi"], seed=1, api_name="/batch_start")
    for state in job:
        if state["rows"]:
            assert client.predict(state["batch"], api_name="/batch_stop") == 1
            break
    stopped = job.result()
    done = len(client.predict(stopped["batch"], api_name="/batch_rows")["rows"])
    assert stopped["state"] == "stopped"
    assert 0 < done < 40
    assert stopped["left"] == 40 - done
    engine.plays["starter-phi"] = answer("one two three", 0.001)
    engine.requests.clear()
    ended = client.predict(stopped["batch"], api_name="/batch_resume")
    assert (ended["state"], ended["left"], len(engine.requests)) == ("ended", 0, 40 - done)


def test_reasoning_once_through_the_api(client: Client, engine: ScriptedEngine) -> None:
    looked = client.predict(EXAMPLE, form="csv", truth="answer", similarity=0.3, api_name="/batch_preview")
    assert looked["columns"] == ["question", "answer"]
    assert sorted(i for group in looked["groups"] for i in group) == [0, 1, 2, 3]
    last = client.predict(
        EXAMPLE, ["starter-mistral"], form="csv", reason_once=True, groups=[[0, 1], [2, 3]], seed=1,
        api_name="/batch_start",
    )  # fmt: skip
    assert (last["state"], last["thoughts"]) == ("ended", 2)
    assert [thought_of(request).strip() for request in engine.requests] == ["", "", *["hm so"] * 4]


def test_errors_are_sentences(client: Client, engine: ScriptedEngine, tmp_path: Path) -> None:
    calls: list[tuple[dict[str, Any], str]] = [
        ({"data": "x", "models": ["nobody"]}, "no model 'nobody'"),
        ({"data": "", "models": ["starter-phi"]}, "no prompts"),
        ({"data": "x", "temperature": "hot"}, "temperature must be a number"),
        ({"data": "x", "reason_once": True}, "None of these models thinks"),
        ({"data": "x", "reason_once": True, "reasoner": "starter-phi"}, "does not think"),
        ({"data": "x", "groups": [["a"]], "reason_once": True}, "groups must be a list"),
        ({"data": "x", "seed": "many"}, "seed must be a whole number"),
        ({"data": 7}, "data must be a text"),
        ({"data": "x", "at_once": 0}, ""),
    ]
    for values, message in calls[:-1]:
        with pytest.raises(AppError, match=message):
            client.predict(**values, api_name="/batch_start")
    path = tmp_path / "x.jsonl"
    path.write_text('{"q": "Who?"}\n{"q": }\n')
    with pytest.raises(AppError, match="Line 2 is not JSON"):
        client.predict(file=handle_file(path), api_name="/batch_start")
    with pytest.raises(AppError, match="not an uploaded file"):
        client.predict(file={"path": "/etc/passwd"}, api_name="/batch_start")
    engine.plays["starter-phi"] = failure("It broke.", "Try again.", 0.0)
    last = client.predict("x", ["starter-phi"], api_name="/batch_start")
    assert (last["rows"][0]["error"], last["left"]) == ("It broke.", 1)


# --- the section -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def section(app: AppContext) -> dict[tuple[str, str], Any]:
    """The handlers by the element and event that they listen to."""
    with gr.Blocks() as page:
        remember = Remember(app.settings)
        build_batches(app, Running(), remember)
    found: dict[tuple[str, str], Any] = {}
    for function in page.fns.values():
        for block, event in function.targets:
            if block is not None:
                found.setdefault((str(page.blocks[block].elem_id), event), function.fn)
    return found


REQUEST = SimpleNamespace(session_hash="s", username=None)
STATE = {"owner": OWNER}


def filled(data: str, *models: str, truth: str = "", once: bool = False, groups: tuple = ()) -> list[Any]:
    return [
        data,
        None,
        "csv" if truth else "",
        "",
        truth,
        "",
        "",
        list(models),
        None,
        None,
        3,
        "contains",
        once,
        "",
        0.3,
        groups,
    ]


def all_of(stream: Any) -> list[tuple[Any, ...]]:
    async def collect() -> list[tuple[Any, ...]]:
        return [update async for update in stream]

    return asyncio.run(collect())


def test_the_page_runs_shows_and_resumes_a_batch(section: dict, engine: ScriptedEngine) -> None:
    engine.plays["starter-phi"] = failure("It broke.", "Try again.", 0.0)
    values = filled("Who <b>?\nWhat?", "starter-phi", "starter-mistral")
    updates = all_of(section["batch_run", "click"](4, False, STATE, REQUEST, *values))
    progress, totals, rows, batch_id, run, stop, resume = updates[-1]
    assert "Starter Phi: 2 of 2, 2 errors" in progress
    assert "2 answers are missing or errors" in progress
    assert "It broke. Try again." in rows
    assert "Who &lt;b&gt;?" in rows
    assert "<b>?" not in rows
    assert "2 of 2" in totals
    assert [button["interactive"] for button in (run, stop, resume)] == [True, False, True]
    engine.plays["starter-phi"] = answer("fine", 0.001)
    engine.requests.clear()
    updates = all_of(section["batch_resume", "click"](batch_id, 4, STATE, REQUEST))
    assert not updates[-1][-1]["interactive"]
    assert "every prompt has its answer" in updates[-1][0]
    assert len(engine.requests) == 2
    event = SimpleNamespace(_data={"act": "show", "key": batch_id})
    assert "fine" in all_of(section["batch_past", "click"](4, STATE, REQUEST, event))[-1][2]
    stranger = {"owner": "browser:" + "b" * 32}
    for act in ("show", "resume", "delete"):
        event = SimpleNamespace(_data={"act": act, "key": batch_id})
        assert "There is no batch" in all_of(section["batch_past", "click"](4, stranger, REQUEST, event))[-1][0]


def test_the_page_says_what_is_wrong_and_frees_its_buttons(section: dict, engine: ScriptedEngine) -> None:
    updates = all_of(section["batch_run", "click"](4, False, STATE, REQUEST, *filled("", "starter-phi")))
    assert "holds no prompts" in updates[-1][0]
    assert updates[-1][-3]["interactive"]
    updates = all_of(section["batch_run", "click"](4, False, STATE, REQUEST, *filled("x")))
    assert "1 to 8 different models" in updates[-1][0]


def test_the_preview_offers_the_columns_and_the_groups_can_be_changed(section: dict, engine: ScriptedEngine) -> None:
    source = [EXAMPLE, None, "csv", "question", "answer", ""]
    html, column, truth = section["batch_prompts", "change"](*source)
    assert "4 prompts; columns: question, answer" in html
    assert column["value"] == "question"
    assert ("answer", "answer") in truth["choices"]
    assert "no column" in section["batch_prompts", "change"](*source[:5], "{{nothing}}")[0]
    assert section["batch_prompts", "change"]("", *source[1:])[0] == ""
    values = filled("a b c\na b d\nx y z", "starter-mistral", once=True)
    html, groups = section["batch_group", "click"](*values)
    assert "3 prompts in 2 groups" in html
    assert groups == ((0, 1), (2,))
    values[-1] = groups
    html, merged = section["batch_merge", "click"]("1, 2", "", *values)
    assert merged == ((0, 1, 2),)
    values[-1] = merged
    _, parted = section["batch_split", "click"]("1", "2", *values)
    assert parted == ((0, 2), (1,))
    for which, taken, says in (
        ("1, 2", "", "One group is needed"),
        ("9", "", "no group 9"),
        ("1", "7", "line 7"),
        ("x", "", "whole numbers"),
    ):
        assert says in section["batch_split", "click"](which, taken, *values)[0]
    values[-1] = parted
    updates = all_of(section["batch_run", "click"](4, False, STATE, REQUEST, *values))
    assert "thought once for each of 2 groups" in updates[-1][1]
    assert sum(not thought_of(request) for request in engine.requests) == 2


def test_one_by_one_and_once_are_compared_on_the_page_and_by_the_api(
    section: dict, client: Client, engine: ScriptedEngine
) -> None:
    values = filled(EXAMPLE, "starter-mistral", truth="answer", once=True, groups=((0, 1), (2, 3)))
    updates = all_of(section["batch_run", "click"](4, True, STATE, REQUEST, *values))
    assert len(engine.requests) == 4 + 2 + 4
    assert "tokens written with 2 thoughts" in updates[-1][1]
    assert "right 0 of 4 (0%) against 0 of 4 (0%)" in updates[-1][1]
    settings = {"form": "csv", "truth": "answer", "seed": 8, "api_name": "/batch_start"}
    client.predict(EXAMPLE, ["starter-mistral"], **settings)
    last = client.predict(EXAMPLE, ["starter-mistral"], reason_once=True, groups=[[0, 1], [2, 3]], **settings)
    assert "with 2 thoughts" in client.predict(last["batch"], api_name="/batch_rows")["compared"][0]


def test_long_lists_are_cut_on_the_page_alone() -> None:
    what = spec(*(f"p{i}" for i in range(200)))
    rows = [Row(i, "a", "x" * 1000) for i in range(200)]
    html = rows_html(what, rows, {})
    assert html.count("<tr>") == 101
    assert "x" * 301 not in html
    assert "The newest 100 of 200 rows" in html
    assert preview_html(what.items, ("prompt",)).count("<tr>") == 6
    assert "The first 50 are shown" in groups_html(what.items, tuple((i,) for i in range(200)))
    assert "Truth" in preview_html(items("a", truths=["b"]), ("a",))
