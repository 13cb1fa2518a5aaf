"""Chooses the tokens of a bound answer: the thought is free, the answer is not, and both fit the budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playground.chat.constraints.matcher import Binding
from playground.chat.sampling import Sampler

if TYPE_CHECKING:
    import torch

SPARE = 16  # tokens that a thought leaves to the answer beside its shortest form


@dataclass(frozen=True)
class Thoughts:
    """How a model thinks: the tokens that open and close a thought, whether it may open one, and whether it is in one
    now."""

    opening: tuple[int, ...]
    closing: tuple[int, ...]
    may: bool
    inside: Callable[[], bool]


class BoundSampler:
    """A `Sampler` whose answers a `Binding` binds, of at most `budget` tokens after the first `start` ids.

    A thought that leaves no room for the answer is ended (`cut` is then True); so is one that the model ends with an
    end token, which would leave the answer out.
    """

    def __init__(
        self,
        sampler: Sampler,
        binding: Binding,
        start: int,
        budget: int,
        ends: frozenset[int],
        thoughts: Thoughts | None = None,
    ) -> None:
        self.cut = False
        self._sampler, self._binding = sampler, binding
        self._start, self._budget, self._ends = start, budget, ends
        self._thoughts = thoughts
        self._reserve = max(2 * binding.least, binding.least + SPARE)
        self._tag: list[int] = []
        self._run: list[int] = []

    def forced(self, ids: Sequence[int]) -> int | None:
        """The next token where the model has no choice; it is taken."""
        if self._tag:
            return self._tag.pop(0)
        if self._thinks(ids):
            return None
        if not self._run:
            self._run = self._binding.forced(self._left(ids))
        if not self._run:
            return None
        token = self._run.pop(0)
        self._binding.accept(token)
        return token

    def choose(self, logits: torch.Tensor, ids: list[int]) -> int:
        """The next token after `ids`; `logits` (1, V). It is taken.

        Raises:
            PlaygroundError: the logits are not numbers, or nothing may come next.
        """
        forced = self.forced(ids)
        if forced is not None:
            return forced
        thoughts, left = self._thoughts, self._left(ids)
        if thoughts is not None and thoughts.inside():
            return self._think(thoughts, logits, ids, left)
        masked = self._binding.mask(logits)
        opens = thoughts is not None and self._thinks(ids)
        if thoughts is not None and opens:
            first = thoughts.opening[0]
            opens = bool(masked[0, first] == float("-inf"))  # else it may as well begin the answer
            masked[0, first] = logits[0, first]
        token = self._sampler.choose(masked, ids)
        if thoughts is not None and opens and token == thoughts.opening[0]:
            self._tag = list(thoughts.opening[1:])
            return token
        token = self._binding.checked(token, left)
        self._binding.accept(token)
        return token

    def _think(self, thoughts: Thoughts, logits: torch.Tensor, ids: list[int], left: int) -> int:
        room = left - len(thoughts.closing) - self._reserve
        token = self._sampler.choose(logits, ids) if room > 0 else None
        if token is not None and token not in self._ends:
            return token
        self.cut = token is None
        self._tag = list(thoughts.closing)
        return self._tag.pop(0)

    def _thinks(self, ids: Sequence[int]) -> bool:
        """Whether a thought is open, or may be opened now."""
        thoughts = self._thoughts
        if thoughts is None:
            return False
        tags = len(thoughts.opening) + len(thoughts.closing)
        begins = len(ids) == self._start and thoughts.may and self._left(ids) > tags + self._reserve
        return thoughts.inside() or begins

    def _left(self, ids: Sequence[int]) -> int:
        return self._budget - (len(ids) - self._start)
