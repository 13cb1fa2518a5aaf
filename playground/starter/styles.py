"""How objects are drawn in each style: flat, with a soft shadow, in blocky pixels, in pencil; no torch.

Every painter changes a window of the canvas (3, H, W) in place, given the distance to the object's ink in pixels.
"""

from __future__ import annotations

import math

import numpy as np

from playground.starter.colours import COLOURS, lab
from playground.starter.grounds import draw_ground, rgb
from playground.starter.layouts import REACH, STROKE
from playground.starter.shapes import Plane, cover, distances
from playground.starter.world import Item, Scene

# Shares of the shorter side.
SHADOW_RIGHT, SHADOW_DOWN, SHADOW_BLUR = 0.04, 0.05, 0.024
SHADOW_DARKNESS = 0.5
PIXELS_ACROSS = 32
PENCIL_PERIOD = 8  # pixels at every size, as wide as one latent
# Hatching is dark on light colours, of this CIELAB lightness, and light on others; faint, to keep the colour's name.
LIGHT, HATCHING = 65.0, 0.3
_WHITE = np.ones((3, 1, 1), dtype=np.float32)


def pixel_size(height: int, width: int) -> int:
    """Return the side in pixels of one block of the pixel style."""
    return max(2, round(min(height, width) / PIXELS_ACROSS))


def places(scene: Scene, height: int, width: int) -> list[tuple[Item, float, float, float]]:
    """Return each object with its centre (x, y) and radius in pixels, in the order of drawing: containers first.

    Places stretch with the picture, shapes do not; an object inside another stays where it is in it.
    """
    side = min(height, width)
    if scene.relation != "inside":
        return [(item, item.x * width, item.y * height, item.radius * side) for item in scene.items]
    inner, outer = scene.items
    x, y = outer.x * width, outer.y * height
    inside = (inner, x + (inner.x - outer.x) * side, y + (inner.y - outer.y) * side, inner.radius * side)
    return [(outer, x, y, outer.radius * side), inside]


def ink_distance(item: Item, x: float, y: float, radius: float, window: tuple[slice, slice]) -> Plane:
    """Return the distance in pixels from each pixel of a window to an object's ink, negative inside it."""
    rows, columns = window
    across = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + np.float32(0.5 - x)
    down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + np.float32(0.5 - y)
    distance = distances(item.shape, across, down, radius)
    return np.maximum(distance, -(distance + np.float32(STROKE * radius))) if item.outline else distance


def _window(x: float, y: float, reach: float, height: int, width: int) -> tuple[slice, slice]:
    rows = slice(max(0, math.floor(y - reach)), min(height, math.ceil(y + reach)))
    return rows, slice(max(0, math.floor(x - reach)), min(width, math.ceil(x + reach)))


def _blend(part: Plane, colour: Plane, share: Plane) -> None:
    part += share * (colour - part)


def _draw_flat(canvas: Plane, item: Item, x: float, y: float, radius: float) -> None:
    window = _window(x, y, REACH * radius + 1, *canvas.shape[1:])
    _blend(canvas[:, *window], rgb(item.colour), cover(ink_distance(item, x, y, radius, window)))


def _blurred(plane: Plane, reach: int, axis: int) -> Plane:
    """Return the running mean of a plane (H, W) over `reach` pixels either side along one axis, its rim repeated."""
    pads = [(0, 0), (0, 0)]
    pads[axis] = (reach + 1, reach)
    sums = np.cumsum(np.pad(plane, pads, mode="edge"), axis=axis, dtype=np.float32)
    length, span = plane.shape[axis], 2 * reach + 1
    after, before = (np.take(sums, range(start, start + length), axis) for start in (span, 0))
    return (after - before) / np.float32(span)


def _draw_shadow(canvas: Plane, item: Item, x: float, y: float, radius: float) -> None:
    height, width = canvas.shape[1:]
    side = min(height, width)
    blur = max(1, round(SHADOW_BLUR * side))
    right, down = x + SHADOW_RIGHT * side, y + SHADOW_DOWN * side
    window = _window(right, down, REACH * radius + 2 * blur, height, width)
    depth = cover(ink_distance(item, right, down, radius, window))
    for axis in (0, 1):
        depth = _blurred(_blurred(depth, blur, axis), blur, axis)
    canvas[:, *window] *= 1 - np.float32(SHADOW_DARKNESS) * depth
    _draw_flat(canvas, item, x, y, radius)


def _draw_pencil(canvas: Plane, item: Item, x: float, y: float, radius: float) -> None:
    window = _window(x, y, REACH * radius + 4, *canvas.shape[1:])
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in window)
    rows = rows[:, None]
    # A hand does not draw straight: the edge wanders by about a pixel.
    wander = 0.55 * np.sin(rows / 4.1 + columns / 9.7) + 0.45 * np.sin(columns / 5.3 - rows / 11.9)
    distance = ink_distance(item, x, y, radius, window) + wander.astype(np.float32)
    gap = np.float32(0.5) + np.float32(0.5) * np.sin((rows + columns) * np.float32(2 * math.pi / PENCIL_PERIOD))
    part, colour = canvas[:, *window], rgb(item.colour)
    lines = colour * np.float32(0.5) if lab(COLOURS[item.colour])[0] > LIGHT else _WHITE
    _blend(part, colour + np.float32(HATCHING) * gap * (lines - colour), cover(distance) * np.float32(0.95))
    edge = np.clip(np.float32(2.0) - np.abs(distance + np.float32(0.8)), 0, 1)
    _blend(part, colour * np.float32(0.72), edge * np.float32(0.9))


def _draw_blocks(canvas: Plane, item: Item, x: float, y: float, radius: float) -> None:
    """Draw on a canvas that has one pixel a block: light from the top left, dark at the bottom right."""
    window = _window(x, y, REACH * radius + 1, *canvas.shape[1:])
    inside = ink_distance(item, x, y, radius, window) < 0
    around = np.pad(inside, 1)
    part, colour = canvas[:, *window], rgb(item.colour)
    part[:, inside] = colour[:, :, 0]
    if item.outline:
        return
    dark = inside & ~(around[2:, 1:-1] & around[1:-1, 2:])
    light = inside & ~(around[:-2, 1:-1] & around[1:-1, :-2]) & ~dark
    part[:, light] = (colour + np.float32(0.4) * (_WHITE - colour))[:, :, 0]
    part[:, dark] = (colour * np.float32(0.7))[:, :, 0]


_PAINTERS = {"flat": _draw_flat, "shadow": _draw_shadow, "pencil": _draw_pencil}


def draw(scene: Scene, height: int, width: int) -> Plane:
    """Draw a scene as (3, height, width) float32 sRGB in [0, 1]."""
    if scene.style == "pixel":
        return _draw_in_blocks(scene, height, width)
    canvas = draw_ground(scene.ground, height, width)
    for item, x, y, radius in places(scene, height, width):
        _PAINTERS[scene.style](canvas, item, x, y, radius)
    return np.clip(canvas, 0, 1, out=canvas)


def _draw_in_blocks(scene: Scene, height: int, width: int) -> Plane:
    block = pixel_size(height, width)
    rows, columns = -(-height // block), -(-width // block)
    canvas = draw_ground(scene.ground, rows, columns, blocky=True)
    for item, x, y, radius in places(scene, height, width):
        _draw_blocks(canvas, item, x / block, y / block, radius / block)
    whole = canvas.repeat(block, axis=1).repeat(block, axis=2)
    return np.ascontiguousarray(whole[:, :height, :width])
