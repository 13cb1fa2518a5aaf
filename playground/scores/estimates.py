"""Values with their intervals. Pure numbers; knows nothing of models."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value of `n` observations; `low` and `high` are what `interval` says, None where n is too small for one."""

    value: float
    n: int
    low: float | None
    high: float | None
    interval: str


def wilson(successes: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The score interval of a proportion, 95 % by default (Wilson 1927).

    Raises:
        ValueError: n is not positive, or successes do not lie within 0 and n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes must be 0 to n and n at least 1, got {successes} of {n}")
    p, z2 = successes / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # At 0 and n of n the bound is exact; rounding would put it just beside.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def accuracy(hits: Sequence[bool]) -> Estimate:
    """Per cent of hits, with the Wilson interval."""
    low, high = wilson(sum(hits), len(hits))
    return Estimate(100 * sum(hits) / len(hits), len(hits), 100 * low, 100 * high, "Wilson 95 %")


def median(values: Sequence[float]) -> Estimate:
    """The median with the lowest and the highest value."""
    return Estimate(statistics.median(values), len(values), min(values), max(values), "lowest to highest")


def mean(values: Sequence[float]) -> Estimate:
    """The mean with Student's 95 % interval, which one value alone does not have."""
    n, centre = len(values), statistics.fmean(values)
    if n < 2:
        return Estimate(centre, n, None, None, "")
    from scipy.stats import t

    half = float(t.ppf(0.975, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    return Estimate(centre, n, centre - half, centre + half, "Student t 95 %")


def single(value: float) -> Estimate:
    """One observation: it has no interval."""
    return Estimate(value, 1, None, None, "")
