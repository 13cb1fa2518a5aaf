"""A batch on the shipped models: what is shared is read once, and one thought serves a group."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from playground.batches.records import Row, Spec, Thought
from playground.batches.running import Run, Update, run
from playground.catalog import load_catalog
from playground.chat.batch_torch import BatchLogits
from playground.chat.logits_torch import TorchLogits
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken
from playground.settings import load_settings
from tests.batches.making import items, rows_in, thoughts_in

PHI, MISTRAL = "starter-phi", "starter-mistral"
DOCUMENT = " ".join(f"House {i} has {i + 3} windows." for i in range(20))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    threads = torch.get_num_threads()
    folder: Path = tmp_path_factory.mktemp("data")
    made = LocalEngine(load_settings([]).model_copy(update={"data_dir": folder, "offline": True}), load_catalog())
    yield made
    made.close()
    torch.set_num_threads(threads)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of prompts that each call of a model reads."""
    lengths: list[int] = []
    alone, together = TorchLogits.read, BatchLogits.start

    def one(self, ids):
        lengths.append(len(ids))
        return alone(self, ids)

    def many(self, prompts, *more):
        lengths.extend(map(len, prompts))
        return together(self, prompts, *more)

    monkeypatch.setattr(TorchLogits, "read", one)
    monkeypatch.setattr(BatchLogits, "start", many)
    return lengths


def ran(engine: LocalEngine, spec: Spec) -> list[Update]:
    async def everything() -> list[Update]:
        work = Run(engine, "me", at_once=dict.fromkeys((PHI, MISTRAL), 16), thinkers=frozenset({MISTRAL}))
        return [update async for update in run(spec, work, CancelToken())]

    return asyncio.run(everything())


def answers(rows: list[Row]) -> dict[int, str]:
    assert not any(row.error for row in rows)
    return {row.index: row.answer for row in rows}


def test_a_document_is_read_once_for_the_whole_batch(engine: LocalEngine, read: list[int]) -> None:
    questions = items(*(f"How many windows has house {i}?" for i in range(6)))
    spec = Spec((PHI,), questions, prefix=DOCUMENT, temperature=0.0, max_new_tokens=8)
    shared = rows_in(ran(engine, spec))
    prompts = sum(row.prompt_tokens or 0 for row in shared)
    with_sharing = sum(read)
    assert with_sharing < 0.4 * prompts
    assert sum((row.cached_tokens or 0) > 0 for row in shared) == len(questions) - 1
    read.clear()
    again = rows_in(ran(engine, replace(spec, items=items("How many windows has house 3?", "And house 4?"))))
    assert sum(read) < 0.2 * sum(row.prompt_tokens or 0 for row in again), "the document was read anew"
    engine.pool().trim()
    read.clear()
    alone = []
    for item in questions:  # each with an empty memory, as if nobody shared anything
        one = replace(spec, items=(replace(item, index=0),))
        alone += [replace(row, index=item.index) for row in rows_in(ran(engine, one))]
        engine.pool().trim()
    assert sum(read) == prompts
    assert answers(alone) == answers(shared)


def test_one_thought_serves_a_group(engine: LocalEngine) -> None:
    texts = ("What is 7 plus 5?", "How much is 7 plus 5?", "What is 41 plus 13?", "How much is 41 plus 13?")
    what = items(*texts, truths=("12", "12", "54", "54"))
    plain = Spec((MISTRAL,), what, temperature=0.0, max_new_tokens=120, match="number")
    each = rows_in(ran(engine, plain))
    found = ran(engine, replace(plain, groups=((0, 1), (2, 3)), reasoner=MISTRAL))
    thoughts: list[Thought] = thoughts_in(found)
    once = rows_in(found)
    assert [row.right for row in once] == [True] * 4
    assert all(row.reasoning == "" for row in once)
    assert sum(row.completion_tokens or 0 for row in once) + sum(t.completion_tokens or 0 for t in thoughts) < sum(
        row.completion_tokens or 0 for row in each
    )
