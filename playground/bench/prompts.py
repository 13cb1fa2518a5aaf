"""Whether a weight and a negative prompt move pictures the way they say, by CLIPScore.

By the shipped models. Each seed is painted three times with the same noise: the plain prompt, the prompt with some
words at weight 1.5, and the plain prompt with those words as negative prompt. Scored are these words alone.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from playground.catalog import load_catalog
from playground.local_engine import LocalEngine
from playground.models.download import locate
from playground.protocol import CancelToken, Failed, Image, ImageRequest
from playground.scores.clip import ClipScorer
from playground.settings import load_settings

MODEL, SCORER = "starter-sd", "starter-clip"
WEIGHT = 1.5
SEED = 100
PAIRS = (
    ("red", "circle", "blue", "star"),
    ("green", "triangle", "yellow", "square"),
    ("purple", "heart", "orange", "circle"),
    ("blue", "square", "red", "triangle"),
    ("yellow", "star", "green", "heart"),
)


@dataclass(frozen=True)
class Moved:
    """Mean CLIPScore (0 to 100) to some words without and with one change of the prompt, over `n` seeds.

    `error` is the standard error of the mean difference; `right_way` is the share of seeds that moved as they should.
    """

    change: str
    n: int
    plain: float
    changed: float
    difference: float
    error: float
    right_way: float

    def line(self) -> str:
        return (
            f"{self.change:24s} n = {self.n}: CLIPScore to the words {self.plain:.2f} -> {self.changed:.2f} "
            f"({self.difference:+.2f}, standard error {self.error:.2f}); {self.right_way:.0%} of seeds moved that way"
        )


def measure_prompts(seeds: int = 50, steps: int | None = None) -> list[Moved]:
    """Both figures over so many seeds; `steps` None means the model's own.

    Raises:
        RuntimeError: a picture failed.
    """
    catalog = load_catalog()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings([]).model_copy(update={"data_dir": Path(folder), "offline": True})
        engine = LocalEngine(settings, catalog)
        try:
            rows = asyncio.run(_all(engine, seeds, steps))
        finally:
            engine.close()
    scorer = ClipScorer(locate(catalog[SCORER], settings))
    scores = [scorer.score(pictures, [word] * len(pictures)) for word, pictures in rows]
    plain, weighted, negated = ([row[i] for row in scores] for i in range(3))
    return [_moved(f"(words:{WEIGHT})", plain, weighted, 1), _moved("negative prompt: words", plain, negated, -1)]


def scene(index: int) -> tuple[str, str, str]:
    """Two things in one picture: the words that are weighed, the prompt, and the prompt with the weight."""
    colour, shape, other_colour, other = PAIRS[index % len(PAIRS)]
    word = f"{colour} {shape}"
    rest = f"a {other_colour} {other} on a white background"
    return word, f"a {word} and {rest}", f"a ({word}:{WEIGHT}) and {rest}"


async def _all(engine: LocalEngine, seeds: int, steps: int | None) -> list[tuple[str, list[bytes]]]:
    rows = []
    for index in range(seeds):
        word, plain, weighted = scene(index)
        base = ImageRequest(MODEL, plain, seed=SEED + index, steps=steps, preview_every=0)
        asked = (base, replace(base, prompt=weighted), replace(base, negative_prompt=word))
        rows.append((word, [await _picture(engine, one) for one in asked]))
    return rows


async def _picture(engine: LocalEngine, request: ImageRequest) -> bytes:
    async for event in engine.submit(request, CancelToken()):
        if isinstance(event, Failed):
            raise RuntimeError(f"{request.prompt!r} failed: {event.error}")
        if isinstance(event, Image):
            return event.png
    raise RuntimeError(f"{request.prompt!r} gave no picture")


def _moved(change: str, plain: list[float], changed: list[float], sign: int) -> Moved:
    moves = [b - a for a, b in zip(plain, changed, strict=True)]
    n = len(moves)
    error = statistics.stdev(moves) / n**0.5 if n > 1 else float("nan")
    right = sum(move * sign > 0 for move in moves) / n
    return Moved(change, n, statistics.mean(plain), statistics.mean(changed), statistics.mean(moves), error, right)
