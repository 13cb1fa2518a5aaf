"""Reads pictures that people hand in. Knows nothing of models.

Size is checked from the header, before anything is decoded.
"""

from __future__ import annotations

import io
import struct
import warnings

from PIL import Image, ImageOps

from playground.errors import InvalidRequest

MAX_PIXELS = 25_000_000
MAX_BYTES = 64_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")

# What Pillow raises for damaged files, by format and kind of damage.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    TypeError,
    struct.error,
    Image.DecompressionBombError,
)


def open_picture(data: object, what: str = "picture") -> Image.Image:
    """A decoded picture in its own mode; `what` names it in errors ("mask").

    Raises:
        InvalidRequest: not bytes, not a known format, truncated, or over 25 megapixels.
    """
    picture = _headed(data, what)
    try:
        picture.load()
    except _DAMAGE:
        raise InvalidRequest(f"The {what} is damaged or cut off.", "Save or upload it once more.") from None
    return picture


def picture_size(data: object, what: str = "picture") -> tuple[int, int]:
    """(width, height) by the header; what comes after it may be damaged.

    Raises:
        InvalidRequest: as `open_picture`.
    """
    return _headed(data, what).size


def _headed(data: object, what: str) -> Image.Image:
    """The picture of which only the header was read, within the limits."""
    if not isinstance(data, bytes | bytearray):
        raise InvalidRequest(f"The {what} must be the bytes of a picture file, got {type(data).__name__}.")
    if len(data) > MAX_BYTES:
        raise InvalidRequest(f"The {what} is {len(data) / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB can be read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit below is tighter
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise InvalidRequest(
            f"The {what} is over the limit of {MAX_PIXELS / 1e6:.0f} megapixels.", "Make it smaller and try again."
        ) from None
    except _DAMAGE:
        raise InvalidRequest(
            f"The {what} cannot be read.", f"Use a whole picture file of one of these kinds: {', '.join(FORMATS)}."
        ) from None
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise InvalidRequest(
            f"The {what} is {width}x{height}, {width * height / 1e6:.0f} megapixels; the limit is"
            f" {MAX_PIXELS / 1e6:.0f}.",
            "Make it smaller and try again.",
        )
    return picture


def rgb_picture(data: object, what: str = "picture") -> Image.Image:
    """The picture upright and in RGB; transparent parts lie on white.

    Raises:
        InvalidRequest: as `open_picture`.
    """
    picture = ImageOps.exif_transpose(open_picture(data, what))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return picture.convert("RGB")
