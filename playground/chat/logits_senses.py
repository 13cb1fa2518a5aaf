"""Logits of a transformers model for a sequence in which pictures or sound stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from playground.chat.logits_torch import TorchLogits, read_into

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from playground.chat.senses.prompt import Shown
    from playground.models.kept import KeptCaches


class SensedLogits(TorchLogits):
    """One running sequence with files: what is read from its beginning carries their values. Made by itself.

    Its cache is kept under ids of a range of its own, which depends on the files: two conversations with the same ids
    and other pictures never meet there.
    """

    def __init__(
        self, model: PreTrainedModel, shown: Shown, kept: KeptCaches | None = None, prompt: Sequence[int] = ()
    ) -> None:
        self._shown = shown
        self._values = {name: value.to(model.device) for name, value in shown.values.items()}
        super().__init__(model, kept, self._named(prompt))
        self._ids = [id_ - self._offset for id_ in self._ids]
        self.whole, self.joins = True, False  # placeholders and values have to come together
        if self._ids and any(id_ in shown.senses.placeholders for id_ in prompt[len(self._ids) :]):
            self._forget()

    @torch.inference_mode()
    def read(self, ids: list[int], each: int = 1) -> torch.Tensor:
        values = {} if self._ids else self._values
        with self._shown.senses.switched(self.model, self._values):
            logits = read_into(self._cache, self.model, ids, len(self._ids), each, values)
        self._ids += ids
        return logits

    def close(self) -> None:
        self._ids = self._named(self._ids)
        super().close()

    @property
    def _offset(self) -> int:
        return (self._shown.key + 1) << 32  # no vocabulary reaches there

    def _named(self, ids: Sequence[int]) -> list[int]:
        return [id_ + self._offset for id_ in ids]
