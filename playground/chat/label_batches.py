"""Likelihoods of endings after many prompts, for a model of transformers: what prompts share is read once.

Prompts go through the model together, padded on the left, where an attention mask hides the padding; then each with
every ending that has more than one token, padded on the right, where causal attention never looks. Knows no text.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from playground.chat.decode import PREFILL_CHUNK
from playground.chat.logits_torch import can_rewind, keeps_kernels, read_into, rope_switch
from playground.errors import Cancelled
from playground.protocol import CancelToken

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_TOKENS = 2048  # in all rows of a step together, cache included, unless one row alone has more
MOST_ROWS = 64
# Weights times tokens of a step, so that a Stop waits for a fraction of a second; a GPU does some thousand times more.
WORK_CPU, WORK_GPU = 1e9, 1e12


def joins(model: PreTrainedModel) -> bool:
    """Whether prompts of this model can go together: plain caches, and no rotation that the longest one changes."""
    return can_rewind(model) and not rope_switch(model.config.get_text_config())


class LabelBatches:
    """The cache of one beginning, which is kept for the prompts that come next."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._ids: list[int] = []
        self._cache = DynamicCache(config=model.config)
        work = WORK_CPU if model.device.type == "cpu" else WORK_GPU
        self.tokens = int(min(MOST_TOKENS, max(1, work // max(1, model.num_parameters()))))  # to be read in a step

    def rows(self, width: int, endings: Sequence[list[int]]) -> int:
        """How many prompts with `width` tokens of their own go together, each with all the endings."""
        work = width + sum(len(ending) - 1 for ending in endings)
        return max(1, min(MOST_ROWS, self.tokens // work, MOST_TOKENS // (len(self._ids) + width)))

    def score(
        self, prompts: Sequence[list[int]], endings: Sequence[list[int]], common: int, cancel: CancelToken
    ) -> Generator[None, None, list[list[float]]]:
        """Mean log likelihood (natural, per token) of each ending after each prompt, [prompt][ending].

        Args:
            common: how many tokens all of `prompts` begin with; less than the shortest has.

        Pauses where others may use the model.

        Raises:
            Cancelled: between two steps.
        """
        yield from self._hold(prompts[0][:common], cancel)
        own = [prompt[common:] for prompt in prompts]
        found: list[list[float]] = []
        while len(found) < len(own):
            rest = own[len(found) :]
            count = self.rows(max(map(len, rest)), endings)
            found += yield from self._together(rest[:count], endings, cancel)
        return found

    @torch.inference_mode()
    def _hold(self, ids: list[int], cancel: CancelToken) -> Generator[None, None, None]:
        """Has the cache hold exactly `ids`, reading only what it lacks."""
        shared = common_length([self._ids, ids])
        self._cache.crop(shared - len(self._ids))
        self._ids = ids[:shared]
        while len(self._ids) < len(ids):
            _go_on(cancel)
            chunk = ids[len(self._ids) : len(self._ids) + PREFILL_CHUNK]
            read_into(self._cache, self._model, chunk, len(self._ids))
            self._ids = self._ids + chunk
            if len(self._ids) < len(ids):
                yield

    @torch.inference_mode()
    def _together(
        self, own: list[list[int]], endings: Sequence[list[int]], cancel: CancelToken
    ) -> Generator[None, None, list[list[float]]]:
        _go_on(cancel)
        model, device = self._model, self._model.device
        sizes = keeps_kernels(model)  # then few sizes of steps, as in `read_into`
        width = max(map(len, own))
        width += -width % 8 if sizes else 0
        padded = [*own, *own[-1:] * (_upto(len(own)) - len(own) if sizes else 0)]
        ids = torch.tensor([[0] * (width - len(row)) + row for row in padded], device=device)  # (N, W)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in padded], device=device)
        mask = torch.cat([mask.new_ones(len(padded), len(self._ids)), mask], dim=1)  # (N, P + W)
        cache = _rows_of(self._cache, model, torch.zeros(len(padded), dtype=torch.long, device=device))
        logits = model(
            input_ids=ids,
            attention_mask=_needed(mask),
            position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, -width:],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        first = logits[:, -1].float().log_softmax(-1)  # (N, V)
        sums = [[float(first[n, ending[0]]) for ending in endings] for n in range(len(own))]
        longer = [(n, e) for n, e in product(range(len(own)), range(len(endings))) if len(endings[e]) > 1]
        most = max(1, min(MOST_ROWS, MOST_TOKENS // mask.shape[1], self.tokens))
        for at in range(0, len(longer), most):
            yield
            _go_on(cancel)
            some = longer[at : at + most]
            tails = self._tails(cache, mask, [n for n, _ in some], [endings[e] for _, e in some], sizes)
            for (n, e), value in zip(some, tails, strict=True):
                sums[n][e] += value
        yield
        return [[total / len(e) for total, e in zip(row, endings, strict=True)] for row in sums]

    def _tails(
        self, cache: DynamicCache, mask: torch.Tensor, rows: list[int], endings: list[list[int]], sizes: bool
    ) -> list[float]:
        """Log likelihoods of all but the first token of each ending, summed, after the prompt in its row of `cache`."""
        model, device = self._model, self._model.device
        count, width = len(rows), max(map(len, endings)) - 1
        width += -width % 4 if sizes else 0
        rows = rows + rows[-1:] * (_upto(count) - count if sizes else 0)
        fed = [ending[:-1] for ending in endings] + [endings[-1][:-1]] * (len(rows) - count)
        ids = torch.tensor([row + row[-1:] * (width - len(row)) for row in fed], device=device)  # (B, T)
        chosen = torch.tensor(rows, device=device)
        seen = torch.cat([mask[chosen], mask.new_ones(len(rows), width)], dim=1)
        logits = model(
            input_ids=ids,
            attention_mask=_needed(seen),
            position_ids=(seen.cumsum(1) - 1)[:, -width:],
            past_key_values=_rows_of(cache, model, chosen),
            use_cache=True,
        ).logits  # (B, T, V)
        found = logits[:count].float().log_softmax(-1)
        return [sum(float(found[i, t, token]) for t, token in enumerate(e[1:])) for i, e in enumerate(endings)]


def common_length(rows: Sequence[list[int]]) -> int:
    """How many tokens all rows begin with."""
    low, high = min(rows), max(rows)  # all others lie between these two
    return next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))


def _rows_of(cache: DynamicCache, model: PreTrainedModel, rows: torch.Tensor) -> DynamicCache:
    """A new cache of these rows of a plain one, which stays as it is."""
    made = DynamicCache(config=model.config)
    if cache.get_seq_length() == 0:
        return made
    layers: list[Any] = []
    for layer in cache.layers:
        new: Any = copy.copy(layer)
        new.keys, new.values = (getattr(layer, name).index_select(0, rows) for name in ("keys", "values"))
        layers.append(new)
    made.layers = layers
    return made


def _upto(count: int) -> int:
    """The next power of two."""
    return 1 << (count - 1).bit_length()


def _needed(mask: torch.Tensor) -> torch.Tensor | None:
    """The mask, or None where it hides nothing: attention is faster without one."""
    return None if bool(mask.all()) else mask


def _go_on(cancel: CancelToken) -> None:
    if cancel.cancelled:
        raise Cancelled
