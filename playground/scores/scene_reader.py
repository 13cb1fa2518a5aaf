"""Read a picture of the image world back from its pixels: ground, objects, style. No learned model, no network.

It is the ruler of the image models, so no model is trained against it. It finds only what the world holds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from playground.scores.drawing_styles import is_bevelled, is_edged, is_hatched, is_in_blocks
from playground.scores.grounds import GroundFit, GroundReading, departure, fit_ground
from playground.scores.inks import nested_segments, painted_ink, pencil_ink, unmixed_ink
from playground.scores.palette import NAMES, Plane, palette_rgb
from playground.scores.segments import SIDE, Segment, bridged, casts_shadows, cut, eroded, standing_out
from playground.scores.shape_fit import ShapeFit, fit_blocks, fit_shapes
from playground.starter.layouts import CENTRES, RADII
from playground.starter.styles import pixel_size

if TYPE_CHECKING:
    from torch import Tensor

# Shapes that fit worse than this are none that the world holds: by the mean distance of edges in units of the root of
# the radius, both in pixels (filled, outlined), and where edges are uneven, by the overlap.
_LARGEST_ERROR = (0.24, 0.25)
_POOREST_OVERLAP = 0.6
_MOST_OBJECTS = 8
_RIM = 4
Scalar = TypeVar("Scalar", bound=np.generic)
# Hatching and bevels come nearer to the ground than a flat colour does.
_UNEVEN_EDGE_SHARE = 0.2


@dataclass(frozen=True)
class ObjectReading:
    """One object in the words of `playground.starter.world.Item`; shape is None when it is like none of the world.

    x and y are fractions of width and height, y pointing down, radius is one of the shorter side. `confidence` is how
    much of the shape and what was seen overlap, in [0, 1].
    """

    shape: str | None
    colour: str
    size: str
    x: float
    y: float
    radius: float
    outline: bool
    confidence: float


@dataclass(frozen=True)
class SceneReading:
    """What a picture shows: objects from the largest to the smallest; style is None without any."""

    ground: GroundReading
    objects: tuple[ObjectReading, ...]
    style: str | None


def _as_pixels(picture: Tensor) -> tuple[Plane, Plane]:
    """Return a picture (3, H, W) as (H, W, 3) arrays: as it is, and with a shorter side of SIDE pixels."""
    import torch.nn.functional as F

    if picture.ndim != 3 or picture.shape[0] != 3 or min(picture.shape[1:]) < 16:
        raise ValueError(f"picture must be (3, H, W) with sides of 16 or more, got {tuple(picture.shape)}")
    picture = picture.detach().float().cpu().clamp(0, 1)
    height, width = picture.shape[1:]
    scaled = picture
    if min(height, width) != SIDE:
        size = [round(side * SIDE / min(height, width)) for side in (height, width)]
        scaled = F.interpolate(picture[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
    native, working = (np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in (picture, scaled))
    return native, working


def _resized(mask: NDArray[Scalar], height: int, width: int) -> NDArray[Scalar]:
    """Return a plane at another size, by its nearest pixels."""
    rows, columns = (np.arange(new) * old // new for new, old in zip((height, width), mask.shape, strict=True))
    return mask[rows][:, columns]


@dataclass(frozen=True)
class _Style:
    shaded: bool
    hatched: bool
    blocky: bool
    # Side of a block, and of a pixel of the picture as it came, in pixels.
    block: float
    scale: float

    @property
    def name(self) -> str:
        return "pencil" if self.hatched else "pixel" if self.blocky else "shadow" if self.shaded else "flat"

    def is_fit(self, fit: ShapeFit) -> bool:
        """Tell whether an object is as much like a shape as those of the world are."""
        if self.hatched or self.blocky:
            return fit.overlap >= _POOREST_OVERLAP
        return fit.edge_error <= _LARGEST_ERROR[fit.outline] * (max(self.scale, 1) * fit.radius) ** 0.5

    @property
    def spread(self) -> float:
        """How far in pixels what is drawn reaches beyond its shape."""
        return self.scale if self.hatched else 0.0

    @property
    def depth(self) -> float:
        """How far inside an object, in pixels, its colour is to be seen."""
        if self.hatched:
            return 2.5 * self.scale
        return self.block + 0.5 if self.blocky else 2.0


def _read_object(
    pixels: Plane, ground: Plane, segment: Segment, ink: tuple[str, Plane], style: _Style, nested: list[Segment]
) -> ObjectReading:
    alpha, weight = segment.alpha.copy(), segment.weight.copy()
    top, left = (part.start for part in segment.window)
    for inner in nested:
        rows, columns = inner.window
        inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        hidden = inner.alpha > 0
        alpha[inside][hidden], weight[inside][hidden] = 1, 0
    best = (fit_blocks(alpha, weight, style.block, (top, left)) if style.blocky else fit_shapes(alpha, weight))[0]
    height, width = pixels.shape[:2]
    name = ink[0]
    if best.outline and not style.hatched:
        name = unmixed_ink(pixels, ground, segment, best.cover(*alpha.shape))
    return ObjectReading(
        shape=best.shape if style.is_fit(best) else None,
        colour=name,
        size="medium",
        x=(best.x + left) / width,
        y=(best.y + top) / height,
        radius=(best.radius - style.spread) / SIDE,
        outline=best.outline,
        confidence=best.overlap,
    )


def _objects_of(pixels: Plane, fit: GroundFit, segment: Segment, style: _Style) -> list[ObjectReading]:
    def ink_of(part: Segment) -> tuple[str, Plane]:
        return pencil_ink(pixels, part, style.depth) if style.hatched else painted_ink(pixels, part, style.depth)

    ink = ink_of(segment)
    nested = nested_segments(pixels, segment, ink[1], style.name, style.depth)
    ground_names = (fit.reading.colour, fit.reading.second)
    inks = [ink_of(part) for part in nested]
    # Through a narrow hole the ground is seen.
    kept = [(part, its) for part, its in zip(nested, inks, strict=True) if its[0] not in ground_names]
    nested = [part for part, _ in kept]
    behind = np.broadcast_to(ink[1], pixels.shape)
    inner = [_read_object(pixels, behind, part, its, style, []) for part, its in kept]
    return [_read_object(pixels, fit.image, segment, ink, style, nested), *inner]


def _is_pencil_line(pixels: Plane, segment: Segment) -> bool:
    """Tell whether an object is drawn in pencil but too thin to be hatched."""
    if eroded(segment.mask, 4.5).any():
        return False
    name, _ = painted_ink(pixels, segment, 2.0)
    return is_edged(pixels[segment.window], segment.mask, palette_rgb()[NAMES.index(name)])


def _inner(segments: list[Segment], shape: tuple[int, ...]) -> list[Segment]:
    """Return the largest segments but those that lie along the picture's rim, where autoencoders leave seams."""
    inside = np.zeros(shape, bool)
    inside[_RIM:-_RIM, _RIM:-_RIM] = True
    kept = [one for one in segments if (one.mask & inside[one.window]).sum() > 0.3 * one.mask.sum()]
    return kept[:_MOST_OBJECTS]


def read_scene(picture: Tensor) -> SceneReading:
    """Read a picture (3, H, W) in [0, 1]; raises ValueError for anything of another form."""
    native, pixels = _as_pixels(picture)
    height, width = native.shape[:2]
    fit = fit_ground(pixels)
    second = fit.in_second
    off = departure(pixels, fit)
    block = pixel_size(height, width)
    scale = SIDE / min(height, width)
    blocky = is_in_blocks(_resized(off, height, width), block, _resized(second, height, width))
    uneven = standing_out(off, second=second, share=_UNEVEN_EDGE_SHARE)
    hatched = not blocky and is_hatched(native, _resized(uneven, height, width))
    shaded = not blocky and not hatched and casts_shadows(pixels, fit)
    if shaded:
        off = departure(pixels, fit, shaded=True)
    segments = _inner(cut(off, bridged(standing_out(off, second=second), fit.at_edges), second), off.shape)
    if not segments:
        return SceneReading(fit.reading, (), None)
    if not (blocky or hatched):
        largest = segments[0]
        blocky = is_bevelled(pixels[largest.window], largest.mask, block * scale)
        hatched = not blocky and _is_pencil_line(pixels, largest)
    if hatched or blocky:
        found = standing_out(off, second=second, share=_UNEVEN_EDGE_SHARE)
        segments = _inner(cut(off, bridged(found, fit.at_edges), second), off.shape)
    style = _Style(shaded and not hatched and not blocky, hatched, blocky, block * scale, scale)
    objects = [thing for segment in segments for thing in _objects_of(pixels, fit, segment, style)]
    objects.sort(key=lambda thing: -thing.radius)
    return SceneReading(fit.reading, _with_sizes(tuple(objects)), style.name)


def position_of(reading: SceneReading, thing: ObjectReading) -> str:
    """Name the place of an object, in the words of `playground.starter.world.POSITIONS`."""
    return min(CENTRES, key=lambda name: (CENTRES[name][0] - thing.x) ** 2 + (CENTRES[name][1] - thing.y) ** 2)


def relation_of(first: ObjectReading, second: ObjectReading) -> str:
    """Tell how one object stands to another, in the words of `playground.starter.world.RELATIONS`."""
    right, down = first.x - second.x, first.y - second.y
    if first.radius < 0.8 * second.radius and max(abs(right), abs(down)) < 0.6 * second.radius:
        return "inside"
    if abs(right) > abs(down):
        return "right of" if right > 0 else "left of"
    return "below" if down > 0 else "above"


def counts(reading: SceneReading) -> Counter[tuple[str, str | None]]:
    """Count the objects by (colour, shape)."""
    return Counter((thing.colour, thing.shape) for thing in reading.objects)


def _place_of(objects: tuple[ObjectReading, ...], thing: ObjectReading) -> str:
    """Name the place in a layout that an object has, a key of `playground.starter.layouts.RADII`."""
    if len(objects) == 1:
        at_center = max(abs(thing.x - 0.5), abs(thing.y - 0.5)) < 0.115
        return "center" if at_center else "aside"
    others = [other for other in objects if other is not thing]
    if any(relation_of(thing, other) == "inside" for other in others):
        return "inner"
    if any(relation_of(other, thing) == "inside" for other in others):
        return "outer"
    if all((other.shape, other.colour) == (thing.shape, thing.colour) for other in others) or len(objects) > 3:
        return "count"
    return "trio" if len(objects) == 3 else "pair"


def _with_sizes(objects: tuple[ObjectReading, ...]) -> tuple[ObjectReading, ...]:
    def size_of(thing: ObjectReading) -> str:
        radii = RADII[_place_of(objects, thing)]
        return min(radii, key=lambda size: max(radii[size][0] - thing.radius, thing.radius - radii[size][1]))

    return tuple(replace(thing, size=size_of(thing)) for thing in objects)


if __name__ == "__main__":
    from playground.scores.reader_accuracy import main

    main()
