"""Runs over a scripted engine: shares of samples, models side by side, stops, failures, and tables of what came."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.catalog import Catalog, load_catalog
from playground.classify.records import Item, Result, Speed, Task, Verdict, margin, predicted, right, speed, task
from playground.classify.run import FAILURES, Progress, classify, method_of
from playground.classify.sampled import labels_in, schema_of
from playground.classify.tables import agreements_of, as_csv, as_json, figures_of, rows_of, safe, summary_of
from playground.errors import InvalidRequest
from playground.protocol import CancelToken, ChatRequest, ClassifyRequest, Done, Failed, Notice, Request, Scores, Token
from tests.scripted import Play, Script, ScriptedEngine, answer, failure

LABELS = ("good", "bad")
ITEMS = tuple(Item(f"text {i}", ("good",) if i % 2 else ("bad",), i + 1) for i in range(6))
API = "o4-mini"


def catalog() -> Catalog:
    return load_catalog()


def run(
    engine: ScriptedEngine,
    models: tuple[str, ...],
    asked: Task,
    items: tuple[Item, ...] = ITEMS,
    stop: Callable[[Result], bool] = lambda _: False,
) -> tuple[Result, list[Progress]]:
    result, cancel, steps = Result(asked, items, models), CancelToken(), []

    async def go() -> None:
        async for event in classify(engine, [catalog()[m] for m in models], result, cancel):
            if isinstance(event, Progress):
                steps.append(event)
            if stop(result):
                cancel.cancel()

    asyncio.run(go())
    return result, steps


def named(label: Callable[[ChatRequest], str]) -> Play:
    """Answers with JSON that names a label."""
    return lambda request: [
        (0.0, Token(0, json.dumps({"label": label(request)}))),  # type: ignore[arg-type]
        (0.0, Done()),
    ]


def scored(chance: Callable[[str], float], every: float = 0.0) -> Play:
    """Scores of the two labels for each text of a request."""

    def play(request: Request) -> Script:
        assert isinstance(request, ClassifyRequest)
        found = [chance(text) for text in request.texts]
        events = [Scores((("good", p), ("bad", 1 - p)), i, 0.01 * (i + 1)) for i, p in enumerate(found)]
        return [*((every, event) for event in events), (0.0, Done())]

    return play


def test_api_models_give_shares_of_samples() -> None:
    """Seeds 3 to 6, of which one says bad."""
    engine = ScriptedEngine(catalog(), {API: named(lambda r: "bad" if r.seed == 5 else "good")})
    result, _ = run(engine, (API,), task(LABELS, samples=4, seed=3, temperature=0.5))
    assert [v.probabilities for v in result.of(API).values()] == [(0.75, 0.25)] * 6
    assert all(v.method == "samples" and v.samples == 4 and v.seconds is not None for v in result.of(API).values())
    assert {r.seed for r in engine.requests} == {3, 4, 5, 6}
    assert {r.temperature for r in engine.requests} == {0.5}
    schema = json.loads(engine.requests[0].json_schema)
    assert schema["properties"]["label"]["enum"] == ["good", "bad"]
    assert "share of 4 samples: temperature 0.5, seeds 3 to 6" in result.notes[API][0]


def test_answers_outside_the_schema_count_for_no_label() -> None:
    def play(request: Request) -> Script:
        text = {0: '{"label": "good"}', 1: "good", 2: '{"label": "ugly"}', 3: "[" * 100_000}[request.seed]
        return [(0.0, Token(0, text)), (0.0, Done())]

    result, _ = run(ScriptedEngine(catalog(), {API: play}), (API,), task(LABELS, samples=4), ITEMS[:1])
    assert result.of(API)[0].probabilities == (0.25, 0.0)
    assert result.of(API)[0].invalid == 3
    nothing, _ = run(ScriptedEngine(catalog(), {API: answer("no idea")}), (API,), task(LABELS), ITEMS[:1])
    assert nothing.of(API)[0].error == "None of the 5 answers named a label."
    assert nothing.of(API)[0].probabilities == ()


def test_several_labels_are_asked_for_at_once() -> None:
    replies = {0: ["good", "bad"], 1: ["bad", "bad"], 2: [], 3: ["bad"]}

    def play(request: Request) -> Script:
        return [(0.0, Token(0, json.dumps({"labels": replies[request.seed]}))), (0.0, Done())]

    asked = task(LABELS, multi_label=True, samples=4, threshold=0.5)
    result, _ = run(ScriptedEngine(catalog(), {API: play}), (API,), asked, ITEMS[:1])
    verdict = result.of(API)[0]
    assert verdict.probabilities == (0.25, 0.75)
    assert predicted(asked, verdict) == ("bad",)
    assert margin(asked, verdict) == 0.25


def test_local_models_are_asked_for_likelihoods_unless_samples_are_wanted() -> None:
    card = catalog()["starter-phi"]
    assert method_of(card, task(LABELS)) == "likelihood"
    assert method_of(card, task(LABELS, method="samples")) == "samples"
    assert method_of(catalog()[API], task(LABELS)) == "samples"


def test_models_stand_side_by_side_and_agreement_is_counted() -> None:
    engine = ScriptedEngine(catalog(), {API: named(lambda r: "good")})
    engine.plays_always["starter-phi"] = scored(lambda text: 0.9 if int(text[-1]) % 2 else 0.2)
    result, steps = run(engine, ("starter-phi", API), task(LABELS, samples=2))
    first, second = (figures_of(result, model) for model in result.models)
    assert first is not None
    assert second is not None
    assert (first.accuracy, second.accuracy) == (1.0, 0.5)
    assert first.confusion == ((3, 0), (0, 3))
    (agreed,) = agreements_of(result)
    assert (agreed.n, agreed.share, agreed.kappa) == (6, 0.5, 0.0)
    assert [s.done for s in steps if s.model == "starter-phi"] == sorted(
        s.done for s in steps if s.model == "starter-phi"
    )
    assert result.speeds["starter-phi"].texts == 6
    assert result.speeds["starter-phi"].p95_s == pytest.approx(0.06)
    assert not result.stopped


def test_one_models_failure_leaves_the_others_and_what_it_had() -> None:
    def breaks(request: Request) -> Script:
        return [(0.0, Scores((("good", 0.9), ("bad", 0.1)), 0, 0.1)), (0.0, Failed("It broke.", "Try again."))]

    engine = ScriptedEngine(catalog())
    engine.plays_always |= {"starter-phi": breaks, "starter-mistral": scored(lambda _: 0.6)}
    result, _ = run(engine, ("starter-phi", "starter-mistral"), task(LABELS))
    assert result.failures == {"starter-phi": "It broke. Try again."}
    assert len(result.of("starter-phi")) == 1
    assert len(result.of("starter-mistral")) == 6


def test_an_engine_that_raises_is_a_failure_of_that_model(caplog: pytest.LogCaptureFixture) -> None:
    def bad(request: Request) -> Script:
        raise ZeroDivisionError

    engine = ScriptedEngine(catalog())
    engine.plays_always["starter-phi"] = bad
    result, _ = run(engine, ("starter-phi",), task(LABELS))
    assert "ZeroDivisionError" in result.failures["starter-phi"]


def test_an_api_that_refuses_is_not_asked_for_every_text() -> None:
    engine = ScriptedEngine(catalog(), {API: failure("The key is not valid.", "Set it.", after=0.0)})
    items = tuple(Item(f"text {i}") for i in range(50))
    result, _ = run(engine, (API,), task(LABELS, samples=2), items)
    assert "The key is not valid. Set it." in result.failures[API]
    assert FAILURES <= len(result.of(API)) < 10


def test_some_samples_that_fail_are_left_out_and_it_is_said() -> None:
    def play(request: Request) -> Script:
        if request.seed == 0:
            return [(0.0, Notice("The API takes no seed.")), (0.0, Failed("Busy.", "Wait."))]
        return [(0.0, Token(0, '{"label": "bad"}')), (0.0, Done())]

    result, _ = run(ScriptedEngine(catalog(), {API: play}), (API,), task(LABELS, samples=3), ITEMS[:1])
    assert result.of(API)[0].samples == 2
    assert result.of(API)[0].probabilities == (0.0, 1.0)
    assert {"The API takes no seed.", "Some samples did not come and are left out: Busy."} <= set(result.notes[API])


def test_a_stop_ends_soon_and_keeps_what_was_finished() -> None:
    engine = ScriptedEngine(catalog(), {API: answer("never mind", every=30.0)})
    engine.plays_always["starter-phi"] = scored(lambda _: 0.9, every=0.1)
    items = tuple(Item(f"text {i}") for i in range(100))
    result, _ = run(engine, ("starter-phi", API), task(LABELS), items, stop=lambda r: len(r.of("starter-phi")) >= 3)
    assert result.stopped
    assert 3 <= len(result.of("starter-phi")) < 20
    assert result.of(API) == {}
    assert result.failures == {}
    assert len(engine.cancelled) >= 2


def test_leaving_the_iterator_stops_the_work() -> None:
    engine = ScriptedEngine(catalog())
    engine.plays_always["starter-phi"] = scored(lambda _: 0.9, every=0.1)

    async def go() -> Result:
        result = Result(task(LABELS), ITEMS, ("starter-phi",))
        events = classify(engine, [catalog()["starter-phi"]], result, CancelToken())
        async for event in events:
            if isinstance(event, Verdict):
                break
        await events.aclose()
        return result

    result = asyncio.run(go())
    assert result.stopped
    assert engine.busy == 0


def test_a_template_about_one_label_cannot_be_sampled_for_all() -> None:
    asked = task(LABELS, multi_label=True, template="{text} {label}")
    result, _ = run(ScriptedEngine(catalog()), (API,), asked, ITEMS[:1])
    assert "{label}" in result.failures[API]
    with pytest.raises(InvalidRequest):
        task(LABELS, multi_label=True, template="{text} {label}", method="samples")


# --- records and tables ---


def made(texts: list[str]) -> Result:
    result = Result(task(LABELS), tuple(Item(t, ("good",), i + 1) for i, t in enumerate(texts)), ("starter-phi",))
    for i in range(len(texts)):
        result.add(Verdict("starter-phi", i, (0.25, 0.75), "likelihood", 0.5))
    return result


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
def test_no_cell_of_a_csv_is_a_formula_and_none_is_lost(texts: list[str]) -> None:
    (_, *rows) = list(csv.reader(io.StringIO(as_csv(made(texts)), newline="")))
    assert len(rows) == len(texts)
    for row, text in zip(rows, texts, strict=True):
        assert row[1] in (text, f"'{text}")
        assert not any(cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)


@pytest.mark.parametrize("cell", ['=HYPERLINK("x")', "+1", "-1", "@SUM(A1)", " =1", "\t=1", "＝1"])
def test_formulas_become_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"
    assert safe("a=1") == "a=1"


def test_json_holds_settings_figures_and_texts_as_they_are() -> None:
    found = json.loads(as_json(made(["=1", "x"])))
    assert found["rows"][0]["text"] == "=1"
    assert found["rows"][0]["scores"] == {"good": 0.25, "bad": 0.75}
    assert found["rows"][0]["right"] is False
    assert found["models"][0]["figures"]["accuracy"] == 0
    assert found["settings"]["asked"]["labels"] == list(LABELS)


def test_what_failed_has_no_figures() -> None:
    result = made(["x"])
    result.add(Verdict("starter-phi", 0, (), "likelihood", error="Too long."))
    (row,) = rows_of(result)
    assert (row["labels"], row["right"], row["margin"], row["scores"]) == (None, None, None, None)
    assert figures_of(result, "starter-phi") is None
    assert summary_of(result)[0]["failed"] == 1
    assert "Too long." in as_csv(result)


def test_margins_and_equals() -> None:
    asked = task(("a", "b", "c"))
    assert margin(asked, Verdict("m", 0, (0.2, 0.5, 0.3), "likelihood")) == pytest.approx(0.2)
    assert predicted(asked, Verdict("m", 0, (0.4, 0.4, 0.2), "samples")) == ("a",)
    assert right(asked, Item("x", ("b",)), Verdict("m", 0, (0.2, 0.5, 0.3), "likelihood")) is True
    assert right(asked, Item("x"), Verdict("m", 0, (0.2, 0.5, 0.3), "likelihood")) is None


def test_p95_is_by_nearest_rank() -> None:
    assert speed(2.0, [i / 100 for i in range(1, 101)]) == Speed(100, 2.0, 50.0, 0.5, 0.95)
    assert speed(2.0, [0.3]) == Speed(1, 2.0, 0.5, 0.3, 0.3)
    assert speed(2.0, []) is None


@settings(deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.text() | st.sampled_from(LABELS), st.lists, max_leaves=5), st.booleans()
)
def test_only_answers_that_keep_to_the_schema_name_labels(value: object, multi: bool) -> None:
    import jsonschema

    asked = task(LABELS, multi_label=multi).asked
    answer_ = {"labels" if multi else "label": value}
    valid = jsonschema.Draft202012Validator(schema_of(asked)).is_valid(answer_)
    found = labels_in(json.dumps(answer_), asked)
    assert found is not None or not valid
    if found is not None and valid:
        assert found == frozenset(value if multi else [value])  # type: ignore[arg-type]
