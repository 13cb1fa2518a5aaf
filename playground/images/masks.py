"""Masks for repainting a part of a picture, in numpy and Pillow. Knows nothing of models.

A mask is a grey picture: 0 stays, anything above 0 is repainted. The feather runs inwards, so that a pixel outside the
mask is never touched, however soft the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from playground.errors import InvalidRequest

Alpha = NDArray[np.float32]
MASKED_CONTENT = ("original", "fill", "latent noise", "latent nothing")


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; `right` and `bottom` lie just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top

    @property
    def corners(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.right, self.bottom


def mask_from_layers(layers: Sequence[Image.Image]) -> Image.Image:
    """The strokes of an editor's layers (RGBA, one size): whatever is opaque in any of them.

    Raises:
        InvalidRequest: no layers, or layers of several sizes.
    """
    if not layers:
        raise InvalidRequest("There is no mask layer.", "Paint over the part that should change.")
    sizes = " and ".join(dict.fromkeys(f"{layer.width}x{layer.height}" for layer in layers))
    if " and " in sizes:
        raise InvalidRequest(f"The mask layers have different sizes: {sizes}.")
    alphas = [np.asarray(layer.convert("RGBA").getchannel("A")) for layer in layers]
    return Image.fromarray(np.maximum.reduce(alphas), "L")


def mask_from_picture(picture: Image.Image) -> Image.Image:
    """An uploaded mask: its opaque parts if it has transparent ones, else its light parts."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        alpha = picture.convert("RGBA").getchannel("A")
        if np.asarray(alpha).min() < 255:
            return alpha
    return picture.convert("RGB").convert("L")


def inverted(mask: Image.Image) -> Image.Image:
    return ImageOps.invert(mask.convert("L"))


def is_empty(mask: Image.Image) -> bool:
    return mask.convert("L").getbbox() is None


def feathered(mask: Image.Image, feather: int) -> Alpha:
    """How much of the painted picture shows, 0 to 1, shape (height, width); exactly 0 outside the mask.

    From the edge inwards it rises as a Gaussian over `feather` pixels, or over the depth of a mask that is thinner.
    """
    grey = np.asarray(mask.convert("L"), dtype=np.float32) / np.float32(255)
    if feather <= 0:
        return grey
    from scipy.ndimage import distance_transform_edt, label

    inside = grey > 0
    # A mask that touches the border is not faded there: nothing of the original lies beyond it.
    padded = np.pad(inside, 1, mode="edge")
    if inside.all():
        return grey
    depth = distance_transform_edt(padded)[1:-1, 1:-1].astype(np.float32)  # 1 at the first pixel inside
    parts, count = label(inside)
    deepest = np.zeros(count + 1, dtype=np.float32)
    np.maximum.at(deepest, parts.ravel(), depth.ravel())
    reach = np.minimum(np.float32(feather), np.maximum(deepest[parts], 1))
    t = np.minimum(depth / reach, 1)
    return np.where(t >= 1, grey, grey * (1 - np.exp(-np.float32(4) * t * t))).astype(np.float32)


def composite(original: Image.Image, painted: Image.Image, mask: Image.Image, feather: int = 0) -> Image.Image:
    """`painted` inside the mask over `original`; pixels where the mask is 0 are bit-identical to `original`.

    Raises:
        InvalidRequest: the three differ in size.
    """
    if not original.size == painted.size == mask.size:
        raise InvalidRequest(
            f"Picture {original.size}, painted picture {painted.size} and mask {mask.size} differ in size."
        )
    under = np.asarray(original.convert("RGB"))
    over = np.asarray(painted.convert("RGB"), dtype=np.float32)
    alpha = feathered(mask, feather)[..., None]
    mixed = np.rint(under.astype(np.float32) * (1 - alpha) + over * alpha).clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.where(alpha > 0, mixed, under))


def outside_is_identical(original: Image.Image, result: Image.Image, mask: Image.Image) -> bool:
    """Whether every pixel where the mask is 0 is the same in both pictures."""
    if original.size != result.size:
        return False
    outside = np.asarray(mask.convert("L")) == 0
    before, after = np.asarray(original.convert("RGB")), np.asarray(result.convert("RGB"))
    return bool(np.array_equal(before[outside], after[outside]))


def bounding_box(mask: Image.Image, padding: int = 0, aspect: float | None = None) -> Box:
    """The masked part and `padding` pixels around it, grown to `aspect` (width / height) as far as the picture allows.

    Raises:
        InvalidRequest: the mask is empty.
    """
    found = mask.convert("L").getbbox()
    if found is None:
        raise InvalidRequest("The mask is all black: nothing to repaint.", "Paint the part to change white.")
    width, height = mask.size
    left, right = max(found[0] - padding, 0), min(found[2] + padding, width)
    top, bottom = max(found[1] - padding, 0), min(found[3] + padding, height)
    if aspect is not None:
        w, h = right - left, bottom - top
        left, right = _grown(left, right, max(w, round(h * aspect)), width)
        top, bottom = _grown(top, bottom, max(h, round(w / aspect)), height)
    return Box(left, top, right, bottom)


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The masked part replaced by its blurred surroundings, coarse to fine, so that no old detail is left in it."""
    from scipy.ndimage import gaussian_filter

    rgb = np.asarray(picture.convert("RGB"), dtype=np.float32)
    keep = (np.asarray(mask.convert("L")) == 0)[..., None].astype(np.float32)
    if not keep.any():
        return Image.fromarray(np.broadcast_to(rgb.mean((0, 1)).astype(np.uint8), rgb.shape).copy())
    result = np.broadcast_to((rgb * keep).sum((0, 1)) / keep.sum(), rgb.shape)
    for sigma in (64, 32, 16, 8, 4, 2):
        weight = gaussian_filter(keep, (sigma, sigma, 0))
        colour = gaussian_filter(rgb * keep, (sigma, sigma, 0))
        result = np.where(weight > 0.05, colour / np.maximum(weight, 0.05), result)
    mixed = np.where(keep > 0, rgb, result)
    return Image.fromarray(np.rint(mixed).clip(0, 255).astype(np.uint8))


def cells(mask: Image.Image, factor: int) -> Image.Image:
    """The mask grown to whole latent cells of `factor` pixels: a cell is repainted if any pixel in it is.

    A model looks at one pixel a cell, so that small or thin strokes would otherwise be lost. Sides must be multiples.
    """
    grey = np.asarray(mask.convert("L")) > 0
    height, width = grey.shape
    coarse = grey.reshape(height // factor, factor, width // factor, factor).any(axis=(1, 3))
    return Image.fromarray((np.kron(coarse, np.ones((factor, factor))) * 255).astype(np.uint8), "L")


def _grown(low: int, high: int, wanted: int, limit: int) -> tuple[int, int]:
    """A span of `wanted` pixels around low..high, moved and cut to lie in 0..limit."""
    wanted = min(max(wanted, high - low), limit)
    start = low - (wanted - (high - low)) // 2
    start = min(max(start, 0), limit - wanted)
    return start, start + wanted
