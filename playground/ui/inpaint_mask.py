"""What the canvas and the mask upload hold, checked and turned into the bytes of a request."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from playground.errors import InvalidRequest

MOST_PIXELS = 16_000_000


def png(picture: Image.Image) -> bytes:
    """The picture as PNG bytes."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def picture_and_mask(
    editor: dict[str, Any] | None, upload: Image.Image | None, expected: tuple[int, int] | None
) -> tuple[Image.Image, Image.Image]:
    """The picture (RGB) and the mask (grey, white is repainted): strokes of the canvas and the upload, added up.

    `expected` is the size of a picture that the page itself put there: a canvas that was not ready gives another size,
    and the drawing would be off.

    Raises:
        InvalidRequest: no picture, nothing marked, or sizes that do not fit; says which.
    """
    background = (editor or {}).get("background")
    if not isinstance(background, Image.Image):
        raise InvalidRequest("There is no picture to repaint.", "Drop one on the canvas, or try the example.")
    if background.width * background.height > MOST_PIXELS:
        raise InvalidRequest(
            f"The picture is {background.width}x{background.height}; the limit is {MOST_PIXELS // 10**6} megapixels.",
            "Make it smaller first.",
        )
    if expected is not None and background.size != tuple(expected):
        raise InvalidRequest(
            f"The canvas is {background.width}x{background.height}, but the picture is {expected[0]}x{expected[1]}.",
            "Put the picture on the canvas once more, then draw.",
        )
    mask = Image.new("L", background.size, 0)
    for layer in (editor or {}).get("layers") or []:
        if layer.size != background.size:
            raise InvalidRequest(
                f"The drawing is {layer.width}x{layer.height}, but the picture is "
                f"{background.width}x{background.height}.",
                "Draw it once more.",
            )
        mask.paste(255, mask=layer.convert("RGBA").getchannel("A").point(lambda a: 255 if a else 0))
    if upload is not None:
        if upload.size != background.size:
            raise InvalidRequest(
                f"The mask is {upload.width}x{upload.height}, but the picture is "
                f"{background.width}x{background.height}.",
                "Use a mask of the picture's size.",
            )
        from playground.images.masks import mask_from_picture

        mask.paste(255, mask=mask_from_picture(upload).point(lambda v: 255 if v > 127 else 0))
    if mask.getextrema() == (0, 0):
        raise InvalidRequest("Nothing is marked.", "Paint over the part that should change, or add a mask picture.")
    return background.convert("RGB"), mask
