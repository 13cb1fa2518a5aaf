"""How far a job is that runs on several models one after the other: its share, its pace, and the seconds left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from playground.protocol import Step
from playground.ui.words import seconds

MOST_SPEEDS = 500


@dataclass
class Speeds:
    """Seconds a step that were last measured, by model and picture size; the oldest are forgotten."""

    known: dict[str, float] = field(default_factory=dict)

    def learn(self, key: str, each: float) -> None:
        self.known.pop(key, None)
        self.known[key] = each
        while len(self.known) > MOST_SPEEDS:
            del self.known[next(iter(self.known))]


class Progress:
    """Counts the steps of a job over all its models; each model's Steps count over all its pictures.

    `planned`: sampler steps that each model was asked for. A model that has not begun is taken to need as many model
    calls a sampler step as the one before, at the pace last seen of it under its key, else at the pace of now.
    """

    def __init__(self, planned: Sequence[int], keys: Sequence[str], speeds: Speeds) -> None:
        self._planned = [max(1, steps) for steps in planned]
        self._keys, self._speeds = list(keys), speeds
        self._at = -1
        self._before = 0  # steps of the models that are over
        self._step: Step | None = None
        self._ratio: float | None = None  # model calls a planned step
        self._each: float | None = None
        self.fraction: float | None = None

    def begin(self) -> None:
        """The next model's turn."""
        if self._step is not None:
            self._before += self._step.total
        self._at, self._step = self._at + 1, None
        if self._ratio is not None:
            self._set_fraction(0, self._ratio * self._planned[self._at])

    def take(self, step: Step) -> str:
        """Step 12 of 40, 0.32 s a step, 9 s left in all; figures that are not known are left out."""
        self._step = step
        self._ratio = step.total / self._planned[self._at]
        ahead = step.total - step.index
        if step.seconds_left is not None and ahead > 0:
            self._each = step.seconds_left / ahead
            self._speeds.learn(self._keys[self._at], self._each)
        self._set_fraction(step.index, step.total)
        parts = [f"Step {step.index} of {step.total}"]
        if self._each is not None:
            parts.append(f"{seconds(self._each)} a step")
        left = self._left(ahead)
        if left is not None:
            parts.append(f"{seconds(left)} left" + (" in all" if len(self._planned) > 1 else ""))
        return ", ".join(parts)

    def _left(self, ahead: int) -> float | None:
        if self._each is None or self._ratio is None:
            return None
        later = range(self._at + 1, len(self._planned))
        paces = [self._speeds.known.get(self._keys[i], self._each) for i in later]
        return ahead * self._each + sum(
            self._planned[i] * self._ratio * pace for i, pace in zip(later, paces, strict=True)
        )

    def _set_fraction(self, index: float, total: float) -> None:
        later = sum(self._planned[self._at + 1 :]) * (self._ratio or 1.0)
        self.fraction = (self._before + index) / (self._before + total + later)
