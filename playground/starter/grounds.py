"""What is behind the objects: solid colours, gradients, stripes, dots and checks, as planes of RGB; no torch.

Patterns are as large as an autoencoder of factor 8 can keep: a stripe or a check is an eighth of the shorter side.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from playground.starter.colours import COLOURS
from playground.starter.shapes import Plane, cover
from playground.starter.world import Ground

BANDS_ACROSS = 8
# A dot in each square of two bands, this much of the square's side in radius.
DOT_RADIUS = 0.26
GRADIENT_STEPS = 8


def _bands(at: Plane, band: float) -> Plane:
    """Return the distance from the second colour's bands, negative inside, at places along one axis."""
    from_middle = np.abs(np.remainder(at, 2 * band) - np.float32(1.5 * band))
    return (from_middle - np.float32(band / 2)).astype(np.float32)


@lru_cache(maxsize=64)
def _second_share(kind: str, direction: str | None, height: int, width: int, blocky: bool) -> Plane:
    """Return how much of the second colour each pixel has, (height, width) in [0, 1]; not to be written to."""
    across = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
    down = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    side = min(height, width)
    band = side / BANDS_ACROSS
    if kind == "gradient":
        share = down / np.float32(height) if direction == "vertical" else across / np.float32(width)
        if blocky:
            share = (np.floor(share * GRADIENT_STEPS) + np.float32(0.5)) / np.float32(GRADIENT_STEPS)
    elif kind == "stripes":
        share = cover(_bands(across if direction == "vertical" else down, band))
    elif kind == "checks":
        in_columns, in_rows = (2 * cover(_bands(at, band)) - 1 for at in (across, down))
        share = (1 - in_columns * in_rows) / 2
    elif kind == "dots":
        cell = 2 * band
        from_x, from_y = (np.remainder(at, cell) - cell / 2 for at in (across, down))
        share = cover((np.hypot(from_x, from_y) - DOT_RADIUS * cell).astype(np.float32))
    else:
        raise ValueError(f"no second colour on a ground of kind {kind!r}")
    if blocky and kind != "gradient":
        share = np.round(share)
    return np.broadcast_to(share.astype(np.float32), (height, width))


def rgb(colour: str) -> Plane:
    """Return a colour by name as (3, 1, 1) sRGB in [0, 1]."""
    return np.array(COLOURS[colour], dtype=np.float32)[:, None, None]


def draw_ground(ground: Ground, height: int, width: int, *, blocky: bool = False) -> Plane:
    """Draw a ground as (3, height, width) sRGB in [0, 1]; `blocky` has hard edges and gradients in steps."""
    canvas = np.empty((3, height, width), dtype=np.float32)
    canvas[:] = rgb(ground.colour)
    if ground.second is not None:
        share = _second_share(ground.kind, ground.direction, height, width, blocky)
        canvas += share * (rgb(ground.second) - rgb(ground.colour))
    return canvas
