"""Logits of a transformers model over a key-value cache of fixed size, whose single steps are compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import StaticCache

from playground.chat.logits_torch import rope_switch
from playground.models.compiled import CompiledSteps, fixed_size

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from playground.models.kept import KeptCaches


class StaticLogits:
    """One running sequence. The cache has room for all of it from the beginning, and one is kept for the next.

    What lies in the cache behind the sequence's length is hidden by the causal mask and written over, so that going
    back is setting the length. The model has to keep plain keys and values (`logits_torch.can_rewind`).

    Args:
        tokens: of prompt and answer together, at most.
        tell: told a sentence on what compiling cost, once it is known.
    """

    joins = False

    def __init__(
        self,
        model: PreTrainedModel,
        steps: CompiledSteps,
        tokens: int,
        kept: KeptCaches,
        prompt: Sequence[int],
        tell: Callable[[str], None],
    ) -> None:
        self.model = model
        self._steps, self._kept, self._tell = steps, kept, tell
        self._switch = rope_switch(model.config)
        self.whole = bool(self._switch)
        self._ids: list[int] = []
        found, count = kept.take_fixed(prompt, tokens, self._switch)
        if found is None:
            most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
            found = StaticCache(config=model.config, max_cache_len=fixed_size(tokens, most))
        self._cache: Any = found
        self._set(list(prompt[:count]))

    def held(self, length: int) -> int:
        if len(self._ids) <= self._switch < length:
            self._set([])  # longrope turns all keys differently from here on
        return len(self._ids)

    @torch.no_grad()
    def read(self, ids: list[int]) -> torch.Tensor:
        if len(ids) == 1 and self._ids:
            logits, said = self._steps.logits(self.model, ids[0], self._cache, self._cache.get_max_length())
            if said:
                self._tell(said)
        else:
            read = torch.tensor([ids], device=self.model.device)
            out = self.model(input_ids=read, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
            logits = out.logits[0]
        self._ids += ids
        return logits

    def rewind(self, length: int) -> int:
        if length < len(self._ids):
            self._set([] if length <= self._switch < len(self._ids) else self._ids[:length])
        return len(self._ids)

    def close(self) -> None:
        self._kept.put_fixed(self._ids, self._cache)

    @torch.no_grad()
    def _set(self, ids: list[int]) -> None:
        """Goes on after `ids`, which the cache begins with."""
        for layer in self._cache.layers:
            if layer.is_initialized:
                layer.cumulative_length.fill_(len(ids))
        self._ids = ids
