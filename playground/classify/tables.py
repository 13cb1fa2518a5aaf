"""A run as rows, CSV and JSON: one row for each model and text, and what they come to. Knows no page and no engine."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from typing import Any

from playground.classify.metrics import Agreement, Figures, agreement, figures
from playground.classify.records import Result, margin, predicted, right

# What a spreadsheet may take for a formula (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rows_of(result: Result) -> Iterator[dict[str, Any]]:
    """A row for each verdict, text by text; what is not known is None."""
    for index, item in enumerate(result.items):
        for model in result.models:
            verdict = result.of(model).get(index)
            if verdict is None:
                continue
            judged = not verdict.error
            yield {
                "index": index,
                "line": item.line,
                "text": item.text,
                "truth": list(item.truth) if item.truth is not None else None,
                "model": model,
                "method": verdict.method,
                "labels": list(predicted(result.task, verdict)) if judged else None,
                "right": right(result.task, item, verdict),
                "margin": margin(result.task, verdict) if judged else None,
                "scores": dict(zip(result.task.labels, verdict.probabilities, strict=True)) if judged else None,
                "samples": verdict.samples or None,
                "invalid": verdict.invalid if verdict.samples else None,
                "seconds": verdict.seconds,
                "error": verdict.error,
            }


def figures_of(result: Result, model: str) -> Figures | None:
    """The model's figures over the texts that have a truth and a verdict; None where there is none."""
    known = [
        (item.truth, predicted(result.task, verdict))
        for index, verdict in result.of(model).items()
        if not verdict.error and (item := result.items[index]).truth is not None
    ]
    truths, found = [truth for truth, _ in known if truth is not None], [labels for _, labels in known]
    return figures(result.task.labels, truths, found, result.task.multi_label)


def agreements_of(result: Result) -> list[Agreement]:
    """Each two models over the texts that both have judged."""
    made = []
    for first, second in combinations(result.models, 2):
        one, other = result.of(first), result.of(second)
        both = [i for i in one if i in other and not one[i].error and not other[i].error]
        labels = [[predicted(result.task, of[i]) for i in both] for of in (one, other)]
        found = agreement(first, second, *labels)
        made += [found] if found is not None else []
    return made


def summary_of(result: Result) -> list[dict[str, Any]]:
    """One entry for each model: how far it came, its speed, its figures, notes and failure."""
    made = []
    for model in result.models:
        verdicts = result.of(model).values()
        speed, found = result.speeds.get(model), figures_of(result, model)
        made.append(
            {
                "model": model,
                "texts": len(result.items),
                "done": len(verdicts),
                "failed": sum(bool(verdict.error) for verdict in verdicts),
                "speed": asdict(speed) if speed is not None else None,
                "figures": asdict(found) if found is not None else None,
                "notes": list(result.notes.get(model, ())),
                "error": result.failures.get(model, ""),
            }
        )
    return made


def as_json(result: Result) -> str:
    """Everything: settings, summary, agreement and rows; texts stand as they are."""
    task = result.task
    settings = asdict(task) | {"asked": asdict(task.asked)}
    found = {
        "settings": settings,
        "stopped": result.stopped,
        "models": summary_of(result),
        "agreement": [asdict(one) for one in agreements_of(result)],
        "rows": list(rows_of(result)),
    }
    return json.dumps(found, ensure_ascii=False, indent=1)


def as_csv(result: Result) -> str:
    """The rows, with one column for each label's probability; no cell is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    labels = result.task.labels
    head = ["line", "text", "truth", "model", "method", "predicted", "right", "margin"]
    tail = ["samples", "invalid", "seconds", "error"]
    writer.writerow([safe(cell) for cell in [*head, *(f"p({label})" for label in labels), *tail]])
    for row in rows_of(result):
        scores = row["scores"] or {}
        cells = [
            row["line"],
            row["text"],
            _joined(row["truth"]),
            row["model"],
            row["method"],
            _joined(row["labels"]),
            {True: "yes", False: "no", None: ""}[row["right"]],
            _figure(row["margin"]),
            *(_figure(scores.get(label)) for label in labels),
            row["samples"],
            row["invalid"],
            _figure(row["seconds"]),
            row["error"],
        ]
        writer.writerow([safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return out.getvalue()


def safe(cell: str) -> str:
    """The text with an apostrophe before it, if a spreadsheet might take it for a formula."""
    return f"'{cell}" if cell.lstrip(" \u00a0").startswith(_FORMULA) else cell


def _joined(labels: list[str] | None) -> str:
    """Labels in one cell, as they are read in again."""
    if labels is None:
        return ""
    return "; ".join(labels) or "none"


def _figure(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
