"""Tell which shape of the image world a mask is, by fitting the place and size of each and comparing the overlap.

Templates are drawn from the shapes' own distance functions, filled and as outlines, never rotated. Knows no colours
and no scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from playground.scores.palette import Plane
from playground.starter.layouts import NEVER_OUTLINED, STROKE
from playground.starter.shapes import DISTANCES

_COARSE, _FINE = 24, 40
_KEPT, _KEPT_IN_BLOCKS, _NEAR = 5, 9, 0.12
_STEPS = 4
# Widths in pixels of the edges of a mask.
_SOFTNESSES = (1.5, 2.5, 4.0, 5.5, 7.0)


@dataclass(frozen=True)
class ShapeFit:
    """A shape laid over a mask; x, y and radius in pixels of the mask, `overlap` in [0, 1], best first."""

    shape: str
    outline: bool
    x: float
    y: float
    radius: float
    overlap: float
    softness: float
    # Mean distance in pixels between the edges of the shape and of the mask.
    edge_error: float

    def cover(self, height: int, width: int) -> Plane:
        """Return how much of each pixel of a mask (height, width) the shape covers."""
        template = next(one for one in _templates() if (one.shape, one.outline) == (self.shape, self.outline))
        return _Target(
            np.zeros((height, width), np.float32),
            np.ones((height, width), np.float32),
            max(height, width),
            self.softness,
        ).cover(template, self.x, self.y, self.radius, scaled=False)


@dataclass(frozen=True)
class _Template:
    shape: str
    outline: bool
    # Area, middle and root mean square distance from it, in units of the radius.
    area: float
    x: float
    y: float
    spread: float

    def distance(self, across: Plane, down: Plane) -> Plane:
        off = DISTANCES[self.shape](across, down)
        return np.maximum(off, -(off + np.float32(STROKE))) if self.outline else off


def _moments(x: Plane, y: Plane, share: Plane | float = 1.0) -> tuple[float, float, float]:
    """Return the middle of some places and their root mean square distance from it, weighted by their share."""
    share = np.broadcast_to(np.float32(share), x.shape)
    middle_x, middle_y = float(np.average(x, weights=share)), float(np.average(y, weights=share))
    return middle_x, middle_y, float(np.average((x - middle_x) ** 2 + (y - middle_y) ** 2, weights=share)) ** 0.5


@cache
def _templates() -> tuple[_Template, ...]:
    at = np.linspace(-1.3, 1.3, 261, dtype=np.float32)
    across, down = np.meshgrid(at, at)
    found = []
    for shape in DISTANCES:
        for outline in (False, True):
            if outline and shape in NEVER_OUTLINED:
                continue
            inside = _Template(shape, outline, 1, 0, 0, 0).distance(across, down) < 0
            area = float(inside.sum()) * float(at[1] - at[0]) ** 2
            found.append(_Template(shape, outline, area, *_moments(across[inside], down[inside])))
    return tuple(found)


class _Target:
    """A mask sampled every `step` pixels."""

    def __init__(self, alpha: Plane, weight: Plane, side: int, softness: float) -> None:
        height, width = alpha.shape
        self.step = step = max(1, -(-max(height, width) // side))
        rows, columns = (size // step * step for size in (height, width))
        blocks = (rows // step, step, columns // step, step)
        self.alpha = alpha[:rows, :columns].reshape(blocks).mean((1, 3))
        self.weight = weight[:rows, :columns].reshape(blocks).mean((1, 3))
        self.across = (np.arange(columns // step, dtype=np.float32)[None, :] + np.float32(0.5)) * step
        self.down = (np.arange(rows // step, dtype=np.float32)[:, None] + np.float32(0.5)) * step
        self.ramp = max(softness, float(step))

    def cover(self, template: _Template, x: float, y: float, radius: float, *, scaled: bool = True) -> Plane:
        across, down = (
            (self.across - np.float32(x)) / np.float32(radius),
            (self.down - np.float32(y)) / np.float32(radius),
        )
        scale = np.float32(radius / self.ramp)
        off = DISTANCES[template.shape](across, down)
        filled = np.clip(0.5 - off * scale, 0, 1)
        if not template.outline:
            return filled
        # A line thinner than its soft edges nowhere reaches its colour; masks are scaled to their highest, too.
        line = filled - np.clip(0.5 - (off + np.float32(STROKE)) * scale, 0, 1)
        return line / np.float32(min(1, max(STROKE * float(scale), 0.3))) if scaled else line

    def overlap(self, cover: Plane) -> float:
        shared = (self.weight * np.minimum(self.alpha, cover)).sum()
        return float(shared / ((self.weight * np.maximum(self.alpha, cover)).sum() + 1e-6))

    def edge_error(self, cover: Plane) -> float:
        """Return the mean distance in pixels between the edges of a cover and of the mask."""
        right, down = _slopes(cover, self.step)
        length = (self.weight * np.sqrt(right**2 + down**2)).sum()
        return float((self.weight * np.abs(self.alpha - cover)).sum() / (length + 1e-6))


def _slopes(plane: Plane, step: float) -> tuple[Plane, Plane]:
    """Return how a plane (H, W) grows to the right and downwards per pixel, 0 at its borders."""
    right, down = np.zeros_like(plane), np.zeros_like(plane)
    scale = np.float32(0.5 / step)
    right[:, 1:-1] = (plane[:, 2:] - plane[:, :-2]) * scale
    down[1:-1] = (plane[2:] - plane[:-2]) * scale
    return right, down


def _refine(target: _Target, template: _Template, x: float, y: float, radius: float) -> ShapeFit:
    """Move and scale a template by Gauss-Newton steps on the squared difference of the masks."""
    best = ShapeFit(template.shape, template.outline, x, y, radius, 0.0, target.ramp, 0.0)
    for step in range(_STEPS):
        cover = target.cover(template, x, y, radius)
        overlap = target.overlap(cover)
        if overlap > best.overlap:
            error = target.edge_error(cover)
            best = ShapeFit(template.shape, template.outline, x, y, radius, overlap, target.ramp, error)
        if step == _STEPS - 1 or overlap < best.overlap - 0.02:
            break
        right, down = _slopes(cover, target.step)
        outwards = ((target.across - x) * right + (target.down - y) * down) / radius
        terms = np.stack((right.ravel(), down.ravel(), outwards.ravel()))
        weighted = terms * target.weight.ravel()
        off = weighted @ (cover - target.alpha).ravel()
        by_x, by_y, by_radius = np.linalg.solve(weighted @ terms.T + 1e-3 * np.eye(3), off).tolist()
        x, y, radius = x + by_x, y + by_y, radius + by_radius
        if not 1 < radius < 4 * best.radius or abs(by_x) + abs(by_y) + abs(by_radius) < 0.02:
            break
    return best


def _starts(alpha: Plane, weight: Plane, softness: float) -> list[tuple[float, _Template, float, float, float]]:
    """Return how well each template of the same middle and extent overlaps a mask, with x, y and radius, best first."""
    total = float(alpha.sum())
    down, across = np.nonzero(alpha)
    middle_x, middle_y, spread = _moments(across + 0.5, down + 0.5, alpha[down, across])
    target = _Target(alpha, weight, _COARSE, softness)
    starts = []
    for template in _templates():
        # Soft edges make lines wider, so that their area says little.
        radius = spread / template.spread if template.outline else (total / template.area) ** 0.5
        radius = max(radius, 1.0)
        x, y = middle_x - template.x * radius, middle_y - template.y * radius
        starts.append((target.overlap(target.cover(template, x, y, radius)), template, x, y, radius))
    return sorted(starts, key=lambda start: -start[0])


def fit_shapes(alpha: Plane, weight: Plane) -> list[ShapeFit]:
    """Return the shapes that fit a soft mask (H, W) in [0, 1] best, best first; at least one.

    Pixels of weight 0 (another object covers them, say) tell nothing but where the middle is and how large it is.
    How soft the mask's edges are is found too, as what suits the first shapes tried best.
    """
    starts = _starts(alpha, weight, _SOFTNESSES[0])
    target = _Target(alpha, weight, _FINE, _SOFTNESSES[0])
    first = max((_refine(target, *start[1:]) for start in starts[:2]), key=lambda fit: fit.overlap)
    template = next(one for one in _templates() if (one.shape, one.outline) == (first.shape, first.outline))
    targets = [_Target(alpha, weight, _FINE, softness) for softness in _SOFTNESSES]
    target = max(targets, key=lambda one: one.overlap(one.cover(template, first.x, first.y, first.radius)))
    least = starts[0][0] - _NEAR
    fits = [_refine(target, *start[1:]) for start in starts[:_KEPT] if start[0] >= least]
    return sorted(fits, key=lambda fit: -fit.overlap)


def _block_means(plane: Plane, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Plane:
    """Return the mean of a plane over each block; rows and columns (H,) and (W,) tell which block a pixel is in."""
    size = rows[-1] + 1, columns[-1] + 1
    at = rows[:, None] * size[1] + columns[None, :]
    sums = np.bincount(at.ravel(), plane.ravel(), size[0] * size[1])
    return (sums / np.bincount(at.ravel(), minlength=size[0] * size[1])).reshape(size).astype(np.float32)


def fit_blocks(alpha: Plane, weight: Plane, block: float, corner: tuple[int, int]) -> list[ShapeFit]:
    """Do what `fit_shapes` does for a picture in blocks of so many pixels: each is of the shape if its middle is.

    `corner` are the row and column of the mask's first pixel in the picture.
    """
    (top, rows), (left, columns) = (
        (int(start / block), ((start + np.arange(size) + 0.5) / block).astype(np.intp) - int(start / block))
        for start, size in zip(corner, alpha.shape, strict=True)
    )
    means, weights = _block_means(alpha, rows, columns), _block_means(weight, rows, columns)
    across = (left + np.arange(means.shape[1], dtype=np.float32) + 0.5) * block - corner[1]
    down = (top + np.arange(means.shape[0], dtype=np.float32) + 0.5) * block - corner[0]
    steps = np.linspace(-0.6, 0.6, 7, dtype=np.float32) * block
    by_x, by_y, by_radius = (grid.reshape(-1, 1, 1) for grid in np.meshgrid(steps, steps, steps))
    fits = []
    starts = _starts(alpha, weight, block)
    for start, template, x, y, radius in starts[:_KEPT_IN_BLOCKS]:
        if start < starts[0][0] - 2 * _NEAR:
            break
        radii = np.maximum(radius + by_radius, 1)
        inside = template.distance((across - x - by_x) / radii, (down[:, None] - y - by_y) / radii) < 0
        shared = (weights * np.where(inside, means, 0)).sum((1, 2))
        either = (weights * np.where(inside, 1, means)).sum((1, 2))
        overlaps = shared / (either + 1e-6)
        # Many places draw the same blocks: their middle is nearest to all of them.
        equal = overlaps >= overlaps.max() - 1e-4
        shift = (float(by[equal].mean()) for by in (by_x, by_y, by_radius))
        place = (x + next(shift), y + next(shift), radius + next(shift))
        most = float(overlaps.max())
        fits.append(ShapeFit(template.shape, template.outline, *place, most, block, 0.0))
    return sorted(fits, key=lambda fit: -fit.overlap)
