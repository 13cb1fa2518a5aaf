"""Find the colour that an object is painted in, and other objects that lie on it; knows no shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from playground.scores.palette import NAMES, Plane, nearest_colour, nearest_colours, palette_rgb
from playground.scores.segments import SMALLEST_SHARE, Segment, cut, eroded, standing_out

_FEWEST = 16
_LOOKED_AT = 400
# How far hatching goes from a colour to white, and half as far to black.
_HATCHING = 0.3
# Less than this, in sRGB, is no other colour.
_FAINTEST = 0.15


def _inner_pixels(pixels: Plane, segment: Segment, depth: float) -> Plane:
    """Return the pixels (n, 3) well inside a segment, or those that stand out most of one that is thin."""
    window = pixels[segment.window]
    visible = segment.mask & (segment.weight > 0)
    for deep in (depth, depth / 2, 1.0):
        core = eroded(visible, deep)
        if core.sum() >= _FEWEST:
            break
    else:
        core = visible & (segment.off >= np.quantile(segment.off[visible], 0.7))
    inner = window[core]
    return inner[:: max(1, len(inner) // _LOOKED_AT)]


def painted_ink(pixels: Plane, segment: Segment, depth: float) -> tuple[str, Plane]:
    """Return the colour that most of an object's inside is, by name and as sRGB (3,)."""
    inner = _inner_pixels(pixels, segment, depth)
    nearest = nearest_colours(inner)
    most = int(np.bincount(nearest, minlength=len(NAMES)).argmax())
    return NAMES[most], np.median(inner[nearest == most], axis=0)


def shades_of(ink: Plane, style: str) -> list[Plane]:
    """Return what a colour (3,) may turn into by degrees inside an object drawn in a style."""
    white = np.ones(3, dtype=np.float32)
    if style == "pencil":
        return [ink + np.float32(_HATCHING) * (white - ink), np.float32(1 - _HATCHING / 2) * ink]
    if style == "pixel":
        return [ink + np.float32(0.4) * (white - ink), np.float32(0.7) * ink]
    return [np.float32(0.45) * ink] if style == "shadow" else [ink]


def _along(pixels: Plane, start: Plane, end: Plane) -> tuple[Plane, Plane]:
    """Return how far from one colour to another pixels (..., 3) are, in [0, 1], and how far they are aside."""
    line = end - start
    share = np.clip((pixels - start) @ line / max(float(line @ line), 1e-3), 0, 1).astype(np.float32)
    off = pixels - start - share[..., None] * line
    return share, np.sqrt(np.einsum("...c,...c->...", off, off))


def pencil_ink(pixels: Plane, segment: Segment, depth: float) -> tuple[str, Plane]:
    """Return the colour whose hatching explains an object's inside, by name and as sRGB (3,)."""
    inner = _inner_pixels(pixels, segment, depth)
    cost = {}
    for name, ink in zip(NAMES, palette_rgb(), strict=True):
        costs = []
        for shade in shades_of(ink, "pencil"):
            share, aside = _along(inner, ink, shade)
            low, high = np.quantile(share, (0.1, 0.9))
            costs.append(float(aside.mean()) + 0.5 * float(low + 1 - high) * float(np.linalg.norm(shade - ink)))
        cost[name] = min(costs)
    best = min(cost, key=cost.__getitem__)
    return best, palette_rgb()[NAMES.index(best)]


def unmixed_ink(pixels: Plane, ground: Plane, segment: Segment, cover: Plane) -> str:
    """Return the colour of a thin object whose share of each pixel is known, by least squares over its window."""
    window, behind = pixels[segment.window], ground[segment.window]
    near = ndimage.binary_dilation(segment.mask, iterations=2) & (segment.weight > 0)
    share, seen, back = cover[near][:, None], window[near], behind[near]
    ink = []
    for channel in range(3):
        terms = np.stack((share[:, 0], (1 - share[:, 0]) * back[:, channel]), -1)
        solution, *_ = np.linalg.lstsq(terms, seen[:, channel], rcond=None)
        ink.append(solution[0])
    return nearest_colour(ink)


def nested_segments(pixels: Plane, segment: Segment, ink: Plane, style: str, depth: float) -> list[Segment]:
    """Return the parts of another colour well inside a segment of one colour, as segments of the same picture."""
    window = pixels[segment.window]
    # Where the other colour is much nearer to the ground, the mask has a hole, though the ground is not seen there.
    holes, count = ndimage.label(ndimage.binary_fill_holes(segment.mask) & ~segment.mask)
    painted = [hole for hole in range(1, count + 1) if np.quantile(segment.off[holes == hole], 0.1) > _FAINTEST]
    core = eroded(segment.mask | np.isin(holes, painted), depth + 2) & (segment.weight > 0)
    if not core.any():
        return []
    off = np.minimum.reduce([_along(window, ink, shade)[1] for shade in shades_of(ink, style)])
    off = np.where(core, off, 0)
    found = ndimage.binary_opening(standing_out(off, faintest=_FAINTEST), np.ones((3, 3)))
    nested = cut(off, found, smallest=SMALLEST_SHARE * pixels[..., 0].size / off.size)
    top, left = (part.start for part in segment.window)
    return [
        replace(
            inner,
            window=(
                slice(inner.window[0].start + top, inner.window[0].stop + top),
                slice(inner.window[1].start + left, inner.window[1].stop + left),
            ),
        )
        for inner in nested
    ]
