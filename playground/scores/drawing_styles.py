"""Tell from the pixels of a picture whether its objects are hatched in pencil or made of blocks; knows no shapes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from playground.scores.grounds import Mask
from playground.scores.palette import Plane
from playground.starter.styles import PENCIL_PERIOD

_HATCH = 0.065
_BEVEL = 0.12
_FEWEST = 30
_EDGE_SHADE = 0.72


def _bends(pixels: Plane, inside: Mask, down: int, across: int) -> Plane:
    """Return how far each pixel inside is from the mean of two on opposite sides, so many pixels away, if inside too.

    Unlike a difference, this is nothing on the slope of a shadow.
    """
    height, width = inside.shape
    reach = abs(across)
    middle = slice(down, height - down), slice(reach, width - reach)
    before = slice(0, height - 2 * down), slice(reach - across, width - reach - across)
    after = slice(2 * down, height), slice(reach + across, width - reach + across)
    all_inside = inside[middle] & inside[before] & inside[after]
    off = pixels[middle][all_inside] - (pixels[before][all_inside] + pixels[after][all_inside]) / 2
    return np.sqrt(np.einsum("nc,nc->n", off, off))


def _steps(pixels: Plane, inside: Mask, down: int, across: int) -> Plane:
    """Return how far each pixel inside is from the one so many pixels down and to the right, if that is inside too."""
    both = inside[:-down, :-across] & inside[down:, across:]
    off = pixels[down:, across:][both] - pixels[:-down, :-across][both]
    return np.sqrt(np.einsum("nc,nc->n", off, off))


def is_hatched(pixels: Plane, inside: Mask) -> bool:
    """Tell whether the inside of objects is hatched: unlike along one diagonal, alike along the other and a period on.

    Takes the picture (H, W, 3) as large as it came, since hatching has the same period in pixels at every size.
    """
    half = PENCIL_PERIOD // 4
    for depth in (3, 2, 1):
        core = ndimage.binary_erosion(inside, iterations=depth)
        crosswise, along = (_bends(pixels, core, half, across) for across in (half, -half))
        period_on = _steps(pixels, core, 2 * half, 2 * half)
        if min(len(crosswise), len(along), len(period_on)) >= _FEWEST:
            alike = max(float(np.median(along)), 0.6 * float(np.median(period_on)))
            return float(np.median(crosswise)) > max(_HATCH, 1.25 * alike)
    return False


def is_in_blocks(departure: Plane, block: int, second: Mask) -> bool:
    """Tell whether the objects of a picture are made of blocks of so many pixels: edges lie where blocks meet.

    `departure` (H, W) is how far each pixel is from the ground; where the ground has its `second` colour begin, what
    it is measured from changes, so that edges there do not count.
    """
    on, all_of_it = 0.0, 0.0
    for axis in (0, 1):
        turns = np.diff(second.astype(np.int8), axis=axis) != 0
        steps = np.abs(np.diff(departure, axis=axis))
        steps = np.where((steps > 0.08) & ~ndimage.maximum_filter(turns, 3), steps, 0).sum(1 - axis)
        at_border = (np.arange(1, len(steps) + 1) % block) == 0
        on += float(steps[at_border].sum())
        all_of_it += float(steps.sum())
    return all_of_it > 0 and on / all_of_it > 0.5 + 0.5 / block


def is_bevelled(pixels: Plane, inside: Mask, block: float) -> bool:
    """Tell whether an object (H, W, 3) is lighter along its top and left than along its bottom and right."""
    by = max(1, round(block))
    around = np.pad(inside, by)
    height, width = inside.shape

    def shifted(down: int, across: int) -> Mask:
        return around[by + down : by + down + height, by + across : by + across + width]

    core = ndimage.binary_erosion(inside)
    dark = core & ~(shifted(by, 0) & shifted(0, by))
    light = core & ~(shifted(-by, 0) & shifted(0, -by)) & ~dark
    if min(dark.sum(), light.sum()) < _FEWEST:
        return False
    difference = np.median(pixels[light], axis=0) - np.median(pixels[dark], axis=0)
    return float(difference.min()) > _BEVEL


def is_edged(pixels: Plane, inside: Mask, ink: Plane) -> bool:
    """Tell whether much of an object's pixels (H, W, 3) are as much darker than its colour as a pencil's edge line."""
    edge = np.float32(_EDGE_SHADE) * ink
    apart = float(np.linalg.norm(ink - edge))
    off = np.linalg.norm(pixels[inside] - edge, axis=-1)
    return apart > 0.15 and float((off < 0.35 * apart).mean()) > 0.2
