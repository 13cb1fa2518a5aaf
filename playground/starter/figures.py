"""One line of a starter model's quality report: a share with its 95 % interval, and the bar it has to reach.

Knows nothing of models; `report` gathers these lines, `evaluate` and `text_evaluate` make them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from playground.scores.estimates import Estimate, accuracy, mean


@dataclass(frozen=True)
class Figure:
    """What was measured of one model: `value` in `unit` ("%" or "dB") over `n` items; `bar` is what it has to reach."""

    model: str
    what: str
    value: float
    n: int
    low: float | None
    high: float | None
    unit: str = "%"
    bar: float | None = None

    @property
    def passed(self) -> bool | None:
        """Whether the point estimate reaches the bar; None without a bar."""
        return None if self.bar is None else self.value >= self.bar

    def record(self) -> dict[str, Any]:
        """As JSON: values rounded to two digits."""
        values = asdict(self)
        for key in ("value", "low", "high"):
            values[key] = None if values[key] is None else round(values[key], 2)
        return values | {"passed": self.passed}


def _figure(model: str, what: str, estimate: Estimate, unit: str, bar: float | None) -> Figure:
    return Figure(model, what, estimate.value, estimate.n, estimate.low, estimate.high, unit, bar)


def share(model: str, what: str, hits: Sequence[bool], bar: float | None = None) -> Figure:
    """Per cent of hits with the Wilson interval; raises ValueError without any item."""
    return _figure(model, what, accuracy(hits), "%", bar)


def average(model: str, what: str, values: Sequence[float], unit: str, bar: float | None = None) -> Figure:
    """The mean of values in `unit` with Student's interval."""
    return _figure(model, what, mean(values), unit, bar)


def table(figures: Sequence[Figure]) -> list[str]:
    """Markdown lines of a table of figures, in their order."""
    lines = ["| model | what | figure | n | 95 % interval | bar | |", "|---|---|---|---|---|---|---|"]
    for one in figures:
        interval = "" if one.low is None or one.high is None else f"{one.low:.1f} to {one.high:.1f}"
        bar = "" if one.bar is None else f"{one.bar:g} {one.unit}"
        verdict = {None: "", True: "reached", False: "missed"}[one.passed]
        lines.append(
            f"| {one.model} | {one.what} | {one.value:.1f} {one.unit} | {one.n} | {interval} | {bar} | {verdict} |"
        )
    return lines
