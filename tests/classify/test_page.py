"""The section of the page and the API over a scripted engine: no browser; files are downloaded as a client would."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from playground.bench.process import free_port
from playground.catalog import load_catalog
from playground.classify.kept import keep, last, read, written
from playground.classify.label_sets import label_sets
from playground.classify.records import Item, Result, Verdict, task
from playground.errors import InvalidRequest
from playground.protocol import ClassifyRequest, Done, Request, Scores
from playground.settings import Settings
from playground.ui.classify_form import FILE, LINES, Asked, example_text, read_labels, set_text
from playground.ui.classify_html import figures_html, matrices_html, rows_html
from playground.ui.context import AppContext
from playground.ui.page import build, launch_kwargs
from tests.scripted import Script, ScriptedEngine

NAMES = {"starter-phi": "Starter Phi", "starter-mistral": "Starter <b>Mistral"}


def likely(request: Request) -> Script:
    """The first label for texts with "love", else the last."""
    assert isinstance(request, ClassifyRequest)
    events: list[tuple[float, Any]] = []
    for i, text in enumerate(request.texts):
        rest = 0.3 / (len(request.labels) - 1)
        best = 0 if "love" in text else len(request.labels) - 1
        scores = tuple((label, 0.7 if k == best else rest) for k, label in enumerate(request.labels))
        events.append((0.01, Scores(scores, i, 0.01)))
    return [*events, (0.0, Done())]


@dataclass
class Served:
    url: str
    page: gr.Blocks
    engine: ScriptedEngine
    settings: Settings


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), port=free_port())
    catalog = load_catalog()
    engine = ScriptedEngine(catalog)
    engine.plays_always |= {"starter-phi": likely, "starter-mistral": likely}
    context = AppContext(settings, catalog, engine, lambda: pytest.fail("no store is needed"))
    page = build(context)
    page.queue(api_open=False)
    page.launch(
        server_name="127.0.0.1",
        server_port=settings.port,
        prevent_thread_lock=True,
        quiet=True,
        **launch_kwargs(context),
    )
    yield Served(f"http://127.0.0.1:{settings.port}", page, engine, settings)
    page.close()


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, verbose=False)


# --- the API ---


def test_texts_with_truths_on_two_models(client: Client) -> None:
    found = client.predict(
        ["I love it", "Bad"], ["positive", "negative"], ["starter-phi", "starter-mistral"], False,
        ["positive", "positive"], csv=True, api_name="/classify_texts",
    )  # fmt: skip
    assert (found["done"], found["total"]) == (4, 4)
    assert found["models"][0]["figures"]["accuracy"] == 0.5
    assert found["models"][0]["figures"]["confusion"] == [[1, 1], [0, 0]]
    assert found["agreement"][0]["share"] == 1
    assert found["rows"][0]["scores"] == {"positive": 0.7, "negative": 0.3}
    assert found["rows"][0]["right"] is True
    assert len(list(csv.reader(io.StringIO(found["csv"])))) == 5


def test_a_file_and_a_ready_label_set(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,review,label\n1,I love it,positive\n2,Bad,negative\n")
    found = client.predict(
        file=handle_file(path), label_set="sentiment", text_column="review", truth_column="label",
        api_name="/classify_texts",
    )  # fmt: skip
    assert found["models"][0]["figures"]["accuracy"] == 1
    assert [row["line"] for row in found["rows"]] == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "no labels"), ({"labels": ["a", "b"]}, "no texts"), ({"label_set": "moods"}, "moods"),
        ({"labels": ["a", "b"], "texts": ["x"], "samples": 0}, "samples must be"),
        ({"labels": ["a", "b"], "texts": ["x"], "truths": ["c"]}, "Text 1: 'c'"),
        ({"labels": ["a", "b"], "texts": ["x"], "models": ["starter-sd"]}, "starter-sd"),
        ({"labels": "ab", "texts": ["x"]}, "no labels"), ({"labels": ["a", "b"], "texts": "x"}, "no texts"),
        ({"labels": ["a", "b"], "file": {"path": "/etc/passwd"}}, "not an uploaded file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(client: Client, arguments: dict, said: str) -> None:
    with pytest.raises(AppError) as error:
        client.predict(**arguments, api_name="/classify_texts")
    assert said in str(error.value)


def test_label_sets_are_told(client: Client) -> None:
    found = {one["id"]: one for one in client.predict(api_name="/label_sets")}
    assert {"sentiment", "intent", "moderation"} <= set(found)
    assert all(about for one in found.values() for about in one["labels"].values())


# --- the section ---


def handler(served: Served, name: str) -> Any:
    return next(
        f.fn for f in served.page.fns.values() if f.fn and f.fn.__module__.endswith("classify_tab") and f.name == name
    )


def values(**changed: Any) -> list[Any]:
    """What the form sends."""
    sent = {
        "source": LINES, "lines": "I love it\tpositive\nBad\tpositive", "file": None, "text_column": None,
        "truth_column": None, "labels": "positive: praise\nnegative: blame", "multi": False, "threshold": 0.5,
        "describe": False, "calibrate": False, "method": "auto", "samples": 5, "temperature": 1, "seed": 0,
        "template": "", "models": ["starter-phi", "starter-mistral"],
    }  # fmt: skip
    return list((sent | changed).values())


def pressed(served: Served, session: str, sent: list[Any], state: Any = None) -> list[Any]:
    request = SimpleNamespace(session_hash=session, username=None)

    async def go() -> list[Any]:
        return [update async for update in handler(served, "start")("All", state, request, *sent)]

    return asyncio.run(go())


def test_a_run_shows_figures_matrix_texts_and_files(served: Served) -> None:
    *_, end = pressed(served, "s1", values())
    status, figures, matrices, table, *_, held, stop = end
    assert "Done: 2 texts with 2 models." in status
    assert "50.0% (9% to 91%), n = 2" in figures
    assert "agree on 100.0% of 2 texts" in figures
    assert "1 of 2 texts that are positive were taken for negative" in matrices
    assert table.count("✓ right") == table.count("✗ wrong") == 2
    assert isinstance(held, Result)
    assert stop["interactive"] is False
    paths = [Path(end[i]["value"]) for i in (6, 7)]
    assert paths[0].read_bytes().startswith(b"\xef\xbb\xbfline,text,truth")
    assert json.loads(paths[1].read_text())["models"][0]["done"] == 2
    assert all(path.is_relative_to(served.settings.data_path / "outputs") for path in paths)


def test_the_last_run_comes_back_to_its_owner_alone(served: Served) -> None:
    owner = {"owner": "browser:" + "a" * 32}
    pressed(served, "s2", values(lines="I love this"), owner)
    back = handler(served, "restore")

    async def opened(state: Any) -> Any:
        return await back("All", state, SimpleNamespace(session_hash="s3", username=None))

    shown = asyncio.run(opened(owner))
    assert "Your last run. Done: 1 texts" in shown[0]
    assert "I love this" in shown[3]
    assert Path(shown[6]["value"]).is_file()
    assert "I love this" not in str(asyncio.run(opened({"owner": "browser:" + "b" * 32})))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"models": []}, "No model"), ({"lines": ""}, "no texts"), ({"labels": ""}, "no labels"),
        ({"source": FILE}, "No CSV file"), ({"lines": "x\tfine"}, "Line 1"), ({"template": "x"}, "{text}"),
        ({"labels": None}, "None"), ({"seed": None}, "seed"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_the_place_of_the_result(served: Served, changed: dict, said: str) -> None:
    (only,) = pressed(served, "s4", values(**changed))
    assert said in only[0]
    assert "pg-problem" in only[0]


def test_stop_keeps_what_was_finished(served: Served) -> None:
    lines = "\n".join(f"I love number {i}" for i in range(300))
    stop = handler(served, "stop_run")
    request = SimpleNamespace(session_hash="s5", username=None)

    async def go() -> Any:
        end = None
        async for end in handler(served, "start")("All", None, request, *values(lines=lines, models=["starter-phi"])):
            if "✓" in end[3] or "number 0" in end[3]:
                stop(request)
        return end

    end = asyncio.run(go())
    assert "Stopped" in end[0]
    assert 0 < len(end[8].of("starter-phi")) < 300


def test_examples_fill_the_form_with_what_can_be_asked() -> None:
    for one in label_sets():
        names, about = read_labels(set_text(one))
        assert (names, about) == (one.labels, one.descriptions)
        asked, items = Asked(*values(lines=example_text(one), labels=set_text(one), multi=one.multi_label)).checked()
        assert asked.labels == one.labels
        assert [item.truth for item in items] == [labels for _, labels in one.examples]


def test_labels_in_one_line_are_parted_by_commas() -> None:
    assert read_labels("positive, negative ,") == (("positive", "negative"), ("", ""))
    assert read_labels("a, b: two, three") == (("a, b",), ("two, three",))
    with pytest.raises(InvalidRequest):
        read_labels(7)


def result_of(text: str, label: str) -> Result:
    result = Result(task((label, "b")), (Item(text, (label,), 1), Item("other")), tuple(NAMES))
    result.add(Verdict("starter-phi", 0, (0.75, 0.25), "likelihood", 0.1))
    result.add(Verdict("starter-mistral", 0, (0.2, 0.8), "samples", 0.1, 5, 1))
    result.add(Verdict("starter-phi", 1, (), "likelihood", error="<i>Too long."))
    result.notes = {"starter-phi": ["<u>note"]}
    result.failures = {"starter-mistral": "<s>failed"}
    return result


def test_nothing_from_outside_becomes_html() -> None:
    result = result_of("<script>alert(1)</script>", 'a"><img>')
    html = figures_html(result, NAMES) + matrices_html(result, NAMES) + rows_html(result, NAMES)
    assert not re.search(r"<(script|img|b>M|i>T|u>|s>)", html)


def test_wrong_texts_and_those_on_which_models_differ_can_be_shown_alone() -> None:
    result = result_of("the text", "a")
    assert "the text" in rows_html(result, NAMES, "Wrong")
    assert "the text" in rows_html(result, NAMES, "Models differ")
    assert "other" not in rows_html(result, NAMES, "Wrong")
    assert "5 samples, 1 invalid" in rows_html(result, NAMES)


def test_long_runs_show_their_beginning() -> None:
    result = Result(task(("a", "b")), tuple(Item(f"text {i}.") for i in range(500)), ("starter-phi",))
    for i in range(500):
        result.add(Verdict("starter-phi", i, (0.75, 0.25), "likelihood", 0.1))
    html = rows_html(result, NAMES)
    assert html.count("<tr>") == 201
    assert "300 more are in the files below." in html


def test_a_kept_run_is_what_it_was(tmp_path: Path) -> None:
    result = result_of("x", "a")
    assert read(written(result, ("p",))) == (result, ("p",))
    keep(tmp_path, "me", written(result))
    assert last(tmp_path, "me") == (result, ())
    assert last(tmp_path, "you") is None
    keep(tmp_path, "me", '{"schema": 0}')
    assert last(tmp_path, "me") is None
