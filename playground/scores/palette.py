"""Names for colours: which colour of the image world an sRGB value looks most like; knows no pictures and no scenes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from playground.starter.colours import COLOURS, lab

Plane = NDArray[np.float32]

NAMES = tuple(COLOURS)
_TO_XYZ = (
    np.array(((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)))
    / np.array((0.9505, 1.0, 1.089))[:, None]
).astype(np.float32)


@cache
def palette_rgb() -> Plane:
    """Return the colours of the world as sRGB (colours, 3), in the order of NAMES."""
    return np.array(list(COLOURS.values()), dtype=np.float32)


def lab_of(rgb: Plane) -> Plane:
    """Return CIELAB (D65) of sRGB values (..., 3) in [0, 1]."""
    rgb = np.clip(rgb, 0, 1)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = linear @ _TO_XYZ.T
    t = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    x, y, z = t[..., 0], t[..., 1], t[..., 2]
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -1).astype(np.float32)


def nearest_colours(rgb: Plane) -> NDArray[np.intp]:
    """Return the index in NAMES of the colour nearest to each of some sRGB values (n, 3), (n,)."""
    off = lab_of(rgb)[:, None, :] - np.array(list(_palette_lab().values()), dtype=np.float32)
    return np.einsum("ncl,ncl->nc", off, off).argmin(1)


@cache
def _palette_lab() -> dict[str, tuple[float, float, float]]:
    return {name: lab(rgb) for name, rgb in COLOURS.items()}


@lru_cache(maxsize=8192)
def _ranked(rgb: tuple[float, ...]) -> tuple[str, ...]:
    here = lab(rgb)
    off = {name: sum((a - b) ** 2 for a, b in zip(here, there, strict=True)) for name, there in _palette_lab().items()}
    return tuple(sorted(off, key=off.__getitem__))


def nearest_colour(rgb: Sequence[float] | Plane, among: Collection[str] = NAMES) -> str:
    """Return the name of the colour, of those allowed, that an sRGB value (3,) is nearest to in CIELAB."""
    rounded = tuple(round(min(max(float(channel), 0.0), 1.0), 2) for channel in rgb)
    return next(name for name in _ranked(rounded) if name in among)
