"""Many running sequences of one transformers model that take each step together. Knows nothing of text or requests.

Sequences join and leave between steps, each with a length of its own: shorter ones are padded on the left, where an
attention mask hides the padding and positions count from each sequence's own beginning. One step for sixteen costs a
small model little more than one for one, since most of either is reading the weights and starting operators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from transformers import DynamicCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Row:
    """One sequence of a batch: how many of its tokens are in the cache."""

    def __init__(self, length: int) -> None:
        self.length = length


class BatchLogits:
    """The key-value caches of several sequences as one, and the step that they take together.

    The model has to keep plain keys and values (`logits_torch.can_rewind`), which can be padded, joined and cut, and
    embeddings that turn a key by its own position alone.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._rows: list[Row] = []
        self._cache = DynamicCache(config=model.config)
        self._mask = torch.zeros(0, 0, dtype=torch.long, device=model.device)  # (rows, tokens), 1 where a token is

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> set[Row]:
        return set(self._rows)

    @torch.inference_mode()
    def start(self, prompts: Sequence[list[int]]) -> list[tuple[Row, torch.Tensor]]:
        """Begins sequences with prompts that are read in one step; each with the logits after its prompt, (1, V)."""
        rows = [Row(len(prompt)) for prompt in prompts]
        width = max(row.length for row in rows)
        device = self._model.device
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=device)
        mask = torch.tensor([[0] * (width - row.length) + [1] * row.length for row in rows], device=device)
        cache = DynamicCache(config=self._model.config)
        logits = self._model(
            input_ids=ids,
            attention_mask=_needed(mask),
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        self._take_in(rows, cache, mask)
        return [(row, logits[i]) for i, row in enumerate(rows)]

    @torch.inference_mode()
    def join(self, cache: DynamicCache, length: int) -> Row:
        """Takes in a sequence whose first `length` tokens `cache` holds, which belongs to the batch from now on."""
        row = Row(length)
        self._take_in([row], cache, torch.ones(1, length, dtype=torch.long, device=self._model.device))
        return row

    def _take_in(self, rows: list[Row], cache: DynamicCache, mask: torch.Tensor) -> None:
        if not self._rows:
            self._cache, self._mask = cache, mask
        else:
            width = max(self._mask.shape[1], mask.shape[1])
            for ours, new in zip(_layers(self._cache), _layers(cache), strict=True):
                ours.keys = torch.cat([_padded(ours.keys, width), _padded(new.keys, width)])
                ours.values = torch.cat([_padded(ours.values, width), _padded(new.values, width)])
            self._mask = torch.cat([F.pad(m, (width - m.shape[1], 0)) for m in (self._mask, mask)])
        self._rows += rows

    @torch.inference_mode()
    def step(self, tokens: Mapping[Row, Sequence[int]]) -> dict[Row, torch.Tensor]:
        """Appends as many tokens to every sequence as each has, and returns float logits after them, (1, V) each.

        Raises:
            KeyError: a sequence has no tokens.
        """
        device = self._model.device
        count = min(len(tokens[row]) for row in self._rows)
        ids = torch.tensor([list(tokens[row][:count]) for row in self._rows], device=device)
        positions = torch.tensor([[row.length + i for i in range(count)] for row in self._rows], device=device)
        self._mask = F.pad(self._mask, (0, count), value=1)
        logits = self._model(
            input_ids=ids,
            attention_mask=_needed(self._mask),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        for row in self._rows:
            row.length += count
        return {row: logits[i] for i, row in enumerate(self._rows)}

    @torch.inference_mode()
    def leave(self, row: Row) -> DynamicCache:
        """Lets a sequence go, with the padding that only it needed; returns its own cache."""
        at = self._rows.index(row)
        own = _cut(self._cache, self._model, slice(at, at + 1), row.length)
        self._rows.remove(row)
        if not self._rows:
            self._cache, self._mask = DynamicCache(config=self._model.config), self._mask[:0, :0]
            return own
        width = max(one.length for one in self._rows)
        kept = torch.tensor([i for i in range(len(self._mask)) if i != at], device=self._model.device)
        self._mask = self._mask[kept, -width:]
        self._cache = _cut(self._cache, self._model, kept, width)
        return own


def _needed(mask: torch.Tensor) -> torch.Tensor | None:
    """The mask, or None where it hides nothing: attention is faster without one."""
    return None if bool(mask.all()) else mask


def _cut(cache: DynamicCache, model: PreTrainedModel, rows: slice | torch.Tensor, width: int) -> DynamicCache:
    """Some rows of a cache and their last `width` tokens, in memory of their own unless that is all of it."""
    part = DynamicCache(config=model.config)
    for new, old in zip(_layers(part), _layers(cache), strict=True):
        for name in ("keys", "values"):
            setattr(new, name, getattr(old, name)[rows, :, -width:].contiguous())
        new.dtype, new.device, new.is_initialized = old.dtype, old.device, True
    return part


def _layers(cache: DynamicCache) -> list[Any]:
    """The cache's layers, which are plain (`can_rewind`)."""
    return list(cache.layers)


def _padded(tensor: torch.Tensor, width: int) -> torch.Tensor:
    """Keys or values (B, H, T, D) with zeros before them, (B, H, width, D)."""
    return F.pad(tensor, (0, 0, width - tensor.shape[2], 0))
