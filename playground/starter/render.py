"""Pictures of scenes as tensors, and cluttered pictures for the autoencoder; knows no words and no models."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from playground.starter.shapes import cover, distances
from playground.starter.styles import draw
from playground.starter.world import SHAPES, Scene

IMAGE_SIZE = 128


def coverage(
    shape: str, x: float, y: float, radius: float, height: int = IMAGE_SIZE, width: int | None = None
) -> Tensor:
    """Return how much of each pixel one filled shape covers: (height, width) in [0, 1]; x, y, radius as in `Item`."""
    width = height if width is None else width
    across = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5 - x * width)
    down = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5 - y * height)
    return torch.from_numpy(cover(distances(shape, across, down, radius * min(height, width))))


def paint(canvas: Tensor, colour: Sequence[float], mask: Tensor) -> Tensor:
    """Blend one colour over a (3, H, W) canvas where mask (H, W) says so."""
    return torch.lerp(canvas, torch.tensor(colour)[:, None, None].expand_as(canvas), mask.expand_as(canvas))


def render(scene: Scene, height: int = IMAGE_SIZE, width: int | None = None) -> Tensor:
    """Render a scene as (3, height, width) float32 sRGB in [0, 1]; square unless a width is given."""
    return torch.from_numpy(draw(scene, height, height if width is None else width))


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
