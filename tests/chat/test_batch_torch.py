"""Sequences that step together against the same sequences alone."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.batch_torch import BatchLogits, Row
from playground.chat.logits_torch import TorchLogits, can_rewind
from tests.chat.tiny import loaded


@pytest.fixture(scope="module", params=["phi3", "mistral"])
def model(request: pytest.FixtureRequest):
    return loaded(request.param).model


class Alone:
    """One sequence by itself: the oracle."""

    def __init__(self, model, ids: list[int]) -> None:
        self.source, self.ids = TorchLogits(model), list(ids)
        self.logits = self.source.read(self.ids)

    def step(self, token: int) -> torch.Tensor:
        self.ids.append(token)
        return self.source.read([token])


def joined(batch: BatchLogits, model, ids: list[int]) -> Row:
    source = TorchLogits(model)
    source.read(ids)
    return batch.join(source._cache, len(ids))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6), moves=st.lists(st.sampled_from(["start", "join", "step", "step", "leave"]), max_size=25)
)
def test_whoever_joins_and_leaves_each_gets_the_logits_that_it_gets_alone(model, seed: int, moves: list[str]) -> None:
    choose = random.Random(seed)
    batch, alone = BatchLogits(model), {}
    for move in ["join", "step", "start", *moves]:
        if move == "start" and len(batch) < 5:
            prompts = [[choose.randrange(10, 250) for _ in range(choose.randrange(1, 40))] for _ in range(3)]
            for (row, logits), ids in zip(batch.start(prompts), prompts, strict=True):
                alone[row] = Alone(model, ids)
                torch.testing.assert_close(logits, alone[row].logits, atol=2e-4, rtol=2e-4)
        elif move == "join" and len(batch) < 5:
            ids = [choose.randrange(10, 250) for _ in range(choose.randrange(1, 40))]
            alone[joined(batch, model, ids)] = Alone(model, ids)
        elif move == "leave" and alone:
            row = choose.choice(list(alone))
            own = batch.leave(row)
            assert own.get_seq_length() == len(alone[row].ids)
            torch.testing.assert_close(
                own.layers[1].keys, alone[row].source._cache.layers[1].keys, atol=1e-4, rtol=1e-4
            )
            del alone[row]
        elif move == "step" and alone:
            # Each takes as many as the one that has fewest.
            tokens = {row: [choose.randrange(10, 250) for _ in range(choose.randrange(1, 4))] for row in alone}
            count = min(map(len, tokens.values()))
            for row, logits in batch.step(tokens).items():
                for token in tokens[row][:count]:
                    expected = alone[row].step(token)
                torch.testing.assert_close(logits, expected, atol=2e-4, rtol=2e-4)
        assert len(batch) == len(alone)


def test_models_with_other_caches_are_left_alone(model) -> None:
    assert can_rewind(model)
    assert not can_rewind(loaded("phi3", sliding_window=8).model)
