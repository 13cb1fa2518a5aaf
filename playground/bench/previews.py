"""What previews cost of a run, and what fitting their map costs once, on the shipped model.

The seconds of previews are those that the sampler's own watch takes, so that the noise of a busy machine does not
count as their cost, as it would in a comparison of runs with and without.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playground.bench.images import GUIDANCE, MODEL, SIDE, STEPS, prompt_of
from playground.bench.loader import Compared
from playground.catalog import load_catalog
from playground.images import run as running
from playground.images.preview import fit_factors
from playground.images.request import checked_image
from playground.images.watch import Watch
from playground.models.open import open_pool
from playground.protocol import CancelToken, Event, ImageRequest
from playground.settings import load_settings

EVERY = (1, 2, 5)


def measure_previews(runs: int = 5) -> list[Compared]:
    """Median seconds of previews against those of the whole run, by how often one is made; then the fit."""
    catalog = load_catalog()
    card = catalog[MODEL]
    pool = open_pool(load_settings([]), catalog)
    figures = []
    try:
        with pool.lease(card) as loaded, _watched() as watches:
            fits = []
            for _ in range(runs):
                began = time.perf_counter()
                fit_factors(loaded.components["vae"])  # type: ignore[union-attr]  # the card is an image model's
                fits.append(time.perf_counter() - began)
            for every in EVERY:
                previews, whole = [], []
                for n in range(-1, runs):
                    request = ImageRequest(
                        MODEL, prompt_of(n), width=SIDE, height=SIDE, steps=STEPS, guidance_scale=GUIDANCE,
                        sampler="DPM++ 2M", schedule="Automatic", seed=n + 100, preview_every=every,
                    )  # fmt: skip
                    began = time.perf_counter()
                    running.paint(loaded, checked_image(request, card), CancelToken(), _nothing)  # type: ignore[arg-type]
                    if n >= 0:  # the first one warms up, and fits the map
                        whole.append(time.perf_counter() - began)
                        previews.append(watches[-1].preview_s)
                what = f"previews every {every} of {STEPS} steps"
                figures.append(Compared(what, statistics.median(previews), "s", statistics.median(whole),
                                        "at most 0.03 of the run"))  # fmt: skip
    finally:
        pool.close()
    fit = Compared("fitting the map, once", statistics.median(fits), "s", statistics.median(whole), "under 2 s")
    return [*figures, fit]


def _nothing(event: Event) -> None:
    """Takes an event and leaves it."""


@contextmanager
def _watched() -> Iterator[list[Watch]]:
    """The watches of the runs that are made meanwhile."""
    found: list[Watch] = []

    class Noted(Watch):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            found.append(self)

    plain, running.Watch = running.Watch, Noted  # type: ignore[misc, assignment]
    try:
        yield found
    finally:
        running.Watch = plain  # type: ignore[misc]
