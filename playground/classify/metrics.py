"""How right predictions are, and how far two models agree: pure counting over sets of labels. Knows no model.

Precision, recall and F1 are those of sklearn's precision_recall_fscore_support, but None where they divide by nothing
instead of 0; macro F1 is the mean over the labels that stand in the truth or in a prediction, as there by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playground.scores.estimates import wilson

Labels = tuple[str, ...]


@dataclass(frozen=True)
class LabelFigures:
    """One label: `support` texts have it, `predicted` were given it, `hits` both; None where nothing divides."""

    label: str
    support: int
    predicted: int
    hits: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Figures:
    """Of `n` texts with a truth and a prediction.

    `accuracy`: the share in which all labels are right (exact match, where several may fit), with its 95 % Wilson
    interval. `confusion`: for one label a text, counts [truth][predicted] in the order of the labels, else None.
    """

    n: int
    hits: int
    accuracy: float
    low: float
    high: float
    labels: tuple[LabelFigures, ...]
    macro_f1: float | None
    micro_f1: float | None
    confusion: tuple[tuple[int, ...], ...] | None


@dataclass(frozen=True)
class Agreement:
    """Of `n` texts that both models have judged: the share with the same labels, and Cohen's kappa (1960)."""

    first: str
    second: str
    n: int
    share: float
    kappa: float | None


def figures(labels: Sequence[str], truths: Sequence[Labels], found: Sequence[Labels], multi: bool) -> Figures | None:
    """All figures of predictions against the truth; None for no text."""
    pairs = [(set(truth), set(given)) for truth, given in zip(truths, found, strict=True)]
    if not pairs:
        return None
    each = tuple(_label(label, pairs) for label in labels)
    hits = sum(truth == given for truth, given in pairs)
    low, high = wilson(hits, len(pairs))
    f1 = [one.f1 for one in each if one.f1 is not None]
    total = sum(one.support + one.predicted for one in each)
    return Figures(
        len(pairs),
        hits,
        hits / len(pairs),
        low,
        high,
        each,
        sum(f1) / len(f1) if f1 else None,
        2 * sum(one.hits for one in each) / total if total else None,
        None if multi else _confusion(labels, truths, found),
    )


def agreement(first: str, second: str, one: Sequence[Labels], other: Sequence[Labels]) -> Agreement | None:
    """How far two models agree on the same texts; kappa None where chance alone would have them agree."""
    n = len(one)
    if not n:
        return None
    left, right = [frozenset(labels) for labels in one], [frozenset(labels) for labels in other]
    share = sum(a == b for a, b in zip(left, right, strict=True)) / n
    chance = sum(left.count(labels) * right.count(labels) for labels in set(left)) / (n * n)
    return Agreement(first, second, n, share, (share - chance) / (1 - chance) if chance < 1 else None)


def _label(label: str, pairs: Sequence[tuple[set[str], set[str]]]) -> LabelFigures:
    support = sum(label in truth for truth, _ in pairs)
    predicted = sum(label in given for _, given in pairs)
    hits = sum(label in truth and label in given for truth, given in pairs)
    return LabelFigures(
        label,
        support,
        predicted,
        hits,
        hits / predicted if predicted else None,
        hits / support if support else None,
        2 * hits / (support + predicted) if support + predicted else None,
    )


def _confusion(labels: Sequence[str], truths: Sequence[Labels], found: Sequence[Labels]) -> tuple[tuple[int, ...], ...]:
    place = {label: i for i, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for truth, given in zip(truths, found, strict=True):
        if truth and given:  # of samples, none may have named a label
            counts[place[truth[0]]][place[given[0]]] += 1
    return tuple(map(tuple, counts))
