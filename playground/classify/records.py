"""What a classification is made of: texts, the task, and each model's verdict on each text. Pure data, no model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from playground.chat.questions import Questions, questions
from playground.errors import InvalidRequest

Method = Literal["likelihood", "samples"]
Choice = Literal["auto", "samples"]

MAX_SAMPLES = 50
MAX_SEED = 2**63 - 1 - MAX_SAMPLES


@dataclass(frozen=True)
class Item:
    """One text; `truth` is None where it is not known, `line` is where it stood, from 1."""

    text: str
    truth: tuple[str, ...] | None = None
    line: int = 0


@dataclass(frozen=True)
class Task:
    """What is asked. Made by `task`, which checks it.

    `method`: "auto" asks local models for likelihoods and API models for samples; "samples" asks all for samples.
    `threshold`: the probability from which on a label fits, where several may. `seed` is that of the first sample.
    """

    asked: Questions
    calibrate: bool = False
    threshold: float = 0.5
    method: Choice = "auto"
    samples: int = 5
    temperature: float = 1.0
    seed: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        return self.asked.labels

    @property
    def multi_label(self) -> bool:
        return self.asked.multi_label


@dataclass(frozen=True)
class Verdict:
    """What one model says of the text `index`: probabilities in the order of the labels, or none and why.

    With the method "samples" a probability is the share of the `samples` answers that came; `invalid` of them named
    no label, and count for none. `seconds`: from when the text was begun, with those it was read together with.
    """

    model: str
    index: int
    probabilities: tuple[float, ...]
    method: Method
    seconds: float | None = None
    samples: int = 0
    invalid: int = 0
    error: str = ""


@dataclass(frozen=True)
class Speed:
    """How fast a model's texts were: `seconds` of work, queue and load left out; latencies of a text in seconds."""

    texts: int
    seconds: float
    texts_per_s: float
    median_s: float
    p95_s: float


@dataclass
class Result:
    """A run as far as it has come: verdicts by model and text, and each model's speed, notes and failure."""

    task: Task
    items: tuple[Item, ...]
    models: tuple[str, ...]
    verdicts: dict[str, dict[int, Verdict]] = field(default_factory=dict)
    speeds: dict[str, Speed] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    def add(self, verdict: Verdict) -> None:
        self.verdicts.setdefault(verdict.model, {})[verdict.index] = verdict

    def of(self, model: str) -> Mapping[int, Verdict]:
        """The model's verdicts by text."""
        return self.verdicts.get(model, {})


def task(
    labels: object,
    *,
    multi_label: bool = False,
    descriptions: object = (),
    template: object = "",
    calibrate: bool = False,
    threshold: object = 0.5,
    method: object = "auto",
    samples: object = 5,
    temperature: object = 1.0,
    seed: object = 0,
) -> Task:
    """The checked task.

    Raises:
        InvalidRequest: labels or wording are not valid, or a value is out of range; names the value.
    """
    if method not in ("auto", "samples"):
        raise InvalidRequest(f"method must be auto or samples, got {method!r}.")
    asked = questions(labels, bool(multi_label), descriptions, template, at_once=method == "samples")
    return Task(
        asked,
        bool(calibrate),
        _number("threshold", threshold, 0, 1),
        "samples" if method == "samples" else "auto",
        int(_number("samples", samples, 1, MAX_SAMPLES, whole=True)),
        _number("temperature", temperature, 0, 5),
        int(_number("seed", seed, 0, MAX_SEED, whole=True)),
    )


def predicted(task: Task, verdict: Verdict) -> tuple[str, ...]:
    """The likeliest label, the first of equals; where several may fit, those from the threshold on, perhaps none."""
    chances = verdict.probabilities
    if task.multi_label:
        return tuple(label for label, p in zip(task.labels, chances, strict=True) if p >= task.threshold)
    return (task.labels[max(range(len(chances)), key=chances.__getitem__)],) if any(chances) else ()


def margin(task: Task, verdict: Verdict) -> float:
    """How clear it is: the likeliest label's probability less the second's, or the least distance to the threshold."""
    if task.multi_label:
        return min(abs(p - task.threshold) for p in verdict.probabilities)
    first, second = sorted(verdict.probabilities, reverse=True)[:2]
    return first - second


def right(task: Task, item: Item, verdict: Verdict) -> bool | None:
    """Whether the predicted labels are the true ones, None where either is not known."""
    if item.truth is None or verdict.error:
        return None
    return set(predicted(task, verdict)) == set(item.truth)


def speed(seconds: float, latencies: Sequence[float]) -> Speed | None:
    """Figures of texts that took these latencies and `seconds` in all; p95 by nearest rank; None for no text."""
    if not latencies or seconds <= 0:
        return None
    ranked = sorted(latencies)

    def rank(share: float) -> float:
        return ranked[math.ceil(share * len(ranked)) - 1]

    return Speed(len(ranked), seconds, len(ranked) / seconds, rank(0.5), rank(0.95))


def _number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not low <= value <= high or (whole and value != int(value)):  # type: ignore[operator,call-overload]
        kind = "a whole number" if whole else "a number"
        raise InvalidRequest(f"{name} must be {kind} from {low} to {high}, got {repr(value)[:40]}.")
    return value  # type: ignore[return-value]
