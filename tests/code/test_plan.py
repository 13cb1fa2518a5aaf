"""Plans as data: what a model or a person wrote is read, checked and put in order."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.code.plan import (
    Plan,
    PlannedFile,
    PlannedImport,
    in_order,
    plan_as_json,
    plan_from_json,
    problems_of,
)
from playground.errors import InvalidRequest

PLAN = Plan(
    (
        PlannedFile("main.py", "Starts it.", ("main",), (PlannedImport("app/sums.py", ("add",)),)),
        PlannedFile("app/sums.py", "Adds.", ("add", "ZERO")),
    ),
    ("requests",),
)

names = st.sampled_from(["a", "b", "c", "f_1"])
paths = st.sampled_from(["a.py", "b.py", "pkg/c.py", "pkg/d.py", "e.md"])
files = st.builds(
    PlannedFile,
    paths,
    st.text(max_size=20).filter(lambda text: text.isprintable()),
    st.lists(names, max_size=3).map(tuple),
    st.lists(st.builds(PlannedImport, paths, st.lists(names, max_size=2).map(tuple)), max_size=3).map(tuple),
)
plans = st.builds(Plan, st.lists(files, min_size=1, max_size=5).map(tuple), st.lists(names, max_size=2).map(tuple))


@settings(deadline=None)
@given(plans)
def test_a_plan_survives_json(plan: Plan) -> None:
    assert plan_from_json(plan_as_json(plan)) == plan
    assert plan_from_json(f"\n```json\n{plan_as_json(plan)}\n```\n") == plan  # as a chat shows it, to be copied


@settings(deadline=None)
@given(plans)
def test_files_come_after_those_that_they_take_from_and_none_is_lost(plan: Plan) -> None:
    if problems_of(plan):
        return
    order = [file.path for file in in_order(plan)]
    assert sorted(order) == sorted(file.path for file in plan.files)
    for file in plan.files:
        assert all(order.index(imported.path) < order.index(file.path) for imported in file.imports)


def test_a_good_plan_has_no_problems_and_an_order() -> None:
    assert problems_of(PLAN) == []
    assert [file.path for file in in_order(PLAN)] == ["app/sums.py", "main.py"]


def with_file(**changes) -> Plan:
    first = {"path": "x.py", "exports": ("x",)} | changes
    return Plan((PlannedFile(**first), *PLAN.files))


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (Plan(()), "no files"),
        (with_file(path="../../etc/passwd"), "leads outside"),
        (with_file(path="/etc/passwd"), "leads outside"),
        (with_file(path="Main.py"), "Two files would lie"),
        (with_file(path="app"), "a file and a folder"),
        (with_file(exports=("x", "x")), "exports 'x' twice"),
        (with_file(exports=("not a name",)), "no name"),
        (with_file(imports=(PlannedImport("x.py"),)), "from itself"),
        (with_file(imports=(PlannedImport("lost.py", ("y",)),)), "which the plan does not have"),
        (with_file(imports=(PlannedImport("main.py", ("y",)),)), "does not export it"),
    ],
)
def test_what_is_wrong_is_said(plan: Plan, says: str) -> None:
    assert any(says in problem for problem in problems_of(plan))


def test_circles_are_told_unless_they_are_allowed() -> None:
    circle = Plan(
        (
            PlannedFile("a.py", "", ("a",), (PlannedImport("b.py", ("b",)),)),
            PlannedFile("b.py", "", ("b",), (PlannedImport("a.py", ("a",)),)),
        )
    )
    assert problems_of(circle) == ["The files wait for each other in a circle: a.py -> b.py -> a.py."]
    assert problems_of(circle, allow_cycles=True) == []
    assert [file.path for file in in_order(circle)] == ["a.py", "b.py"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (5, "must be JSON text"),
        ("{", "not JSON"),
        ("[" * 20_000, "not JSON"),
        ("{}", "wrong at its top"),
        (json.dumps({"files": [{"path": 5}], "packages": []}), "wrong at files/0"),
        (json.dumps({"files": [], "packages": []}), "wrong at files"),
        ("x" * 300_000, "at most"),
    ],
)
def test_what_is_no_plan_gets_a_sentence(text, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        plan_from_json(text)
