"""Running a batch: everything once, side by side, kept before it is told, and the same however often it was cut."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.batches.progress import ModelProgress
from playground.batches.records import Row
from playground.batches.running import MOST_FAILURES, Ended, GaveUp, Run, run
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import CancelToken
from tests.batches.making import Echo, question_of, rows_in, spec, thought_of, thoughts_in, updates


def results(rows: list[Row]) -> set[Row]:
    """Rows without what a clock says."""
    return {replace(row, seconds=None) for row in rows}


def test_every_prompt_goes_to_every_model_once_with_its_own_seed() -> None:
    what, engine = spec(models=("a", "b"), seed=5), Echo()
    found = updates(what, engine)
    rows = rows_in(found)
    assert {(row.index, row.model) for row in rows} == {(i, m) for i in range(3) for m in "ab"}
    assert len(engine.requests) == 6
    assert {row.answer for row in rows if row.index == 1} == {f"two {what.seed_of(what.items[1])}"}
    assert len({what.seed_of(item) for item in what.items}) == 3
    assert isinstance(found[-1], Ended)
    assert (found[-1].stopped, found[-1].left) == (False, 0)


def test_each_model_has_its_own_number_at_once() -> None:
    what, engine = spec(*map(str, range(40)), models=("a", "b")), Echo(pause=5)
    updates(what, engine, at_once={"a": 16, "b": 3})
    assert engine.most == {"a": 16, "b": 3}
    for wrong in (0, 65, True, "4"):
        with pytest.raises(InvalidRequest, match="at once"):
            updates(what, engine, at_once={"a": wrong})


def test_what_is_told_was_kept_before_and_a_full_disk_ends_the_run() -> None:
    kept: list[Row] = []

    async def follow() -> None:
        async for update in run(spec(), Run(Echo(), "me", keep=kept.append), CancelToken()):
            assert not isinstance(update, Row) or kept[-1] == update

    asyncio.run(follow())
    assert len(kept) == 3

    def full(row: object) -> None:
        raise PlaygroundError("The database cannot be written.")

    engine = Echo()
    with pytest.raises(PlaygroundError, match="cannot be written"):
        updates(spec(*map(str, range(50))), engine, keep=full)
    assert engine.now == {"a": 0}, "requests went on after the run had ended"


def test_leaving_the_run_ends_what_it_asked() -> None:
    engine = Echo(pause=1000)

    async def leave() -> None:
        stream = run(spec(*map(str, range(9))), Run(engine, "me"), CancelToken())
        await anext(stream)
        task = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave())
    assert engine.requests
    assert engine.now == {"a": 0}


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 12),
    models=st.integers(1, 3),
    cuts=st.lists(st.integers(1, 12), max_size=4),
    width=st.integers(1, 5),
    groups=st.booleans(),
    pause=st.sampled_from([0, 3, 60]),
)
def test_a_batch_cut_anywhere_and_resumed_equals_one_that_ran_through(
    count: int, models: int, cuts: list[int], width: int, groups: bool, pause: int
) -> None:
    names = "abc"[:models]
    what = spec(*(f"p{i}" for i in range(count)), models=names, seed=3)
    if groups:
        what = replace(what, groups=tuple(tuple(range(i, min(i + 3, count))) for i in range(0, count, 3)), reasoner="a")

    def engine() -> Echo:
        made = Echo(pause=pause)  # what is under way when the batch is cut
        made.thinks = True
        return made

    at_once = dict.fromkeys(names, width)
    through = updates(what, engine(), at_once=at_once, thinkers=frozenset("a"))
    rows, thoughts, asked = [], [], 0
    for cut in [*cuts, 0]:
        one = engine()
        found = updates(
            what, one, stop_after=cut, at_once=at_once, rows=rows, thoughts=thoughts, thinkers=frozenset("a")
        )
        rows, thoughts = rows + rows_in(found), thoughts + thoughts_in(found)
        asked += len(rows_in(found))
    assert results(rows) == results(rows_in(through))
    assert asked == what.total, "something finished was asked again"
    assert {t.text for t in thoughts} == {t.text for t in thoughts_in(through)}
    assert len(thoughts) == len(what.groups)


def test_a_failed_item_is_an_error_of_its_own_and_is_retried_last() -> None:
    engine = Echo(fails=lambda r: "It broke." if question_of(r) == "one" else "")
    rows = rows_in(updates(spec(), engine))
    assert [(row.error, row.hint, row.code) for row in rows if row.error] == [("It broke.", "Try again.", "Odd")]
    assert len(rows) == 3
    again = Echo()
    found = updates(spec("one", "two", "three"), again, rows=rows)
    assert [question_of(r) for r in again.requests] == ["one"]
    assert rows_in(found)[0].error == ""
    left_alone = Echo()
    ended = updates(spec(), left_alone, rows=rows, retry=False)[-1]
    assert left_alone.requests == []
    assert isinstance(ended, Ended)
    assert ended.left == 1
    first = Echo(fails=lambda r: "It broke.")
    resumed = spec("one", "two", "three")
    updates(resumed, first, rows=[row for row in rows if row.index == 0], at_once={"a": 1})
    assert [question_of(r) for r in first.requests] == ["two", "three", "one"]


def test_a_model_that_only_fails_is_given_up_and_the_other_runs_on() -> None:
    engine = Echo(fails=lambda r: "No key." if r.model == "a" else "")
    what = spec(*map(str, range(100)), models=("a", "b"))
    found = updates(what, engine, at_once={"a": 2, "b": 2})
    gave = [one for one in found if isinstance(one, GaveUp)]
    assert len(gave) == 1
    assert (gave[0].model, gave[0].error) == ("a", "No key.")
    assert MOST_FAILURES <= sum(row.model == "a" for row in rows_in(found)) <= MOST_FAILURES + 2
    assert sum(row.model == "b" for row in rows_in(found)) == 100
    assert isinstance(found[-1], Ended)
    assert found[-1].left == 100


def test_progress_counts_what_was_there_and_foretells_the_rest() -> None:
    what, time = spec(*map(str, range(10))), iter(range(100))
    before = rows_in(updates(what, Echo()))[:4]
    found = updates(what, Echo(), rows=before, at_once={"a": 1}, clock=lambda: float(next(time)))
    told = [one for one in found if isinstance(one, ModelProgress)]
    assert (told[0].done, told[0].total, told[0].seconds_left, told[0].tokens_per_s) == (len(before), 10, None, None)
    assert told[1].done == len(before) + 1
    assert told[1].seconds_left == 10 - len(before) - 1  # a second an answer
    assert told[1].tokens_per_s == 2.0
    assert told[-1].seconds_left == 0.0


# --- reasoning once --------------------------------------------------------------------------------------------------


def test_a_group_is_thought_about_once_and_each_item_is_given_that_thought() -> None:
    what = spec("p0", "p1", "p2", models=("a", "b"), groups=((0, 2), (1,)), reasoner="a")
    engine = Echo()
    engine.thinks = True
    found = updates(what, engine, thinkers=frozenset("a"))
    assert [t.text for t in thoughts_in(found)] == ["about p0", "about p1"]
    asked = {(r.model, question_of(r).split("\n")[0]): r for r in engine.requests[2:]}
    assert thought_of(asked["a", "p2"]) == "about p0"
    assert thought_of(asked["b", "p2"]) == ""
    assert "about p0" in asked["b", "p2"].messages[-1].content
    assert len(engine.requests) == 2 + 6
    assert {row.index: row.group for row in rows_in(found)} == {0: 0, 1: 1, 2: 0}
    assert all(t.completion_tokens == 2 for t in thoughts_in(found)), "the reasoner went on after its thought"


def test_no_thought_is_an_error_of_the_group_and_never_a_quiet_answer_without_one() -> None:
    what = spec("p0", "p1", groups=((0,), (1,)), reasoner="a")
    engine = Echo()
    found = updates(what, engine)
    assert {row.code for row in rows_in(found)} == {"NoThought"}
    assert len(engine.requests) == 2
    broken = Echo(fails=lambda r: "It broke." if question_of(r) == "p0" else "")
    broken.thinks = True
    found = updates(what, broken)
    assert {row.index: row.error for row in rows_in(found)} == {0: "It broke.", 1: ""}
    again = Echo()
    again.thinks = True
    found = updates(what, again, rows=rows_in(found), thoughts=thoughts_in(found))
    assert [row.index for row in rows_in(found)] == [0]
    assert len(thoughts_in(found)) == 1


def test_leaving_while_the_reasoner_thinks_ends_that_too() -> None:
    engine = Echo(pause=1000)
    engine.thinks = True
    what = spec(*map(str, range(9)), groups=tuple((i,) for i in range(9)), reasoner="a")

    async def leave() -> None:
        stream = run(what, Run(engine, "me"), CancelToken())
        task = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave())
    assert engine.requests
    assert engine.now == {"a": 0}
