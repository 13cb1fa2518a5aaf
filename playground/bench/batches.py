"""Batches through the engine: what a shared prefix saves, and reasoning once a group against reasoning on every prompt.

All with the shipped models, greedily, so that both sides of a comparison can give the same answers.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from playground.batches.records import Item, Row, Spec, Thought
from playground.batches.running import Run, run
from playground.batches.similar import grouped
from playground.batches.totals import compared, thinking_tokens, totals
from playground.bench.loader import Compared
from playground.catalog import load_catalog
from playground.local_engine import ANSWERS, LocalEngine
from playground.protocol import CancelToken, ChatRequest, Engine
from playground.settings import load_settings

MODEL, THINKER = "starter-phi", "starter-mistral"
PROMPTS = 32
SIMILARITY = 0.35
WAYS = (
    "What is {} plus {}?",
    "How much is {} plus {}?",
    "What is {} plus {} in total?",
    "Tell me: what is {} plus {}?",
)
SUMS = ((17, 25), (8, 34), (56, 29), (41, 13), (63, 18), (9, 77), (22, 48), (35, 37))


@dataclass(frozen=True)
class Went:
    """One run: its rows and thoughts, and the seconds that it took."""

    rows: list[Row]
    thoughts: list[Thought]
    seconds: float

    @property
    def read(self) -> int:
        """Tokens of prompts that were read, not found read already."""
        return sum((row.prompt_tokens or 0) - (row.cached_tokens or 0) for row in self.rows)


def measure_batches(runs: int = 3) -> tuple[list[Compared], list[str]]:
    """All figures, and what reasoning once gave in words.

    Raises:
        RuntimeError: an answer failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings([]).model_copy(update={"data_dir": Path(folder), "offline": True})
        engine = LocalEngine(settings, load_catalog())
        try:
            engine.warm(MODEL, THINKER)
            return asyncio.run(_measure(engine, runs))
        finally:
            engine.close()


async def _measure(engine: LocalEngine, runs: int) -> tuple[list[Compared], list[str]]:
    await _run(engine, Spec((MODEL, THINKER), _items(["Hello!"]), max_new_tokens=4))
    prefix = await shared_prefix(engine, runs)
    once, said = await reason_once(engine)
    dtypes = {state.id: state.dtype for state in await engine.models()}  # near ties fall otherwise in another one
    return [*prefix, *once], [*said, f"{MODEL} in {dtypes[MODEL]}, {THINKER} in {dtypes[THINKER]}."]


async def shared_prefix(engine: LocalEngine, runs: int) -> list[Compared]:
    """Prompt tokens read and seconds of prompts after one long text, against the same without sharing it."""
    reads, plain_reads, seconds, plain_seconds, alike = [], [], [], [], 0
    for number in range(runs):
        document = " ".join(f"House {number}{i} has {i + 3} windows and {i % 5 + 1} doors." for i in range(70))
        items = _items([f"How many windows has house {number}{i}?" for i in range(PROMPTS)])
        spec = Spec((MODEL,), items, prefix=document, temperature=0.0, max_new_tokens=12)
        one = await _run(engine, spec)
        _forget(engine)
        other = await _run(_Unshared(engine), spec)
        _forget(engine)
        reads.append(one.read)
        plain_reads.append(other.read)
        seconds.append(one.seconds)
        plain_seconds.append(other.seconds)
        alike += sum(a.answer == b.answer for a, b in zip(one.rows, other.rows, strict=True))
    return [
        Compared(
            "shared prefix, prompt tokens read",
            statistics.median(reads),
            "",
            statistics.median(plain_reads),
            "read once and copied",
        ),
        Compared(
            "shared prefix, whole batch",
            statistics.median(seconds),
            "s",
            statistics.median(plain_seconds),
            f"{PROMPTS} prompts",
        ),
        Compared("shared prefix, same answers", float(alike), "", float(runs * PROMPTS), "all of them"),
    ]


async def reason_once(engine: LocalEngine) -> tuple[list[Compared], list[str]]:
    """Tokens written and accuracy of sums asked in four ways: thought about once a group, and every time.

    The groups are those that similarity makes, and those of the sums themselves, as a person would make them.
    """
    texts = [way.format(a, b) for a, b in SUMS for way in WAYS]
    truths = [str(a + b) for a, b in SUMS for _ in WAYS]
    plain = Spec((THINKER,), _items(texts, truths), temperature=0.0, max_new_tokens=160, match="number")
    each = await _run(engine, plain)
    figures, said = [], []
    by_hand = tuple(tuple(range(i, i + len(WAYS))) for i in range(0, len(texts), len(WAYS)))
    for name, groups in (("groups by similarity", grouped(plain.items, SIMILARITY)), ("groups by hand", by_hand)):
        once = await _run(engine, replace(plain, groups=groups, reasoner=THINKER))
        mine, every = totals(THINKER, once.rows, truths), totals(THINKER, each.rows, truths)
        written = (mine.completion_tokens or 0) + (thinking_tokens(once.thoughts) or 0)
        figures += [
            Compared("reason once, tokens written", float(written), "", float(every.completion_tokens or 0), name),
            Compared(f"reason once, right of {len(texts)}", float(mine.right), "", float(every.right), name),
        ]
        said.append(f"{name} ({len(groups)}): {compared(THINKER, mine, once.thoughts, every)}")
    return figures, said


def _forget(engine: LocalEngine) -> None:
    """Clears the caches that are kept for later prompts; the model stays loaded."""
    with engine.pool().lease(load_catalog()[MODEL]) as loaded:
        loaded.kept.clear()


class _Unshared:
    """The engine for requests that do not say what they share."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self.models, self.health = engine.models, engine.health

    def submit(self, request, cancel):  # type: ignore[no-untyped-def]
        assert isinstance(request, ChatRequest)
        return self._engine.submit(replace(request, shared_characters=0), cancel)


def _items(prompts: Sequence[str], truths: Sequence[str] = ()) -> tuple[Item, ...]:
    given = [*truths, *[""] * len(prompts)]
    return tuple(Item(i, i + 1, prompt, given[i], prompt) for i, prompt in enumerate(prompts))


async def _run(engine: Engine, spec: Spec) -> Went:
    rows: list[Row] = []
    thoughts: list[Thought] = []
    began = time.perf_counter()
    work = Run(engine, "bench", at_once=dict.fromkeys(spec.models, ANSWERS), thinkers=frozenset({THINKER}))
    async for update in run(spec, work, CancelToken()):
        if isinstance(update, Row):
            rows.append(update)
        elif isinstance(update, Thought):
            thoughts.append(update)
    seconds = time.perf_counter() - began
    if failed := next((row.error for row in rows if row.error), ""):
        raise RuntimeError(failed)
    return Went(sorted(rows, key=lambda row: row.index), thoughts, seconds)
