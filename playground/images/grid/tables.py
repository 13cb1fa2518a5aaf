"""A grid as data: a row for each cell, as CSV and as JSON. What was not measured is empty, never 0.

A spreadsheet runs a cell that begins with =, +, - or @ as a formula, so that in CSV such a text gets an apostrophe
before it (as OWASP advises); numbers and JSON stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from playground.images.grid.cells import Result
from playground.images.grid.plan import PLACES, Plan, plan_record

_FORMULA = re.compile(r"[\s\x00]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z")
_FIRST = ("prompt", "negative_prompt", "model", "seed", "steps", "guidance_scale", "sampler", "schedule", "width",
          "height")  # fmt: skip
_FIGURES = ("seconds", "load_s", "clip_score", "error")


def rows(plan: Plan, results: Mapping[int, Result]) -> list[dict[str, Any]]:
    """Every cell by its place, also those that are not made yet: place, labels, parameters and figures.

    `state` is "made", "failed" or "missing"; `cell` counts from 1.
    """
    found = []
    for cell in plan.cells:
        result = results.get(cell.index)
        labels = dict(zip((place for place, _ in plan.named), cell.labels, strict=True))
        parameters = dict(result.parameters) if result else {}
        for side in ("width", "height"):
            parameters[side] = getattr(result, side) if result and getattr(result, side) else parameters.get(side)
        error = f"{result.error} {result.hint}".strip() if result else ""
        found.append(
            {
                "cell": cell.index + 1,
                **{place.lower(): labels.get(place) for place in PLACES},
                "state": "missing" if result is None else "failed" if error else "made",
                "parameters": parameters,
                "text": result.text if result else "",
                "seconds": result.seconds if result else None,
                "load_s": result.load_s if result else None,
                "clip_score": result.clip_score if result else None,
                "notices": list(result.notices) if result else [],
                "error": error,
            }
        )
    return found


def as_csv(plan: Plan, results: Mapping[int, Result]) -> bytes:
    """The rows as CSV in UTF-8, a column for each parameter."""
    found = rows(plan, results)
    named = dict.fromkeys(name for row in found for name in row["parameters"])
    columns = [*(name for name in _FIRST if name in named), *(name for name in named if name not in _FIRST)]
    axes = {place.lower(): axis.axis for place, axis in plan.named}
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["cell", *(f"{place}: {name}" for place, name in axes.items()), "state", *columns, *_FIGURES])
    for row in found:
        values = [row["cell"], *(row[place] for place in axes), row["state"]]
        values += [row["parameters"].get(name) for name in columns] + [row[name] for name in _FIGURES]
        writer.writerow([_safe(value) for value in values])
    return out.getvalue().encode("utf-8", "replace")


def as_json(plan: Plan, results: Mapping[int, Result], about: Mapping[str, Any]) -> bytes:
    """The plan, what is said `about` the figures, and the rows as JSON."""
    whole = {"grid": plan_record(plan), **about, "cells": rows(plan, results)}
    return json.dumps(whole, indent=1, ensure_ascii=True, allow_nan=False).encode("ascii")


def _safe(value: Any) -> Any:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "\ufffd")
    return "'" + text if _FORMULA.match(text) and not _NUMBER.match(text) else text
