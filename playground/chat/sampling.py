"""One next token from logits: penalties, temperature, top-k, top-p, min-p. All randomness is the request's own."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from playground.errors import PlaygroundError
from playground.protocol import ChatRequest

if TYPE_CHECKING:
    import torch

GREEDY_BELOW = 1e-4  # dividing float32 logits by less overflows


def fresh_seed() -> int:
    """A seed that a person can copy: below 2**32."""
    return secrets.randbelow(2**32)


class Chooser(Protocol):
    """Chooses the tokens of one answer."""

    def forced(self, ids: Sequence[int]) -> int | None:
        """The token after `ids` where it stands without logits, else None."""

    def choose(self, logits: torch.Tensor, ids: list[int]) -> int:
        """The token after `ids`, of logits (1, V)."""


class Sampler:
    """Chooses tokens for one checked request, with transformers' own processors in the order of its `generate`.

    Args:
        request: checked, so that no field but `seed` is None.
        seed: of a generator on the CPU, so that a seed gives the same draw on every device.
    """

    def __init__(self, request: ChatRequest, seed: int) -> None:
        import torch
        from transformers.generation import logits_process as lp

        temperature, penalty = request.temperature or 0.0, request.repetition_penalty or 1.0
        self._greedy = temperature < GREEDY_BELOW
        self._generator = torch.Generator("cpu").manual_seed(seed)
        self._processors: list[lp.LogitsProcessor] = []
        self._reads_ids = penalty != 1.0
        if self._reads_ids:
            self._processors.append(lp.RepetitionPenaltyLogitsProcessor(penalty))
        if self._greedy:
            return
        if temperature != 1.0:
            self._processors.append(lp.TemperatureLogitsWarper(temperature))
        if request.top_k:
            self._processors.append(lp.TopKLogitsWarper(request.top_k))
        if request.top_p is not None and request.top_p < 1.0:
            self._processors.append(lp.TopPLogitsWarper(request.top_p))
        if request.min_p:
            self._processors.append(lp.MinPLogitsWarper(request.min_p))

    def twin(self) -> Sampler:
        """Another that draws as this one will from here on, and leaves this one as it is."""
        import torch

        twin = copy.copy(self)
        twin._generator = torch.Generator("cpu")
        twin._generator.set_state(self._generator.get_state())
        return twin

    def forced(self, ids: Sequence[int]) -> int | None:
        return None

    def choose(self, logits: torch.Tensor, ids: list[int]) -> int:
        """The next token after `ids` (prompt and answer so far); `logits` (1, V).

        Raises:
            PlaygroundError: the logits are not numbers.
        """
        import torch

        with torch.inference_mode():
            scores = logits.float()
            if bool(torch.isnan(scores).any()):
                raise PlaygroundError(
                    "The model's output is not a number.", "Load it in another dtype, such as float32."
                )
            if self._processors:
                seen = ids if self._reads_ids else ids[-1:]  # only the penalty reads them, and they grow
                read = torch.tensor([seen], dtype=torch.long, device=scores.device)
                # One by one: transformers' own list of them looks up their signatures for every token.
                for process in self._processors:
                    scores = process(read, scores)  # type: ignore[arg-type]  # transformers' hint is a class of old
            if self._greedy:
                return int(scores.argmax(dim=-1))
            probabilities = torch.softmax(scores, dim=-1).cpu()
            return int(torch.multinomial(probabilities, 1, generator=self._generator))
