"""Read a picture of one object back from its pixels: background, colour, shape, place; no learned model.

It measures what a model painted, so it must not be one of the models measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from playground.starter.render import coverage
from playground.starter.scenes import COLOURS, SHAPES

SMALLEST_SHARE = 0.01
_SIDE = 48


@dataclass(frozen=True)
class Reading:
    """What a picture shows; colour and shape are None when no object stands out from the background."""

    background: str
    colour: str | None
    shape: str | None
    x: float | None
    y: float | None
    area: float


def nearest_colours(pixels: Tensor) -> Tensor:
    """Return the index in COLOURS nearest to each pixel of a (3, H, W) picture in [0, 1], (H, W)."""
    palette = torch.tensor(list(COLOURS.values()))
    return torch.cdist(pixels.permute(1, 2, 0).reshape(-1, 3), palette).argmin(1).reshape(pixels.shape[1:])


def _cut_out(mask: Tensor) -> Tensor:
    """Fit the bounding box of a mask (H, W) into a centred square and scale it to (_SIDE, _SIDE)."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].float()
    height, width = part.shape
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    square = F.pad(part, (left, side - width - left, top, side - height - top))
    return F.interpolate(square[None, None], (_SIDE, _SIDE), mode="bilinear", align_corners=False)[0, 0] > 0.5


@cache
def _templates() -> Tensor:
    return torch.stack([_cut_out(coverage(shape, 0.5, 0.5, 0.4) > 0.5) for shape in SHAPES])


def nearest_shape(mask: Tensor) -> str:
    """Return the shape whose outline overlaps a mask (H, W) most, size and place aside."""
    cut = _cut_out(mask)
    shapes = _templates()
    overlap = (shapes & cut).sum((1, 2)) / (shapes | cut).sum((1, 2))
    return SHAPES[int(overlap.argmax())]


def largest_piece(mask: Tensor) -> Tensor:
    """Return the largest connected piece of a mask (H, W): a speck in a corner is no part of the object's outline."""
    from scipy import ndimage

    pieces, count = ndimage.label(mask.numpy())
    if count < 2:
        return mask
    sizes = ndimage.sum_labels(mask.numpy(), pieces, range(1, count + 1))
    return torch.from_numpy(pieces == 1 + int(sizes.argmax()))


def read(picture: Tensor) -> Reading:
    """Read a picture (3, H, W) in [0, 1]; x and y are the middle of the object's box as fractions of the side."""
    names = list(COLOURS)
    height, width = picture.shape[1:]
    edge = max(2, height // 16)
    rim = torch.ones(height, width, dtype=torch.bool)
    rim[edge:-edge, edge:-edge] = False
    indices = nearest_colours(picture)
    ground = int(indices[rim].mode().values)
    ground_colour = picture[:, rim & (indices == ground)].median(1).values
    mask = largest_piece((picture - ground_colour[:, None, None]).norm(dim=0) > 0.25)
    area = mask.float().mean().item()
    inside = F.avg_pool2d(mask.float()[None], 3, stride=1, padding=1)[0] > 0.99
    inked = indices[inside & (indices != ground)]
    if area < SMALLEST_SHARE or not len(inked):
        return Reading(names[ground], None, None, None, None, area)
    rows, columns = mask.any(1).nonzero().float(), mask.any(0).nonzero().float()
    down, across = ((ends.min() + ends.max()).item() / 2 + 0.5 for ends in (rows, columns))
    colour = names[int(inked.mode().values)]
    return Reading(names[ground], colour, nearest_shape(mask), across / width, down / height, area)


def place_of(reading: Reading, margin: float = 0.1) -> str | None:
    """Name the place of what was read in the words of `scenes.POSITIONS`; None without an object."""
    if reading.x is None or reading.y is None:
        return None
    right, down = reading.x - 0.5, reading.y - 0.5
    if max(abs(right), abs(down)) < margin:
        return "center"
    if abs(right) > abs(down):
        return "right" if right > 0 else "left"
    return "bottom" if down > 0 else "top"
