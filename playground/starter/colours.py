"""The colours of the image world and how far apart they look; knows nothing of scenes, words or pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.08, 0.10),
    "orange": (1.00, 0.55, 0.05),
    "yellow": (1.00, 0.90, 0.10),
    "green": (0.08, 0.60, 0.18),
    "cyan": (0.10, 0.80, 0.88),
    "blue": (0.10, 0.20, 0.85),
    "purple": (0.52, 0.10, 0.57),
    "pink": (1.00, 0.60, 0.78),
    "brown": (0.45, 0.25, 0.10),
    "grey": (0.52, 0.52, 0.52),
    "white": (1.00, 1.00, 1.00),
    "black": (0.03, 0.03, 0.03),
}
# Objects nearer than this to a colour that a gradient passes through would fade into it.
CLEAR_DISTANCE = 30.0


def lab(rgb: Sequence[float]) -> tuple[float, float, float]:
    """Return CIELAB (D65) of sRGB values in [0, 1]."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def colour_distance(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the CIE76 distance of two sRGB colours in [0, 1]; about 2 is just noticeable."""
    return sum((a - b) ** 2 for a, b in zip(lab(first), lab(second), strict=True)) ** 0.5


@cache
def fades_in_gradient(colour: str, first: str, second: str) -> bool:
    """Tell whether a colour comes close to one that a gradient between two others passes through."""
    ends = zip(COLOURS[first], COLOURS[second], strict=True)
    channels = [[a + (b - a) * step / 16 for step in range(17)] for a, b in ends]
    return any(colour_distance(COLOURS[colour], rgb) < CLEAR_DISTANCE for rgb in zip(*channels, strict=True))
