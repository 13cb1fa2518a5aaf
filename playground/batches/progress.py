"""How far a batch is, for each of its models. Pure; is told the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playground.batches.records import Row


@dataclass(frozen=True)
class ModelProgress:
    """One model: answers there are, of how many, and how many of those are errors.

    `tokens_per_s`: of all answers of this run together; `seconds_left`: at the pace of this run. None = not known yet.
    """

    model: str
    done: int
    total: int
    failed: int
    tokens: int
    tokens_per_s: float | None = None
    seconds_left: float | None = None


class Pace:
    """Counts one model's rows; `done` and `failed` are those that were there before this run."""

    def __init__(self, model: str, total: int, before: Sequence[Row], now: float) -> None:
        self._model, self._total = model, total
        self._before = len(before)
        self._failed = sum(bool(row.error) for row in before)
        self._began, self._last = now, now
        self._count = self._tokens = 0

    def add(self, row: Row, now: float) -> None:
        """Counts a row that came at this time."""
        self._count += 1
        self._last = now
        self._tokens += row.completion_tokens or 0
        self._failed += bool(row.error)

    def at(self) -> ModelProgress:
        """How far the model is."""
        done, spent = self._before + self._count, self._last - self._began
        known = self._count > 0 and spent > 0
        return ModelProgress(
            self._model,
            done,
            self._total,
            self._failed,
            self._tokens,
            self._tokens / spent if known and self._tokens else None,
            spent / self._count * (self._total - done) if known else None,
        )
