"""The quality report of all starter models: measures them side by side and writes REPORT.md and REPORT.json.

Each model is measured in a process of its own, two at a time, because each works on one core.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from playground.starter.figures import Figure, table
from playground.starter.quality import read_quality

MODELS = ("starter-sd", "starter-mistral", "starter-phi", "starter-sd-small", "starter-clip")
BLOCKS = "▁▂▃▄▅▆▇█"


def measure(name: str, folder: Path, share: float) -> None:
    """Measure one model on one thread; writes quality.json and the model card into its folder."""
    import torch

    from playground.starter.__main__ import evaluate

    torch.set_num_threads(1)
    evaluate(name, folder, share)


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """Draw values as a line of block characters, lowest to highest, at most `width` of them."""
    if not values:
        return ""
    step = max(1, len(values) // width)
    means = [sum(values[at : at + step]) / len(values[at : at + step]) for at in range(0, len(values), step)]
    low, high = min(means), max(means)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * scale)] for value in means)


def loss_lines(name: str, training: dict[str, Any]) -> list[str]:
    """Markdown lines on a model's training: steps, time and the loss curve of each stage."""
    lines = []
    for stage, facts in training.get("stages", {}).items():
        curve = [loss for _, loss in facts.get("curve", [])]
        ends = f", loss {curve[0]:.3f} to {curve[-1]:.3f}" if curve else ""
        drawn = f" `{sparkline(curve)}`" if curve else ""
        lines.append(
            f"- {name}, {stage}: {facts['steps']:,} steps in {facts['seconds'] / 60:,.0f} minutes{ends}{drawn}"
        )
    return lines


def write_report(assets: Path, seconds: float | None = None) -> list[Figure]:
    """Gather quality.json and training.json of all models under `assets` into REPORT.md and REPORT.json there."""
    figures: list[Figure] = []
    losses: list[str] = []
    notes: list[str] = []
    models: dict[str, Any] = {}
    for name in MODELS:
        folder = assets / name
        quality, measured = read_quality(folder)
        training = json.loads((folder / "training.json").read_text())
        figures += measured
        losses += loss_lines(name, training)
        models[name] = {"quality": quality, "training": training}
        parameters = sum(training["parameters"].values())
        notes.append(
            f"- {name}: {parameters:,} parameters, {quality['bytes'] / 1e6:.1f} MB; measured {quality['date']} in "
            f"{quality['seconds']:,.0f} s, torch {quality['torch']}, {quality['threads']} thread(s), "
            f"{quality['machine']} CPU"
        )
    missed = [figure for figure in figures if figure.passed is False]
    asked = [figure for figure in figures if figure.bar is not None]
    lines = [
        "# Quality of the starter models",
        "",
        "Held-out items only. Pictures: 20 steps of DPM++ 2M at guidance 4, in 16 bit where the processor multiplies "
        "in it, read back by `playground/scores/scene_reader.py`. Text: greedy. Made again by "
        "`python -m playground.starter report`" + (f", which took {seconds / 60:.0f} minutes." if seconds else "."),
        "",
        f"{len(asked) - len(missed)} of {len(asked)} bars are reached.",
        "",
        *table(asked),
        "",
        "## Without a bar",
        "",
        *table([figure for figure in figures if figure.bar is None]),
        "",
        "## Models",
        "",
        *notes,
        "",
        "## Training",
        "",
        *losses,
        "",
    ]
    (assets / "REPORT.md").write_text("\n".join(lines))
    (assets / "REPORT.json").write_text(json.dumps(models, indent=1) + "\n")
    return figures


def report(assets: Path, share: float = 1.0, measure_anew: bool = True) -> list[Figure]:
    """Measure all models, or with `measure_anew` False gather what was measured, and write the report."""
    began = time.perf_counter()
    if measure_anew:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            for done in [pool.submit(measure, name, assets / name, share) for name in MODELS]:
                done.result()
    return write_report(assets, time.perf_counter() - began if measure_anew else None)
