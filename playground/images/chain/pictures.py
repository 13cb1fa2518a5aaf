"""The steps that need no model: upscale, sharpen and crop, as functions from picture to picture."""

from __future__ import annotations

from PIL import Image, ImageFilter

from playground.errors import InvalidRequest
from playground.images.chain.steps import MOST_SIDE, Crop, Sharpen, Step, Upscale
from playground.images.pictures import MAX_PIXELS

_RESAMPLING = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


def changed(step: Step, picture: Image.Image) -> Image.Image:
    """The RGB picture after the step.

    Raises:
        InvalidRequest: it would be over 25 megapixels, or the box lies outside it.
    """
    if isinstance(step, Upscale):
        return picture.resize(target_size(step, picture.size), _RESAMPLING[step.method])
    if isinstance(step, Sharpen):
        return picture.filter(ImageFilter.UnsharpMask(step.radius, step.amount, step.threshold))
    if isinstance(step, Crop):
        return picture.crop(crop_box(step, picture.size))
    raise TypeError(f"{step.do} is not a step without a model")


def target_size(step: Upscale, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) after an upscale; one side that is given gives the other."""
    width, height = size
    if step.width is None and step.height is None:
        across, down = round(width * step.factor), round(height * step.factor)
    else:
        across = step.width if step.width is not None else round(width * (step.height or 0) / height)
        down = step.height if step.height is not None else round(height * (step.width or 0) / width)
    across, down = max(across, 1), max(down, 1)
    if max(across, down) > MOST_SIDE or across * down > MAX_PIXELS:
        raise InvalidRequest(
            f"{width}x{height} would become {across}x{down}; a side may have {MOST_SIDE} pixels, and all together "
            f"{MAX_PIXELS / 1e6:.0f} million.",
            "Use a smaller factor or size.",
        )
    return across, down


def crop_box(step: Crop, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part that is kept, as (left, top, right, bottom)."""
    width, height = size
    if step.box is not None:
        left, top, right, bottom = step.box
        if left >= width or top >= height:
            raise InvalidRequest(
                f"the box {list(step.box)} lies outside the picture, which is {width}x{height}.", "Use a smaller one."
            )
        return left, top, min(right, width), min(bottom, height)
    if not step.ratio:
        return 0, 0, width, height
    across, down = (int(part) for part in step.ratio.split(":"))
    if width * down > height * across:
        kept = (max(height * across // down, 1), height)
    else:
        kept = (width, max(width * down // across, 1))
    left, top = (width - kept[0]) // 2, (height - kept[1]) // 2
    return left, top, left + kept[0], top + kept[1]
