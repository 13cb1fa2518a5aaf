"""Paint scenes with signed distance functions, anti-aliased; knows no words and no models.

Each distance function takes x and y in units of the object's radius, y pointing down, negative inside.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from playground.starter.scenes import COLOURS, SHAPES, Scene

IMAGE_SIZE = 128


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 1.0


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.85


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    x, y = x / 1.15, (y - 0.2) / 1.15
    return 1.15 * torch.maximum(y - 0.5, 0.866 * x.abs() - 0.5 * y - 0.5)


def _star(x: Tensor, y: Tensor) -> Tensor:
    outer, inner, half = 1.08, 0.46, math.pi / 5
    angle = torch.remainder(torch.atan2(x, -y), 2 * half)
    angle = torch.minimum(angle, 2 * half - angle)
    length = torch.hypot(x, y)
    edge_x, edge_y = inner * math.cos(half) - outer, inner * math.sin(half)
    norm = math.hypot(edge_x, edge_y)
    return (edge_x * length * torch.sin(angle) - edge_y * (length * torch.cos(angle) - outer)) / -norm


def _heart(x: Tensor, y: Tensor) -> Tensor:
    half = 0.8
    diamond = (x.abs() + y.abs() - half) / math.sqrt(2)
    lobe = torch.hypot(x.abs() - half / 2, y + half / 2) - half / math.sqrt(2)
    return torch.minimum(diamond, lobe)


def _diamond(x: Tensor, y: Tensor) -> Tensor:
    return (1.35 * x.abs() + y.abs() - 1.08) / math.hypot(1.35, 1.0)


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.74).abs() - 0.25


def _cross(x: Tensor, y: Tensor) -> Tensor:
    a, b = x.abs(), y.abs()
    return torch.minimum(torch.maximum(a - 0.32, b - 0.98), torch.maximum(b - 0.32, a - 0.98))


def _hexagon(x: Tensor, y: Tensor) -> Tensor:
    a, b = x.abs(), y.abs()
    return torch.maximum(0.866 * b + 0.5 * a, a) - 0.9


def _moon(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y) - 1.0, 0.85 - torch.hypot(x - 0.45, y + 0.12))


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
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
}


@lru_cache(maxsize=4)
def _grid(size: int) -> tuple[Tensor, Tensor]:
    centres = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    return centres[None, :].expand(size, size), centres[:, None].expand(size, size)


def coverage(shape: str, x: float, y: float, radius: float, size: int = IMAGE_SIZE) -> Tensor:
    """Return how much of each pixel one shape covers: (size, size) in [0, 1]; x, y, radius as in `scenes.Item`."""
    across, down = _grid(size)
    distance = DISTANCES[shape]((across - x) / radius, (down - y) / radius) * (radius * size)
    return (0.5 - distance).clamp_(0, 1)


def paint(canvas: Tensor, colour: Sequence[float], mask: Tensor) -> Tensor:
    """Blend one colour over a (3, H, W) canvas where mask (H, W) says so."""
    return torch.lerp(canvas, torch.tensor(colour)[:, None, None].expand_as(canvas), mask.expand_as(canvas))


def render(scene: Scene, size: int = IMAGE_SIZE) -> Tensor:
    """Render a scene as (3, size, size) float32 sRGB in [0, 1]."""
    canvas = torch.tensor(COLOURS[scene.background])[:, None, None].expand(3, size, size)
    for item in scene.items:
        canvas = paint(canvas, COLOURS[item.colour], coverage(item.shape, item.x, item.y, item.radius, size))
    return canvas.contiguous()


def render_clutter(seed: int, index: int, size: int = IMAGE_SIZE) -> Tensor:
    """Render shapes of any colour on a grainy gradient, (3, size, size), so that the VAE also takes photographs."""
    rng = random.Random(f"clutter/{seed}/{index}")
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    corners = torch.rand(1, 3, rng.choice((2, 3, 5)), rng.choice((2, 3, 5)), generator=generator)
    canvas = torch.nn.functional.interpolate(corners, (size, size), mode="bilinear", align_corners=True)[0]
    for _ in range(rng.randint(1, 7)):
        mask = coverage(rng.choice(SHAPES), rng.random(), rng.random(), rng.uniform(0.05, 0.35), size)
        canvas = paint(canvas, [rng.random() for _ in range(3)], mask * rng.uniform(0.5, 1.0))
    grain = torch.randn(3, size, size, generator=generator) * rng.choice((0.0, 0.0, 0.0, 0.02))
    return (canvas + grain).clamp_(0, 1)
