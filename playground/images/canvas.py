"""The geometry of a run that starts from a picture: what the model works on, and how its result is put back.

Knows no torch. The model works on sides that are multiples of 8 near its native size; the user gets the picture's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from playground.catalog import ModelCard
from playground.images import masks
from playground.images.pictures import open_picture, rgb_picture
from playground.images.request import SIDE_STEP, side_limits
from playground.protocol import ImageRequest

_RESIZE = Image.Resampling.LANCZOS
# Models hold together up to about one and a half times the side that they were trained on.
_NATIVE_STRETCH = 1.5


@dataclass(frozen=True)
class Canvas:
    """`work` and `output` are (width, height) in pixels; `box` is the part that is worked on, None for all."""

    picture: Image.Image
    work: tuple[int, int]
    output: tuple[int, int]
    mask: Image.Image | None = None
    box: masks.Box | None = None

    def work_picture(self, fill: bool = False) -> Image.Image:
        """The part to work on at the model's size; `fill` puts blurred surroundings under the mask."""
        picture = self._cut(self.picture).resize(self.work, _RESIZE)
        if not fill or self.mask is None:
            return picture
        # Resizing bleeds masked colours a little way over the mask's edge.
        return masks.filled(picture, self._small_mask().filter(ImageFilter.MaxFilter(5)))

    def work_mask(self, factor: int) -> Image.Image:
        """The mask at the model's size, black and white, grown to whole latent cells."""
        return masks.cells(self._small_mask(), factor)

    def finished(self, painted: Image.Image, feather: int) -> Image.Image:
        """The model's picture put back: at the output's size and, with a mask, over the untouched original."""
        if self.mask is None:
            return painted if painted.size == self.output else painted.resize(self.output, _RESIZE)
        if self.box is None:
            whole = painted.resize(self.output, _RESIZE) if painted.size != self.output else painted
        else:
            whole = self.picture.copy()
            whole.paste(painted.resize(self.box.size, _RESIZE), self.box.corners[:2])
        return masks.composite(self.picture, whole, self.mask, feather)

    def _small_mask(self) -> Image.Image:
        assert self.mask is not None
        cut = np.asarray(self._cut(self.mask)) > 0
        # A float picture: in 8 bits, a single pixel would round to zero when a large mask shrinks.
        small = Image.fromarray(cut.astype(np.float32)).resize(self.work, Image.Resampling.BOX)
        return Image.fromarray((np.asarray(small) > 0).astype(np.uint8) * np.uint8(255))

    def _cut(self, picture: Image.Image) -> Image.Image:
        return picture if self.box is None else picture.crop(self.box.corners)


def canvas_for(request: ImageRequest, card: ModelCard) -> Canvas:
    """The canvas of a checked image_to_image, inpaint or style_transfer request."""
    assert request.image is not None
    picture = rgb_picture(request.image)
    if request.kind != "inpaint":
        work = work_size(picture.size, request, card)
        asked = request.width is not None or request.height is not None
        return Canvas(picture, work, work if asked else picture.size)
    assert request.mask is not None
    mask = masks.mask_from_picture(open_picture(request.mask, "mask"))
    if request.area == "whole":
        return Canvas(picture, work_size(picture.size, request, card), picture.size, mask)
    native = card.native_size or 512
    width = request.width or card.defaults.width or native
    height = request.height or card.defaults.height or native
    box = masks.bounding_box(mask, request.padding, width / height)
    # At the picture's border the box may not reach the aspect; the work size then follows the box.
    scale = math.sqrt(width * height / (box.size[0] * box.size[1]))
    fitted = width / height == box.size[0] / box.size[1]
    work = (width, height) if fitted else _rounded(box.size, scale, card)
    return Canvas(picture, work, picture.size, mask, box)


def work_size(size: tuple[int, int], request: ImageRequest, card: ModelCard) -> tuple[int, int]:
    """The size to work at: as asked; one side asked gives the other; else near the picture's, held to the model's."""
    width, height = size
    if request.width is not None and request.height is not None:
        return request.width, request.height
    if request.width is not None:
        return request.width, _rounded(size, request.width / width, card)[1]
    if request.height is not None:
        return _rounded(size, request.height / height, card)[0], request.height
    most = _NATIVE_STRETCH * (card.native_size or 512)
    return _rounded(size, min(1.0, most / math.sqrt(width * height)), card)


def _rounded(size: tuple[int, int], scale: float, card: ModelCard) -> tuple[int, int]:
    low, high = side_limits(card)
    width, height = (min(max(round(s * scale / SIDE_STEP) * SIDE_STEP, low), high) for s in size)
    return width, height
