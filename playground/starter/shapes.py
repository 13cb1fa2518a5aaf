"""The outlines of the shapes as signed distance functions; knows no colours, no scenes and no torch.

Each function takes x and y in units of the object's radius, y pointing down, and returns the distance to the edge in
the same units, negative inside. Outside, near corners, it may be less than the true distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Planes of float32; the hint is wider, since numpy's own hints lose the width where a Python number takes part.
Plane = NDArray[np.floating[Any]]


def _circle(x: Plane, y: Plane) -> Plane:
    return np.hypot(x, y) - 1.0


def _square(x: Plane, y: Plane) -> Plane:
    return np.maximum(np.abs(x), np.abs(y)) - 0.85


def _triangle(x: Plane, y: Plane) -> Plane:
    y = y - 0.28
    return np.maximum(y - 0.575, 0.866 * np.abs(x) - 0.5 * y - 0.575)


def _star(x: Plane, y: Plane) -> Plane:
    outer, inner, half = 1.1, 0.47, math.pi / 5
    y = y - 0.08
    angle = np.remainder(np.arctan2(x, -y), 2 * half)
    angle = np.minimum(angle, 2 * half - angle)
    length = np.hypot(x, y)
    edge_x, edge_y = inner * math.cos(half) - outer, inner * math.sin(half)
    norm = math.hypot(edge_x, edge_y)
    return (edge_x * length * np.sin(angle) - edge_y * (length * np.cos(angle) - outer)) / -norm


def _heart(x: Plane, y: Plane) -> Plane:
    half = 0.84
    x, y = np.abs(x), y - 0.07
    diamond = (x + np.abs(y) - half) / math.sqrt(2)
    lobe = np.hypot(x - half / 2, y + half / 2) - half / math.sqrt(2)
    return np.minimum(diamond, lobe)


def _diamond(x: Plane, y: Plane) -> Plane:
    return (1.35 * np.abs(x) + np.abs(y) - 1.08) / math.hypot(1.35, 1.0)


def _ring(x: Plane, y: Plane) -> Plane:
    return np.abs(np.hypot(x, y) - 0.74) - 0.25


def _cross(x: Plane, y: Plane) -> Plane:
    a, b = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(a - 0.32, b - 0.98), np.maximum(b - 0.32, a - 0.98))


def _hexagon(x: Plane, y: Plane) -> Plane:
    a, b = np.abs(x), np.abs(y)
    return np.maximum(0.866 * b + 0.5 * a, a) - 0.9


def _moon(x: Plane, y: Plane) -> Plane:
    x = x - 0.18
    return np.maximum(np.hypot(x, y) - 1.0, 0.85 - np.hypot(x - 0.45, y + 0.12))


def _arrow(x: Plane, y: Plane) -> Plane:
    half = 0.3
    b = np.abs(y)
    shaft = np.maximum(b - half, -1.0 - x)
    slant = (0.88 * (x - 1.02) + 1.02 * b) / math.hypot(0.88, 1.02)
    # Where the shaft meets the head there is no edge, only the two corners.
    back = np.where(b > half, -x, -np.hypot(x, half - b))
    return np.where(x < 0, np.minimum(shaft, np.maximum(-x, slant)), np.maximum(slant, back))


def _drop(x: Plane, y: Plane) -> Plane:
    ball, centre, tip = 0.7, 0.33, -1.05
    sine = ball / (centre - tip)
    cosine = math.sqrt(1 - sine**2)
    x, y = np.abs(x), y - centre
    # Above the line from the ball's middle to where the sides touch it, the sides are nearest.
    return np.where(sine * x + cosine * y < 0, cosine * x - sine * y, np.hypot(x, y)) - ball


def _rectangle(x: Plane, y: Plane) -> Plane:
    return np.maximum(np.abs(x) - 1.05, np.abs(y) - 0.52)


def _crown(x: Plane, y: Plane) -> Plane:
    a = np.abs(x)
    spikes = 0.12 - 1.98 * np.abs(a - 0.48)
    return np.maximum(np.maximum(a - 0.96, y - 0.8), (spikes - y) / math.hypot(1.98, 1.0))


DISTANCES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "diamond": _diamond,
    "ring": _ring,
    "cross": _cross,
    "hexagon": _hexagon,
    "moon": _moon,
    "arrow": _arrow,
    "drop": _drop,
    "rectangle": _rectangle,
    "crown": _crown,
}


def distances(shape: str, across: Plane, down: Plane, radius: float) -> Plane:
    """Return the distance to the edge of a shape, in the unit of `radius`, at points given from its centre."""
    return DISTANCES[shape](across / np.float32(radius), down / np.float32(radius)) * np.float32(radius)


def cover(distance: Plane) -> Plane:
    """Return how much of each pixel lies inside, in [0, 1], from its distance to the edge in pixels."""
    return np.clip(np.float32(0.5) - distance, 0, 1)
