"""Prompts read on a CPU in 16 bit: in few different lengths, and to the same end as without the padding."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import DynamicCache, MistralConfig, MistralForCausalLM, PreTrainedModel

from playground.chat import logits_torch
from playground.chat.logits_torch import TorchLogits, read_into
from tests.chat.tiny import CONTEXT, loaded


class Seen:
    """Notes how many tokens each call of a model reads."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.lengths: list[int] = []
        model.register_forward_pre_hook(
            lambda _, __, given: self.lengths.append(given["input_ids"].shape[1]), with_kwargs=True
        )


def bfloat(family: str = "phi3", **config) -> PreTrainedModel:
    return loaded(family, **config).model.to(torch.bfloat16)


def ids_of(count: int) -> list[int]:
    return torch.randint(10, 250, (count,), generator=torch.Generator().manual_seed(count)).tolist()


@pytest.mark.parametrize("family", ["phi3", "mistral"])
@pytest.mark.parametrize("count", [2, 13, 64, 65, 129, 200])
def test_padding_changes_neither_logits_nor_cache(family: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, results = bfloat(family), []
    seen = Seen(model)
    for steps in (logits_torch.ROUNDED, ((1, 2**20),)):
        monkeypatch.setattr(logits_torch, "ROUNDED", steps)
        source = TorchLogits(model)
        first = source.read(ids_of(count))
        assert source.held(count + 1) == count
        assert source._cache.get_seq_length() == count
        results.append((first, source.read([7]), source._cache.layers[1].keys))
    assert seen.lengths[0] >= seen.lengths[2] == count
    assert seen.lengths[1] == seen.lengths[3] == 1  # a single token is read as it is
    for padded, plain in zip(*results, strict=True):
        # As far apart as rounding to 8 bits brings them: another order of sums, and no more.
        assert (padded - plain).float().std() < 0.02 * plain.float().std()


def test_prompts_of_every_length_are_read_in_few_lengths() -> None:
    model = bfloat()
    seen = Seen(model)
    for count in range(2, CONTEXT + 1):
        TorchLogits(model).read(ids_of(count))
    assert len(seen.lengths) == CONTEXT - 1
    assert len(set(seen.lengths)) <= 16
    assert max(seen.lengths) == CONTEXT


def test_in_float32_nothing_is_padded(tiny_phi) -> None:
    model = copy.deepcopy(tiny_phi.model)
    seen = Seen(model)
    TorchLogits(model).read(ids_of(13))
    assert seen.lengths == [13]


def test_no_padding_past_the_context_or_over_the_edge_of_long_embeddings() -> None:
    model = bfloat(max_position_embeddings=30)
    seen = Seen(model)
    TorchLogits(model).read(ids_of(27))
    longrope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 6, "long_factor": [2.0] * 6}
    model = bfloat(original_max_position_embeddings=29, rope_parameters=longrope)
    long = Seen(model)
    for count in (20, 27, 30):
        TorchLogits(model).read(ids_of(count))
    assert seen.lengths == [27]
    assert long.lengths == [24, 27, 32]


def test_a_sliding_window_is_padded_only_while_it_is_not_full() -> None:
    torch.manual_seed(0)
    shape = {"vocab_size": 300, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "head_dim": 12}
    config = MistralConfig(**shape, num_attention_heads=4, num_key_value_heads=2, sliding_window=40)
    model = MistralForCausalLM(config).eval().to(torch.bfloat16)
    seen = Seen(model)
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        read_into(cache, model, ids_of(20))
        read_into(cache, model, ids_of(17), 20)
        read_into(cache, model, ids_of(30), 37)
    assert seen.lengths == [24, 17, 30]
    assert cache.get_seq_length() == 67
