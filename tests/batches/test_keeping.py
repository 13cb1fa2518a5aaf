"""Batches in the store, and out of it as files."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.batches import kept as module
from playground.batches.exporting import COLUMNS, export, table
from playground.batches.kept import Batches, missing
from playground.batches.records import Row, Thought
from playground.errors import InvalidRequest, PlaygroundError
from playground.store import Store
from tests.batches.making import Echo, items, rows_in, spec, thoughts_in, updates


@pytest.fixture
def store(tmp_path: Path):
    made = Store(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    yield made
    made.close()


def test_the_same_batch_asked_twice_is_one_and_another_seed_is_another(store: Store) -> None:
    batches = Batches(store)
    first = batches.open("me", spec())
    assert batches.open("me", spec()) == first
    assert batches.open("you", spec()) != first
    assert batches.open("me", spec(seed=1)) != first
    assert batches.spec("me", first) == spec()
    assert [s.name for s in batches.listed("me")] == ["one", "one"]


def test_two_windows_that_ask_the_same_at_once_have_one_batch(store: Store) -> None:
    batches = Batches(store)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: batches.open("me", spec()), range(16)))
    assert len(set(found)) == 1
    assert len(batches.listed("me")) == 1


def test_a_batch_without_groups_is_found_for_comparison_once_it_is_whole(store: Store) -> None:
    batches, plain = Batches(store), spec("p0", "p1")
    once = replace(plain, groups=((0, 1),), reasoner="a")
    assert once.plain == plain
    assert batches.one_by_one("me", once) == []
    mine = batches.open("me", plain)
    batches.put("me", mine, Row(0, "a"))
    assert batches.one_by_one("me", once) == []
    batches.put("me", mine, Row(1, "a"))
    assert len(batches.one_by_one("me", once)) == 2
    assert batches.one_by_one("you", once) == batches.one_by_one("me", plain) == []


def test_nothing_of_a_batch_opens_for_another_owner(store: Store) -> None:
    batches = Batches(store)
    mine = batches.open("me", spec())
    for attempt in (
        lambda: batches.spec("you", mine),
        lambda: batches.results("you", mine),
        lambda: batches.put("you", mine, Row(0, "a")),
        lambda: batches.delete("you", mine),
    ):
        with pytest.raises(InvalidRequest, match="no batch"):
            attempt()
    with pytest.raises(InvalidRequest, match="needs an owner"):
        batches.open("", spec())
    assert batches.results("me", mine) == ([], [])


def test_what_was_kept_before_a_restart_is_all_that_does_not_run_again(tmp_path: Path) -> None:
    url, what = f"sqlite:///{tmp_path / 'x.sqlite3'}", spec(*map(str, range(8)), models=("a", "b"))
    first = Store(url)
    batches = Batches(first)
    mine = batches.open("me", what)
    updates(what, Echo(pause=30), stop_after=5, keep=lambda one: batches.put("me", mine, one))
    first.close()
    again = Store(url)
    batches = Batches(again)
    assert batches.open("me", what) == mine
    rows, _ = batches.results("me", mine)
    assert len(rows) >= 5
    engine = Echo()
    updates(what, engine, rows=rows, keep=lambda one: batches.put("me", mine, one))
    assert len(engine.requests) == 16 - len(rows)
    rows, _ = batches.results("me", mine)
    through = rows_in(updates(what, Echo()))
    assert {replace(r, seconds=None) for r in rows} == {replace(r, seconds=None) for r in through}
    assert [(r.index, r.model) for r in rows] == [(i, m) for i in range(8) for m in "ab"]
    summary = batches.listed("me")[0]
    assert (summary.total, summary.done, summary.failed, summary.models) == (16, 16, 0, ("a", "b"))
    again.close()


def test_a_retried_row_takes_the_place_of_its_error_and_thoughts_stand_apart(store: Store) -> None:
    batches, what = Batches(store), spec("p0", groups=((0,),), reasoner="a")
    mine = batches.open("me", what, "A name\nin two lines")
    batches.put("me", mine, Row(0, "a", error="x"), Thought(0, "a", "hm"))
    assert batches.listed("me")[0].failed == 1
    batches.put("me", mine, Row(0, "a", "fine"))
    assert batches.results("me", mine) == ([Row(0, "a", "fine")], [Thought(0, "a", "hm")])
    summary = batches.listed("me")[0]
    assert (summary.name, summary.done, summary.failed) == ("A name in two lines", 1, 0)
    batches.delete("me", mine)
    assert batches.listed("me") == []
    with pytest.raises(InvalidRequest):
        batches.put("me", mine, Row(0, "a"))


def test_an_owner_has_so_many_batches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BATCHES", 1)
    batches = Batches(store)
    batches.open("me", spec())
    batches.open("me", spec())
    with pytest.raises(InvalidRequest, match="1 batches of yours already"):
        batches.open("me", spec(seed=1))


def test_what_is_missing_is_told_by_model() -> None:
    rows = [Row(0, "a"), Row(1, "b", error="x")]
    what = spec(models=("a", "b"))
    assert missing(what, rows) == {"a": [1, 2], "b": [0, 1, 2]}
    assert missing(what, rows, retry=False) == {"a": [1, 2], "b": [0, 2]}


# --- files -----------------------------------------------------------------------------------------------------------

ANY = st.text(max_size=12)


def rows_of(answers: list[str]) -> list[Row]:
    return [
        Row(i, "a", answer, reasoning=answer[::-1], completion_tokens=i, seconds=i / 4, right=bool(i % 2), seed=2**52)
        for i, answer in enumerate(answers)
    ]


@settings(max_examples=100)
@given(st.lists(ANY, min_size=1, max_size=5))
def test_json_lines_hold_everything_and_csv_no_formula(answers: list[str]) -> None:
    rows = rows_of(answers)
    what = spec(*answers)
    back = [json.loads(line) for line in export(what, rows, "jsonl").decode().split("\n")[:-1]]
    as_utf8 = [answer.encode("utf-8", "replace").decode() for answer in answers]
    assert [row["answer"] for row in back] == as_utf8
    assert list(back[0]) == list(COLUMNS)
    cells = list(csv.DictReader(io.StringIO(export(what, rows, "csv").decode(), newline="")))
    assert len(cells) == len(rows)
    for row, text in zip(cells, as_utf8, strict=True):
        assert row["answer"] in (text.replace("\0", "\ufffd"), "'" + text.replace("\0", "\ufffd"))
        first = row["answer"].lstrip()[:1]
        assert first not in ("=", "@")
        assert first not in ("+", "-") or row["answer"].lstrip("+-").replace(".", "").isdigit()


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "\n=1"]
)
def test_formulas_are_texts_in_csv_in_every_column(text: str) -> None:
    row = Row(0, "=m", text, text, error=text, stop_reason=text)
    what = replace(spec("x", models=("=m",)), items=items(text, truths=[text]))
    cells = next(csv.DictReader(io.StringIO(export(what, [row], "csv").decode(), newline="")))
    for name in ("model", "prompt", "answer", "reasoning", "truth", "error", "stop_reason"):
        assert cells[name].startswith("'"), name


def test_numbers_stay_numbers() -> None:
    rows = rows_of(["-5", "+1.25", "12"])
    cells = list(csv.DictReader(io.StringIO(export(spec("a", "b", "c"), rows, "csv").decode())))
    assert [row["answer"] for row in cells] == ["-5", "+1.25", "12"]
    assert cells[1]["seconds"] == "0.25"


def test_parquet_holds_the_same_with_types() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    what, rows = spec("a", "b"), [*rows_of(["=1", "\ud800"]), Row(1, "b", error="x", group=0)]
    found = parquet.read_table(io.BytesIO(export(what, rows, "parquet"))).to_pylist()
    wanted = table(what, rows)
    wanted[1]["answer"] = wanted[1]["reasoning"] = "?"
    assert found == wanted
    assert found[2]["group"] == 1
    assert found[2]["completion_tokens"] is None


def test_a_missing_package_and_an_unknown_form_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(PlaygroundError, match="needs the Python package pyarrow"):
        export(spec(), [], "parquet")
    with pytest.raises(InvalidRequest, match="must be one of"):
        export(spec(), [], "xlsx")
    assert export(spec(), [], "csv").decode().strip() == ",".join(COLUMNS)
    assert thoughts_in([]) == []
