"""Answers over a cache of fixed size, traced as torch.compile does: those of a cache that grows, turn after turn."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._dynamo.utils import counters

from playground.chat.decode import read_on
from playground.chat.generate import answer
from playground.chat.logits_static import StaticLogits
from playground.chat.logits_torch import TorchLogits
from playground.chat.request import checked_chat
from playground.errors import ModelUnavailable
from playground.models.compiled import CompiledSteps, compiled_steps, fixed_size
from playground.models.kept import KeptCaches
from playground.models.loaded import LoadedText
from playground.models.open import open_pool
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Notice, Token
from playground.settings import Settings
from tests.chat.tiny import loaded

EDGE = 40
LONGROPE = {
    "original_max_position_embeddings": EDGE,
    "rope_parameters": {
        "rope_type": "longrope", "rope_theta": 10000.0,
        "short_factor": [1 + i / 6 for i in range(6)], "long_factor": [1 + 9 * i for i in range(6)],
    },
}  # fmt: skip


class Uncompiled(CompiledSteps):
    """Runs the step as it is, for properties that need many runs."""

    def logits(self, model: Any, token: int, cache: Any, size: int) -> tuple[torch.Tensor, str]:
        out = model(input_ids=torch.tensor([[token]]), past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[0], ""


@pytest.fixture(scope="module", params=["phi3", "mistral", "longrope"])
def model(request: pytest.FixtureRequest) -> LoadedText:
    return loaded("phi3", **LONGROPE) if request.param == "longrope" else loaded(request.param)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 70), st.integers(1, 30), st.integers(0, 9)), min_size=1, max_size=4))
def test_each_turn_has_the_logits_of_a_cache_that_grows(model: LoadedText, turns: list[tuple[int, int, int]]) -> None:
    kept, steps = KeptCaches(10**9), Uncompiled()
    for shared, own, count in turns:
        ids = [10 + i % 50 for i in range(shared)] + [100 + own + i for i in range(own)]
        plain = TorchLogits(model.model)
        with closing(StaticLogits(model.model, steps, 110, kept, ids, print)) as static:
            for step in range(count):
                found, wanted = (read_on(source, ids, CancelToken()) for source in (static, plain))
                torch.testing.assert_close(found, wanted, rtol=0, atol=2e-3)
                ids = [*ids, 200 + step]


def ask(model: LoadedText, **values: Any) -> tuple[str, list[Event], ChatStats]:
    values = {"messages": (Message("user", "the cat and the hat"),), "temperature": 0, "max_new_tokens": 30} | values
    events: list[Event] = []
    request = checked_chat(ChatRequest("m", **values), model.card)
    stats = answer(model, request, CancelToken(), events.append)
    return "".join(e.text for e in events if isinstance(e, Token)), events, stats


def notices(events: list[Event]) -> str:
    return " ".join(e.text for e in events if isinstance(e, Notice))


def test_a_traced_step_gives_the_same_answer_and_its_cost_is_told_once(model: LoadedText) -> None:
    torch._dynamo.reset()
    plain = [ask(model, seed=seed, temperature=t)[0] for seed, t in ((1, 0.0), (2, 1.0))]
    model.kept.limit = 10**9
    model.steps = CompiledSteps(backend="eager")
    try:
        first, events, stats = ask(model, seed=1, temperature=0.0)
        graphs = counters["stats"]["unique_graphs"]
        again, more, _ = ask(model, seed=2, temperature=1.0)
    finally:
        model.steps, model.kept.limit = None, 0
        model.kept.clear()
    assert [first, again] == plain
    assert counters["stats"]["unique_graphs"] == graphs > 0  # nothing is traced anew for another length or prompt
    assert stats.completion_tokens
    assert stats.completion_tokens > 5
    assert "Compiling the decoding step for 256 tokens of context took" in notices(events)
    assert "Compiling" not in notices(more)


def test_the_cache_is_kept_within_the_limit_and_counted_and_gives_way() -> None:
    model, steps = loaded("phi3"), Uncompiled()
    ids = list(range(10, 40))
    for limit in (0, 10**9):
        kept = KeptCaches(limit)
        with closing(StaticLogits(model.model, steps, 100, kept, ids, print)) as source:
            read_on(source, ids, CancelToken())
        assert kept.bytes == (
            limit and 2 * 2 * 4 * 256 * 12 * 4
        )  # layers, keys and values, heads, tokens, width, bytes
    found, count = kept.take_fixed(ids, 200)
    assert (found is not None, count) == (True, len(ids) - 1)
    kept.put_fixed(ids, found)
    assert kept.take_fixed(ids, 257) == (None, 0)  # a longer conversation needs another
    kept.put_fixed(ids, found)
    kept.clear()
    assert kept.bytes == 0


@pytest.mark.parametrize(
    ("tokens", "most", "size"),
    [(1, None, 256), (256, None, 256), (257, 2048, 512), (1100, 2048, 2048), (1100, 1500, 1500), (20, 128, 128)],
)
def test_few_sizes_are_compiled(tokens: int, most: int | None, size: int) -> None:
    assert fixed_size(tokens, most) == size


def test_guesses_are_not_made_over_compiled_steps_and_a_sliding_window_is_not_compiled() -> None:
    model = loaded("phi3")
    model.steps = Uncompiled()
    text, events, _ = ask(model, speculation="prompt lookup")
    assert text == ask(loaded("phi3"))[0]
    assert "its steps are compiled for one token" in notices(events)
    sliding = loaded("phi3", sliding_window=8)
    sliding.steps = Uncompiled()
    text, events, _ = ask(sliding)
    assert text == ask(loaded("phi3", sliding_window=8))[0]
    assert "is not compiled: its cache cannot have a fixed size" in notices(events)


def test_on_other_devices_it_is_refused_in_a_sentence_unless_asked_for(tmp_path: Any) -> None:
    from playground.catalog import load_catalog

    assert compiled_steps(Settings(), "cpu") is None
    assert compiled_steps(Settings(compile="cuda"), "cuda:0") is not None
    assert compiled_steps(Settings(compile="anywhere"), "cpu") is not None
    with pytest.raises(ModelUnavailable, match="are to be compiled for CUDA, but they run on cpu here") as refused:
        open_pool(Settings(compile="cuda", device="cpu", data_dir=tmp_path), load_catalog())
    assert "anywhere" in refused.value.hint


def test_a_step_that_cannot_be_compiled_says_so() -> None:
    model = loaded("phi3")
    model.steps = CompiledSteps(backend="nothing of that name")
    with pytest.raises(ModelUnavailable, match="could not be compiled"):
        ask(model)
