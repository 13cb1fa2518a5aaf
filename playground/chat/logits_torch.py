"""Logits of a transformers model, with its key-value cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from playground.models.kept import KeptCaches

# What a number of tokens up to the second figure is rounded up to a multiple of, for reading on a CPU.
ROUNDED = ((8, 64), (16, 128), (32, 512), (128, 2**20))


class TorchLogits:
    """One running sequence of a causal language model; the cache grows as needed.

    `joins`: its cache can become a part of a batch (`batch_torch`).

    Args:
        kept: caches of earlier sequences: one that begins as `prompt` does is gone on with, and this one is given back
            when it is closed.
        prompt: what will be read first, in full.
    """

    def __init__(self, model: PreTrainedModel, kept: KeptCaches | None = None, prompt: Sequence[int] = ()) -> None:
        self.model = model
        self._switch = rope_switch(model.config)
        self._cuts = can_rewind(model)
        self.whole = bool(self._switch)
        self.joins = self._cuts and not self.whole
        self._kept = kept if self._cuts else None
        self.keeps = True  # its cache is put with the others once it is closed
        self._ids: list[int] = []
        self._cache = DynamicCache(config=model.config)
        if self._kept is not None:
            found, count = self._kept.take(prompt, self._switch)
            if found is not None:
                self._cache, self._ids = found, list(prompt[:count])

    def held(self, length: int) -> int:
        if self._switch and len(self._ids) <= self._switch < length:
            # longrope turns all keys differently from here on, so that those in the cache are of no more use
            self._forget()
        return len(self._ids)

    @torch.inference_mode()
    def read(self, ids: list[int], each: int = 1) -> torch.Tensor:
        """The same; the logits after each of the last `each` ids, (each, V)."""
        logits = read_into(self._cache, self.model, ids, len(self._ids), each)
        self._ids += ids
        return logits

    def ahead(self, length: int, most: int) -> int:
        """How many of `most` tokens may be read after the first `length` and be taken back, without a trace."""
        if not self._cuts:
            return 0
        return min(most, self._switch - length) if length <= self._switch else most

    def rewind(self, length: int) -> int:
        beyond = len(self._ids) - length
        if beyond > 0:
            if not self._cuts or length <= self._switch < len(self._ids):
                self._forget()
            else:
                self._cache.crop(-beyond)
                del self._ids[length:]
        return len(self._ids)

    @property
    def remembers(self) -> bool:
        """Whether what is read can be kept for others."""
        return self._kept is not None

    def share(self, length: int) -> None:
        """Keeps a copy of the first `length` tokens that were read, for many prompts that begin with them."""
        if self._kept is not None:
            self._kept.share(self._ids[:length], self._cache)

    def give(self) -> tuple[DynamicCache, int]:
        """Hands over the cache and how many tokens it holds; this sequence is empty until it has one back."""
        cache, held = self._cache, len(self._ids)
        self._forget()
        return cache, held

    def receive(self, cache: DynamicCache, ids: list[int]) -> None:
        """Takes over a cache that holds `ids`."""
        self._cache, self._ids = cache, ids

    def close(self) -> None:
        if self.keeps and self._kept is not None and self._ids:
            self._kept.put(self._ids, self._cache)
        self._forget()

    def _forget(self) -> None:
        self._cache, self._ids = DynamicCache(config=self.model.config), []


def can_rewind(model: PreTrainedModel) -> bool:
    """Whether the model keeps plain keys and values, all of them, which can be cut back to a shorter sequence."""
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)


def read_into(
    cache: DynamicCache,
    model: PreTrainedModel,
    ids: list[int],
    held: int = 0,
    each: int = 1,
    values: Mapping[str, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Appends `ids` to a cache of one sequence that holds `held` tokens; logits after the last `each`, (each, V).

    `values` are further arguments of the model: what stands for pictures and sound among the ids.

    In 16 bit on a CPU, torch compiles kernels for each number of tokens and keeps them (oneDNN's primitive cache): 500
    prompts of different lengths cost 880 MB beside a model of 9 MB, and 64 MB with lengths rounded up to few numbers.
    Causal attention never looks at the padding, and the cache forgets it.
    """
    padding = _padding(cache, model, held, len(ids))
    read = torch.tensor([ids + ids[-1:] * padding], device=model.device)
    last = torch.arange(len(ids) - each, len(ids), device=model.device) if padding else each
    logits = model(input_ids=read, past_key_values=cache, use_cache=True, logits_to_keep=last, **(values or {})).logits
    if padding:
        cache.crop(-padding)
    return logits[0]


def keeps_kernels(model: PreTrainedModel) -> bool:
    """Whether torch compiles kernels for each number of tokens and keeps them: in 16 bit on a CPU."""
    return model.device.type == "cpu" and model.dtype != torch.float32


def _padding(cache: DynamicCache, model: PreTrainedModel, held: int, count: int) -> int:
    """Tokens to add to `count`; none where they would change the others or could not be forgotten."""
    if count == 1 or not keeps_kernels(model):
        return 0
    step = next((step for step, upto in ROUNDED if count <= upto), ROUNDED[-1][0])
    end = held + count + -count % step
    config = model.config.get_text_config()
    # Rotary embeddings of some kinds turn all keys by the length that was read.
    edges = (rope_switch(config), getattr(config, "max_position_embeddings", None) or 0)
    if any(edge and held + count <= edge < end for edge in edges):
        return 0
    for layer in cache.layers:
        slides = type(layer) is DynamicSlidingWindowLayer and end < layer.sliding_window
        if not slides and type(layer) is not DynamicLayer:
            return 0
    return -count % step


def rope_switch(config: Any) -> int:
    """The length past which longrope uses its long factors; 0 for models without it."""
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") != "longrope":
        return 0
    return int(rope.get("original_max_position_embeddings") or config.original_max_position_embeddings)
