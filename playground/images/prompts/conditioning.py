"""What the UNet is told at each step: the embeddings of every part of every picture's prompt, and of its negative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from playground.errors import InvalidRequest
from playground.images.prompts.encode import Encoded, Encoder
from playground.images.prompts.prepared import Prepared
from playground.images.prompts.steps import Fragments, at_step, changes

MAX_PARTS = 16  # each is a model call a step


@dataclass(frozen=True)
class State:
    """Embeddings of one step for B pictures, all of one length.

    `parts` are (B, T, C) each, with `weights` (parts, B); `negative` is (B, T, C). The pooled ones (B, P) are for XL.
    """

    parts: tuple[Encoded, ...]
    negative: Encoded
    weights: torch.Tensor


@dataclass(frozen=True)
class _Said:
    """The texts of one step: for each picture its parts with their weights, and its negative prompt."""

    parts: tuple[tuple[tuple[Fragments, float], ...], ...]
    negatives: tuple[Fragments, ...]


class Conditioning:
    """The embeddings of a run of `steps` steps over `prompts`, one a picture.

    Args:
        zero_negative: whether an empty negative prompt is zeros, as XL checkpoints ask for.
        check: called between encodings; raises where the user has stopped.

    Raises:
        InvalidRequest: a prompt is too long, or joins more than 16 by AND.
    """

    def __init__(
        self,
        encoder: Encoder,
        prompts: Sequence[Prepared],
        steps: int,
        *,
        zero_negative: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._encoder, self._steps = encoder, max(steps, 1)
        self._zeroed = tuple(zero_negative and not one.negative for one in prompts)
        most = max(len(one.positive.parts) for one in prompts)
        if most > MAX_PARTS:
            raise InvalidRequest(f"AND joins {most} prompts; at most {MAX_PARTS} are taken.", "Join fewer.")
        varies = any(changes(one.positive) or changes(one.unwanted) for one in prompts)
        said = [_said(prompts, step, self._steps) for step in range(self._steps if varies else 1)]
        self._said = said
        encoder.prepare([fragments for one in dict.fromkeys(said) for fragments in _texts(one)], check)
        self._now: tuple[_Said, State] | None = None

    @property
    def needs_wrapper(self) -> bool:
        """Whether a pipeline that is given the embeddings of the first step does something else than was asked for."""
        return len(set(self._said)) > 1 or len(self._said[0].parts[0]) > 1

    def at(self, step: int) -> State:
        """The embeddings of step `step`, from 0."""
        said = self._said[min(step, len(self._said) - 1)]
        if self._now is None or self._now[0] != said:
            self._now = (said, self._state(said))
        return self._now[1]

    def options(self) -> dict[str, Any]:
        """The first step's embeddings as arguments of a diffusers pipeline."""
        state = self.at(0)
        first, negative = state.parts[0], state.negative
        found: dict[str, Any] = {"prompt_embeds": first.hidden, "negative_prompt_embeds": negative.hidden}
        if first.pooled is not None:
            found |= {"pooled_prompt_embeds": first.pooled, "negative_pooled_prompt_embeds": negative.pooled}
        return found

    def _state(self, said: _Said) -> State:
        count = max(len(self._encoder.chunks(fragments)[0]) for fragments in _texts(said))
        made: dict[Fragments, Encoded] = {}

        def of(fragments: Fragments) -> Encoded:
            if fragments not in made:
                made[fragments] = self._encoder.encoded(fragments, count)
            return made[fragments]

        parts = tuple(_rows([of(row[i][0]) for row in said.parts]) for i in range(len(said.parts[0])))
        unwanted = [
            _zeros(of(text)) if zero else of(text) for text, zero in zip(said.negatives, self._zeroed, strict=True)
        ]
        weights = torch.tensor([[row[i][1] for row in said.parts] for i in range(len(said.parts[0]))])
        return State(parts, _rows(unwanted), weights)


def _said(prompts: Sequence[Prepared], step: int, steps: int) -> _Said:
    most = max(len(one.positive.parts) for one in prompts)
    rows = []
    for one in prompts:
        row = [(at_step(part.nodes, step, steps), part.weight) for part in one.positive.parts]
        rows.append(tuple(row + [((), 0.0)] * (most - len(row))))  # pictures of one batch may join differently many
    return _Said(tuple(rows), tuple(at_step(one.unwanted.parts[0].nodes, step, steps) for one in prompts))


def _texts(said: _Said) -> list[Fragments]:
    return list(dict.fromkeys([*(f for row in said.parts for f, _ in row), *said.negatives]))


def _rows(found: Sequence[Encoded]) -> Encoded:
    """One row a picture."""
    pooled = [one.pooled for one in found if one.pooled is not None]
    return Encoded(torch.cat([one.hidden for one in found]), torch.cat(pooled) if pooled else None)


def _zeros(one: Encoded) -> Encoded:
    return Encoded(torch.zeros_like(one.hidden), None if one.pooled is None else torch.zeros_like(one.pooled))
