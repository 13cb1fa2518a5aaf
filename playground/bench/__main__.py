"""`python -m playground.bench NAME [--runs N] [--items N] [--steps N] [--json]`: figures on the standard output."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playground.bench.loader import Compared

NAMES = {
    "startup": "from the command to the page, a token, a picture",
    "loader": "leases, loads, sharing and switching against the plain library calls",
    "chat": "many users, a second turn, one user against plain generate, two columns",
    "images": "the engine and HTTP against the bare pipeline, default settings, a batch of four, previews",
    "previews": "what previews cost of a run, and fitting their map once",
    "classify": "texts a second and latency of a text, for the shipped text models",
    "batches": "a prefix that prompts share, and reasoning once for prompts that are much alike",
    "speculation": "guessed tokens: speed with and without prompt lookup and a draft model, and how many were right",
    "structured": "answers bound by a schema: what that costs a token, and how 200 random schemas end",
    "thinking": "auto depth and stable drafts against always-high, thoughts kept against dropped on turn two",
    "prompts": "whether a weight and a negative prompt move the CLIPScore to a word the right way",
    "adapters": "LoRAs on and off the shipped picture model, against loading it anew; a picture with and without",
    "working-memory": "estimated against measured bytes of activations",
    "real-shapes": "full-size models of random weights: estimated against actual bytes, and a picture in little memory",
}


def main() -> None:
    """Runs one benchmark and prints a line a figure, or JSON."""
    what = "; ".join(f"{name}: {text}" for name, text in NAMES.items())
    parser = argparse.ArgumentParser(prog="python -m playground.bench", description="Benchmarks of the app.")
    parser.add_argument("name", choices=list(NAMES), help=what)
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind (default 5)")
    parser.add_argument("--items", type=int, help="questions of thinking (default 200), seeds of prompts (default 50)")
    parser.add_argument("--steps", type=int, help="sampler steps of prompts (default: the model's own)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    measures = {
        "startup": _startup,
        "loader": _loader,
        "chat": _chat,
        "images": _images,
        "previews": _previews,
        "classify": _classify,
        "batches": _batches,
        "speculation": _speculation,
        "structured": _structured,
        "thinking": lambda _, as_json: _thinking(arguments.items or 200, as_json),
        "prompts": lambda _, as_json: _prompts(arguments.items or 50, arguments.steps, as_json),
        "adapters": _adapters,
        "working-memory": _working,
        "real-shapes": _shapes,
    }
    measures[arguments.name](arguments.runs, arguments.json)


def _startup(runs: int, as_json: bool) -> None:
    from playground.bench.startup import measure_startup

    figures = asdict(measure_startup(runs))
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:20s} {value:10.3f}" if isinstance(value, float) else f"{name:20s} {value:10d}")


def _loader(runs: int, as_json: bool) -> None:
    from playground.bench.loader import measure_loader

    _compared(measure_loader(runs), as_json)


def _chat(runs: int, as_json: bool) -> None:
    from playground.bench.chat import measure_chat

    _compared(measure_chat(runs), as_json)


def _images(runs: int, as_json: bool) -> None:
    from playground.bench.images import measure_images

    figures, said = measure_images(runs)
    _compared(figures, as_json)
    if not as_json:
        print("\n".join(said))


def _previews(runs: int, as_json: bool) -> None:
    from playground.bench.previews import measure_previews

    _compared(measure_previews(runs), as_json)


def _classify(runs: int, as_json: bool) -> None:
    from playground.bench.classify import measure_classify

    found = measure_classify()
    print(json.dumps([asdict(one) for one in found], indent=2) if as_json else "\n".join(one.line() for one in found))


def _batches(runs: int, as_json: bool) -> None:
    from playground.bench.batches import measure_batches

    figures, said = measure_batches(runs)
    _compared(figures, as_json)
    if not as_json:
        print("\n".join(said))


def _speculation(runs: int, as_json: bool) -> None:
    from playground.bench.speculation import measure_speculation

    _compared(measure_speculation(runs), as_json)


def _structured(runs: int, as_json: bool) -> None:
    from playground.bench.structured import measure_structured

    _compared(measure_structured(runs), as_json)


def _thinking(items: int, as_json: bool) -> None:
    from playground.bench.thinking import measure_thinking

    _compared(measure_thinking(items), as_json)


def _prompts(seeds: int, steps: int | None, as_json: bool) -> None:
    from playground.bench.prompts import measure_prompts

    found = measure_prompts(seeds, steps)
    print(json.dumps([asdict(one) for one in found], indent=2) if as_json else "\n".join(one.line() for one in found))


def _adapters(runs: int, as_json: bool) -> None:
    from playground.bench.adapters import measure_adapters

    figures, said = measure_adapters(runs)
    _compared(figures, as_json)
    if not as_json:
        print("\n".join(said))


def _compared(figures: list[Compared], as_json: bool) -> None:
    rows: list[dict[str, Any]] = [asdict(figure) | {"ratio": figure.ratio} for figure in figures]
    print(json.dumps(rows, indent=2) if as_json else "\n".join(figure.line() for figure in figures))


def _working(runs: int, as_json: bool) -> None:
    from playground.bench.working_memory import main as measure

    measure(["--json"] if as_json else [])


def _shapes(runs: int, as_json: bool) -> None:
    from playground.bench.real_shapes import report

    report(as_json)


if __name__ == "__main__":
    main()
