"""Find the ground of a picture of the image world: its kind, its colours, and how it looks without objects.

Every kind of ground is a known share of a second colour at each pixel, so a ground is two colours fitted to the rim,
where few objects reach. Knows nothing of shapes or objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from playground.scores.palette import NAMES, Plane, nearest_colour, palette_rgb
from playground.starter.grounds import draw_ground
from playground.starter.world import Ground

Mask = NDArray[np.bool_]

_PATTERNS = (("stripes", "vertical"), ("stripes", "horizontal"), ("dots", None), ("checks", None))
_GRADIENTS = (("gradient", "vertical"), ("gradient", "horizontal"))
_RIM_SHARE = 0.13
_RIM_PIXELS = 800
# Distances in sRGB from what is expected that are nothing, and that tell no more by being larger still.
_NOISE, _TOLERANCE = 0.05, 0.14
# A kind with more colours must explain this much more of the rim than one with fewer.
_BETTER_BY = 0.04
_DARKEST_SHADE = 0.45
# How soft the edges of a pattern may be, as the standard deviation in pixels of a blur.
_SIGMAS = (0.0, 0.5, 0.8, 1.2, 1.8)
# Misfit at the edges, as a share of the distance of the colours, of one that is where it should be.
_EXACT_MISFIT = 0.12
_SOFT = 1.0
# A shade of the ground that is another colour of the world is an object where it is even.
_EVEN, _LIKE_SHADE, _EVEN_SHARE = 0.05, 0.15, 0.004


@dataclass(frozen=True)
class GroundReading:
    """What is behind the objects, in the words of `playground.starter.world.Ground`."""

    kind: str
    colour: str
    second: str | None = None
    direction: str | None = None


@dataclass(frozen=True)
class GroundFit:
    """A ground and its colours as they were found, in sRGB: `first` and `second` are (3,), `image` (H, W, 3)."""

    reading: GroundReading
    first: Plane
    second: Plane
    image: Plane
    # Whether a pattern's edges are where they should be.
    exact: bool = True
    # How soft those edges are, as the standard deviation in pixels of a blur.
    sigma: float = 0.0

    @property
    def in_second(self) -> Mask:
        """Where a pattern is rather of its second colour, (H, W)."""
        height, width = self.image.shape[:2]
        if self.reading.kind in ("solid", "gradient"):
            return np.zeros((height, width), dtype=bool)
        return second_share(self.reading.kind, self.reading.direction, height, width) > 0.5

    @property
    def at_edges(self) -> Mask:
        """Where the colours of a pattern meet, two pixels to each side, (H, W); nowhere unless softly."""
        height, width = self.image.shape[:2]
        if self.reading.kind in ("solid", "gradient") or self.sigma < _SOFT:
            return np.zeros((height, width), dtype=bool)
        return _edges(self.reading.kind, self.reading.direction, height, width)


@lru_cache(maxsize=64)
def second_share(kind: str, direction: str | None, height: int, width: int) -> Plane:
    """Return how much of the second colour each pixel of a ground has, (H, W) in [0, 1]; not to be written to."""
    black, white = (draw_ground(Ground("solid", name), 1, 1)[0, 0, 0] for name in ("black", "white"))
    drawn = draw_ground(Ground(kind, "black", "white", direction), height, width)[0]
    return (drawn - black) / (white - black)


@lru_cache(maxsize=64)
def _softened(kind: str, direction: str | None, height: int, width: int, sigma: float) -> Plane:
    share = second_share(kind, direction, height, width)
    return ndimage.gaussian_filter(share, sigma) if sigma else share


@lru_cache(maxsize=64)
def _edges(kind: str, direction: str | None, height: int, width: int) -> Mask:
    """Return where a pattern's colours meet, two pixels to each side, (H, W)."""
    share = second_share(kind, direction, height, width)
    return ndimage.maximum_filter(share, 5) - ndimage.minimum_filter(share, 5) > 0.1


@lru_cache(maxsize=8)
def _rim(height: int, width: int) -> NDArray[np.intp]:
    """Return some hundreds of pixels near the border as flat indices."""
    edge = max(2, round(_RIM_SHARE * min(height, width)))
    rim = np.ones((height, width), dtype=bool)
    rim[edge:-edge, edge:-edge] = False
    at = np.flatnonzero(rim)
    return np.random.default_rng(0).permutation(at)[:_RIM_PIXELS]


def _misfit(pixels: Plane, expected: Plane) -> float:
    off = np.linalg.norm(pixels - expected, axis=-1)
    return float(np.clip((off - _NOISE) / (_TOLERANCE - _NOISE), 0, 1).mean())


def _fit_gradient(pixels: Plane, share: Plane) -> tuple[Plane, Plane]:
    """Fit the two ends of a gradient by least squares, again and again with less weight for what stands off."""
    terms = np.stack((1 - share, share), -1)
    weight = np.ones(len(pixels), dtype=np.float32)
    for _ in range(8):
        ends = np.linalg.solve(
            (terms * weight[:, None]).T @ terms + 1e-4 * np.eye(2), (terms * weight[:, None]).T @ pixels
        )
        off = np.linalg.norm(pixels - terms @ ends, axis=-1)
        scale = max(float(np.median(off)), 0.02)
        weight = (1 / (1 + (off / scale) ** 2) ** 2).astype(np.float32)
    first, second = np.clip(ends, 0, 1).astype(np.float32)
    return first, second


def fit_ground(pixels: Plane) -> GroundFit:
    """Find the ground of a picture (H, W, 3) in [0, 1]."""
    height, width = pixels.shape[:2]
    at = _rim(height, width)
    rim = pixels.reshape(-1, 3)[at]
    only = np.median(rim, axis=0)
    name = nearest_colour(only)
    best = GroundReading("solid", name)
    best_misfit = _misfit(rim, only)
    ends = (only, only)
    floor = best_misfit - _BETTER_BY
    for kind, direction in _PATTERNS + _GRADIENTS:
        if floor <= 0 or best_misfit <= _BETTER_BY:
            break
        share = second_share(kind, direction, height, width).reshape(-1)[at]
        if kind == "gradient":
            kept = np.ones(share.shape, dtype=bool)
            first, second = _fit_gradient(rim, share)
        else:
            # Blocky and painted patterns have their edges elsewhere.
            kept = ~_edges(kind, direction, height, width).reshape(-1)[at]
            first, second = (np.median(rim[kept & part], axis=0) for part in (share < 0.5, share >= 0.5))
        names = nearest_colour(first), nearest_colour(second)
        misfit = _misfit(rim[kept], (first + share[:, None] * (second - first))[kept])
        if names[0] != names[1] and misfit < min(floor, best_misfit):
            best, best_misfit, ends = GroundReading(kind, *names, direction), misfit, (first, second)
    first, second = ends
    if best.second is None:
        return GroundFit(best, first, second, np.broadcast_to(first, pixels.shape))
    line = second - first
    if best.kind == "gradient":
        share = second_share(best.kind, best.direction, height, width)
        return GroundFit(best, first, second, first + share[..., None] * line)
    seen = _edges(best.kind, best.direction, height, width).reshape(-1)[at]
    fits = []
    for sigma in _SIGMAS:
        share = _softened(best.kind, best.direction, height, width, sigma)
        off = _norm(rim[seen] - first - share.reshape(-1, 1)[at][seen] * line)
        fits.append((float(np.median(off)) / max(float(_norm(line)), 1e-3), sigma))
    misfit, sigma = min(fits)
    share = _softened(best.kind, best.direction, height, width, sigma)
    return GroundFit(best, first, second, first + share[..., None] * line, misfit < _EXACT_MISFIT, sigma)


def _norm(difference: Plane) -> Plane:
    return np.sqrt(np.einsum("...c,...c->...", difference, difference))


def _shaded(pixels: Plane, colour: Plane) -> Plane:
    """Return what shade of a colour is nearest to each pixel."""
    along = np.einsum("...c,...c->...", pixels, colour) / np.maximum(np.einsum("...c,...c->...", colour, colour), 1e-3)
    return np.clip(along, _DARKEST_SHADE, 1)[..., None] * colour


def departure(pixels: Plane, fit: GroundFit, *, shaded: bool = False) -> Plane:
    """Return how far each pixel is from being ground, or a shadow on it, (H, W) in sRGB.

    Edges of a pattern may lie a little off where they should.
    """

    def from_colour(colour: Plane) -> Plane:
        return _norm(pixels - (_shaded(pixels, colour) if shaded else colour))

    off = from_colour(fit.image)
    if fit.reading.second is not None and fit.reading.kind != "gradient" and not fit.exact:
        off = np.minimum(off, np.minimum(from_colour(fit.first), from_colour(fit.second)))
        edges = _edges(fit.reading.kind, fit.reading.direction, *pixels.shape[:2])
        line = fit.second - fit.first
        along = np.clip((pixels[edges] - fit.first) @ line / max(float(line @ line), 1e-3), 0, 1)
        mixed = fit.first + along[:, None] * line
        off[edges] = np.minimum(off[edges], _norm(pixels[edges] - (_shaded(pixels[edges], mixed) if shaded else mixed)))
    if shaded:
        even = _even_parts(pixels, fit)
        off = np.where(even, _norm(pixels - fit.image), off)
    return off


def colours_like_shades(fit: GroundFit) -> list[Plane]:
    """Return the colours of the world, other than the ground's, that look like shadows on it, each (3,)."""
    taken = (fit.reading.colour, fit.reading.second)

    def is_like(colour: Plane) -> bool:
        return min(float(_norm(colour - _shaded(colour, ground))) for ground in (fit.first, fit.second)) < _LIKE_SHADE

    named = zip(NAMES, palette_rgb(), strict=True)
    return [colour for name, colour in named if name not in taken and is_like(colour)]


def _even_parts(pixels: Plane, fit: GroundFit) -> Mask:
    """Return where a colour of the world that is like a shade of the ground is too even to be a shadow."""
    found = np.zeros(pixels.shape[:2], dtype=bool)
    smooth = ndimage.uniform_filter(pixels, (3, 3, 1))
    for colour in colours_like_shades(fit):
        even = ndimage.binary_opening(_norm(smooth - colour) < _EVEN, np.ones((5, 5)))
        if even.mean() > _EVEN_SHARE:
            found |= ndimage.binary_dilation(even, iterations=2) & (_norm(pixels - colour) < 2 * _EVEN)
    return found
