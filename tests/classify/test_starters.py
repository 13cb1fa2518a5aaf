"""The shipped text models through the in-process engine: many texts, a stop, and samples by choice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from playground.catalog import load_catalog
from playground.classify.label_sets import label_sets
from playground.classify.records import Item, Result, Task, task
from playground.classify.run import classify
from playground.classify.tables import agreements_of, figures_of
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, ChatRequest, Done, Message
from playground.settings import Settings

MODELS = ("starter-phi", "starter-mistral")
SENTIMENT, *_ = label_sets()
ITEMS = tuple(Item(text, labels, i + 1) for i, (text, labels) in enumerate(SENTIMENT.examples))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    engine = LocalEngine(Settings(data_dir=tmp_path_factory.mktemp("data"), offline=True), load_catalog())
    yield engine
    engine.close()


async def run(
    engine: LocalEngine,
    asked: Task,
    items: tuple[Item, ...] = ITEMS,
    models: tuple[str, ...] = MODELS,
    most: int = 10**9,
) -> Result:
    result, cancel, catalog = Result(asked, items, models), CancelToken(), load_catalog()
    async for _ in classify(engine, [catalog[model] for model in models], result, cancel):
        if sum(len(result.of(model)) for model in models) >= most:
            cancel.cancel()
    return result


def test_likelihoods_of_many_texts_on_both_models(engine: LocalEngine) -> None:
    result = asyncio.run(run(engine, task(SENTIMENT.labels)))
    assert result.failures == {}
    for model in MODELS:
        verdicts = result.of(model).values()
        assert len(verdicts) == len(ITEMS)
        assert all(sum(v.probabilities) == pytest.approx(1) and v.method == "likelihood" for v in verdicts)
        assert figures_of(result, model) is not None
        assert result.speeds[model].texts == len(ITEMS)
    assert agreements_of(result)[0].n == len(ITEMS)


def test_a_text_gets_the_same_alone_and_among_others(engine: LocalEngine) -> None:
    """Up to what another order of sums changes in the dtype that the engine picks."""
    together = asyncio.run(run(engine, task(SENTIMENT.labels), models=MODELS[:1]))
    for index in (0, 3):
        alone = asyncio.run(run(engine, task(SENTIMENT.labels), ITEMS[index : index + 1], MODELS[:1]))
        expected = together.of(MODELS[0])[index].probabilities
        assert alone.of(MODELS[0])[0].probabilities == pytest.approx(expected, abs=0.05)


def test_several_labels_and_calibration(engine: LocalEngine) -> None:
    asked = task(("praise", "blame", "food"), multi_label=True, calibrate=True)
    result = asyncio.run(run(engine, asked, ITEMS[:3], MODELS[:1]))
    assert result.failures == {}
    assert all(0 <= p <= 1 for v in result.of(MODELS[0]).values() for p in v.probabilities)


def test_samples_by_choice_keep_to_the_labels(engine: LocalEngine) -> None:
    asked = task(SENTIMENT.labels, method="samples", samples=3, seed=1)
    first = asyncio.run(run(engine, asked, ITEMS[:2]))
    assert first.failures == {}
    for model in MODELS:
        verdicts = first.of(model)
        assert all(v.method == "samples" and v.samples == 3 and v.invalid == 0 for v in verdicts.values())
        assert all(sum(v.probabilities) == pytest.approx(1) for v in verdicts.values())


def test_a_stop_frees_the_model_and_keeps_what_was_finished(engine: LocalEngine) -> None:
    items = tuple(Item(f"The film number {i} was nice.") for i in range(2000))

    async def go() -> Result:
        result = await run(engine, task(SENTIMENT.labels), items, MODELS[:1], most=1)
        states = {state.id: state for state in await engine.models()}
        assert states[MODELS[0]].users == 0
        return result

    result = asyncio.run(go())
    assert result.stopped
    assert 0 < len(result.of(MODELS[0])) < 2000


def test_a_chat_with_the_same_model_goes_on_meanwhile(engine: LocalEngine) -> None:
    """It is answered before the texts are finished."""
    items = tuple(Item(f"The film number {i} was nice.") for i in range(3000))

    async def go() -> int:
        result, cancel = Result(task(SENTIMENT.labels), items, MODELS[:1]), CancelToken()

        async def texts() -> None:
            async for _ in classify(engine, [load_catalog()[MODELS[0]]], result, cancel):
                pass

        work = asyncio.create_task(texts())
        while not result.of(MODELS[0]):
            await asyncio.sleep(0.01)
        request = ChatRequest(MODELS[0], (Message("user", "Hello!"),), max_new_tokens=4)
        events = [event async for event in engine.submit(request, CancelToken())]
        assert isinstance(events[-1], Done)
        done = len(result.of(MODELS[0]))
        cancel.cancel()
        await work
        return done

    assert 0 < asyncio.run(go()) < 3000
