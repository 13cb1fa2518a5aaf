"""Classifying through the engine: texts a second and the latency of a text, together and one by one.

All with the shipped text models on the device that the app takes, on made sentences that were kept out of their
training. Nothing else should run meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from playground.catalog import ModelCard, load_catalog
from playground.classify.label_sets import label_sets
from playground.classify.records import Item, Result, Task, task
from playground.classify.run import classify
from playground.classify.tables import figures_of
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken
from playground.settings import load_settings

MODELS = ("starter-phi", "starter-mistral")
TEXTS = 200
SEED = 7
LIMIT_S = 1.0  # a text with a shipped model


@dataclass(frozen=True)
class Classified:
    """One model on one task; `one_by_one` is texts a second when each is asked about in a request of its own."""

    model: str
    task: str
    texts: int
    texts_per_s: float
    one_by_one: float
    median_s: float
    p95_s: float
    accuracy: float | None

    def line(self) -> str:
        right = "" if self.accuracy is None else f", {self.accuracy:.1%} right"
        limit = "under" if self.p95_s < LIMIT_S else "NOT under"
        return (
            f"{self.model:16s} {self.task:28s} {self.texts} texts: {self.texts_per_s:7.1f} texts/s together, "
            f"{self.one_by_one:6.1f} one by one; latency {self.median_s * 1000:.0f} ms, p95 {self.p95_s * 1000:.0f} ms "
            f"({limit} {LIMIT_S:g} s){right}"
        )


def measure_classify(texts: int = TEXTS) -> list[Classified]:
    """All figures.

    Raises:
        RuntimeError: a model failed.
    """
    catalog = load_catalog()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings([]).model_copy(update={"data_dir": Path(folder), "offline": True})
        engine = LocalEngine(settings, catalog)
        try:
            engine.warm(*MODELS)
            return asyncio.run(_measure(engine, [catalog[model] for model in MODELS], texts))
        finally:
            engine.close()


async def _measure(engine: LocalEngine, cards: list[ModelCard], texts: int) -> list[Classified]:
    sets = {one.id: one for one in label_sets()}
    sentiment = sets["sentiment"]
    judged = made_items(texts)
    plain = task(sentiment.labels)
    tasks: list[tuple[str, Task, tuple[Item, ...]]] = [
        ("sentiment", plain, judged),
        ("sentiment, calibrated", replace(plain, calibrate=True), judged),
        ("sentiment, with meanings", task(sentiment.labels, descriptions=sentiment.descriptions), judged),
        ("intent, 7 labels", task(sets["intent"].labels), _unjudged(judged)),
        ("moderation, 8 labels by one", task(sets["moderation"].labels, multi_label=True), _unjudged(judged)),
    ]
    return [await _one(engine, card, name, asked, items) for card in cards for name, asked, items in tasks]


async def _one(engine: LocalEngine, card: ModelCard, name: str, asked: Task, items: tuple[Item, ...]) -> Classified:
    await _run(engine, card, asked, items[:2])
    few = items[: max(1, len(items) // 10)]
    alone = sum([(await _run(engine, card, asked, (item,))).speeds[card.id].seconds for item in few])
    result = await _run(engine, card, asked, items)
    speed, found = result.speeds[card.id], figures_of(result, card.id)
    return Classified(
        card.id, name, len(items), speed.texts_per_s, len(few) / alone, speed.median_s, speed.p95_s,
        found.accuracy if found is not None else None,
    )  # fmt: skip


async def _run(engine: LocalEngine, card: ModelCard, asked: Task, items: tuple[Item, ...]) -> Result:
    result = Result(asked, items, (card.id,))
    async for _ in classify(engine, [card], result, CancelToken()):
        pass
    if result.failures:
        raise RuntimeError(result.failures[card.id])
    return result


def made_items(count: int, seed: int = SEED) -> tuple[Item, ...]:
    """Sentences of praise and blame that no training saw, each once, with what they are."""
    from playground.starter.text_judging import opinion
    from playground.starter.text_turns import held_out
    from playground.starter.text_wording import capital

    rng = random.Random(seed)
    found: dict[str, Item] = {}
    while len(found) < count:
        positive = rng.random() < 0.5
        text = opinion(rng, positive)
        if held_out("opinion", text.lower()):
            found[text] = Item(capital(text) + ".", ("positive" if positive else "negative",), len(found) + 1)
    return tuple(found.values())


def _unjudged(items: tuple[Item, ...]) -> tuple[Item, ...]:
    return tuple(replace(item, truth=None) for item in items)
