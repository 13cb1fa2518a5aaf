"""Cut what departs from the ground of a picture into objects; knows no shapes and no names of colours.

Works on pictures whose shorter side is `SIDE` pixels; lengths are in its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from playground.scores.grounds import GroundFit, Mask, colours_like_shades
from playground.scores.palette import Plane

SIDE = 128
# Specks smaller than this share of the picture are no objects.
SMALLEST_SHARE = 0.004
_FAINTEST = 0.12
_EDGE_SHARE = 0.4
_MARGIN = 4
# Shadows are softer than this from pixel to pixel, and cover this share of the picture.
_STEEPEST_SHADOW, _SMALLEST_SHADOW = 0.16, 0.004


@dataclass(frozen=True)
class Segment:
    """One object's pixels inside a window of the picture.

    `mask`, `alpha` (how much of a pixel is the object's) and `weight` (0 where another object hides it) are as large
    as the window; `off` is how far each pixel is from what lies behind.
    """

    window: tuple[slice, slice]
    mask: Mask
    alpha: Plane
    weight: Plane
    off: Plane


def disc(radius: int) -> Mask:
    """Return a round structuring element of 2 radius + 1 pixels."""
    at = np.arange(-radius, radius + 1)
    return np.hypot(at[:, None], at[None, :]) <= radius + 0.3


def eroded(mask: Mask, distance: float) -> Mask:
    """Return the pixels of a mask that lie farther than `distance` pixels inside it."""
    return ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] > distance


def _peak(off: Plane, second: Mask | None, side: int) -> Plane:
    """Return the highest of a plane near each pixel, apart for the two colours of a pattern behind."""
    if second is None or not second.any():
        return ndimage.maximum_filter(off, side)
    there, here = (ndimage.maximum_filter(np.where(part, off, 0), side) for part in (second, ~second))
    return np.where(second, there, here)


def standing_out(
    off: Plane, *, second: Mask | None = None, faintest: float = _FAINTEST, share: float = _EDGE_SHARE
) -> Mask:
    """Return what is nearer to the object that it belongs to than to what is behind, given the distance from that.

    `second` is where what is behind has its other colour, from which the object may differ more or less.
    """
    return (off > share * _peak(off, second, 9)) & (off > faintest)


def bridged(found: Mask, edges: Mask) -> Mask:
    """Return a mask with its narrow gaps along the edges of a pattern closed.

    There the pattern passes through mixed colours, which may be those of an object.
    """
    if not edges.any():
        return found
    closed = ndimage.binary_closing(np.pad(found, 4), disc(3))[4:-4, 4:-4]
    return found | (closed & edges)


def _soft(off: Plane, mask: Mask, second: Mask | None) -> Plane:
    """Return the share of each pixel that is the object's, soft at the edges only."""
    near = ndimage.binary_dilation(mask, iterations=2)
    peak = _peak(np.where(mask, off, 0), second, 7)
    alpha = np.where(near, np.clip(off / np.maximum(peak, 1e-3), 0, 1), 0)
    alpha[ndimage.binary_erosion(mask, iterations=2)] = 1
    return alpha.astype(np.float32)


def cut(off: Plane, found: Mask, second: Mask | None = None, smallest: float = SMALLEST_SHARE) -> list[Segment]:
    """Return the connected parts of a mask (H, W), largest first, specks left out."""
    labels, count = ndimage.label(found, np.ones((3, 3)))
    if not count:
        return []
    height, width = found.shape
    least = smallest * height * width
    segments = []
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        if sizes[label] < least / 2:
            continue
        window = (
            slice(max(0, box[0].start - _MARGIN), min(height, box[0].stop + _MARGIN)),
            slice(max(0, box[1].start - _MARGIN), min(width, box[1].stop + _MARGIN)),
        )
        inside = labels[window]
        mask = inside == label
        if ndimage.binary_fill_holes(mask).sum() < least:
            continue
        others = ndimage.binary_dilation((inside != label) & (inside > 0), iterations=2) & ~mask
        alpha = np.where(others, 0, _soft(off[window], mask, None if second is None else second[window]))
        segments.append(Segment(window, mask, alpha.astype(np.float32), (~others).astype(np.float32), off[window]))
    return sorted(segments, key=lambda segment: -int(segment.mask.sum()))


def casts_shadows(pixels: Plane, fit: GroundFit) -> bool:
    """Tell whether some of the ground (H, W, 3) is softly shaded."""
    # Noise is steep as well.
    pixels, ground = ndimage.uniform_filter(pixels, (3, 3, 1)), fit.image
    shade = np.einsum("...c,...c->...", pixels, ground) / np.maximum(np.einsum("...c,...c->...", ground, ground), 1e-3)
    off = pixels - shade[..., None] * ground
    bright = np.einsum("...c,...c->...", ground, ground) > 0.15**2
    like = bright & (shade > 0.47) & (shade < 0.92) & (np.einsum("...c,...c->...", off, off) < 0.05**2)
    for colour in colours_like_shades(fit):
        like &= np.linalg.norm(pixels - colour, axis=-1) > 0.09
    steep = ndimage.maximum_filter(shade, 3) - ndimage.minimum_filter(shade, 3)
    soft = ndimage.binary_opening(like & (steep < _STEEPEST_SHADOW), np.ones((3, 3)))
    return float(soft.mean()) > _SMALLEST_SHADOW
