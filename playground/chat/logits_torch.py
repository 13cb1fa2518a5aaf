"""Logits of a transformers model, with its key-value cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TorchLogits:
    """One running sequence of a causal language model; the cache grows as needed."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._cached = 0
        self._cache = DynamicCache(config=model.config)
        self._switch = _rope_switch(model.config)
        self.whole = bool(self._switch)

    def held(self, length: int) -> int:
        if self._switch and self._cached <= self._switch < length:
            # longrope turns all keys differently from here on, so that those in the cache are of no more use
            self._cache, self._cached = DynamicCache(config=self._model.config), 0
        return self._cached

    @torch.inference_mode()
    def read(self, ids: list[int]) -> torch.Tensor:
        read = torch.tensor([ids], device=self._model.device)
        logits = self._model(input_ids=read, past_key_values=self._cache, use_cache=True, logits_to_keep=1).logits
        self._cached += len(ids)
        return logits[:, -1]

    def rewind(self, length: int) -> int:
        self._cache, self._cached = DynamicCache(config=self._model.config), 0
        return 0

    def close(self) -> None:
        self._cache, self._cached = DynamicCache(config=self._model.config), 0


def _rope_switch(config: Any) -> int:
    """The length past which longrope uses its long factors; 0 for models without it."""
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") != "longrope":
        return 0
    return int(rope.get("original_max_position_embeddings") or config.original_max_position_embeddings)
