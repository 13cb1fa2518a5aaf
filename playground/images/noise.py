"""The randomness of pictures: one generator each, on the CPU, so that every device starts from the same noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def generators(seed: int, count: int, stride: int = 1) -> list[torch.Generator]:
    """One CPU generator per picture; picture i of a batch has seed + stride i."""
    return [torch.Generator("cpu").manual_seed(seed + stride * i) for i in range(count)]


def initial_latents(
    shape: tuple[int, int, int], sources: Sequence[torch.Generator], dtype: torch.dtype, device: str
) -> torch.Tensor:
    """Unit normal noise (B, *shape), each picture from its own generator; drawn in float32, then cast."""
    return _drawn(shape, sources).to(device=device, dtype=dtype)


def varied_latents(
    shape: tuple[int, int, int],
    sources: Sequence[torch.Generator],
    dtype: torch.dtype,
    device: str,
    variation_seed: int,
    strength: float,
) -> torch.Tensor:
    """`initial_latents` turned by `strength`, 0 to 1; picture i towards the noise of variation_seed + i: (B, *shape).

    Each generator is used as by `initial_latents`, so that the noise of later steps does not depend on the variation.
    """
    first = _drawn(shape, sources)
    other = _drawn(shape, generators(variation_seed, len(sources)))
    return slerp(first, other, strength).to(device=device, dtype=dtype)


def slerp(first: torch.Tensor, other: torch.Tensor, strength: float) -> torch.Tensor:
    """Spherical interpolation of noise (B, C, h, w): `first` at 0, `other` at 1 (Shoemake 1985).

    The angles are taken of columns of height h, as A1111 does, so that its variations come out the same from the same
    noise. Noises that are equal stay as they are.
    """
    a, b = (noise / noise.norm(dim=-2, keepdim=True) for noise in torch.broadcast_tensors(first, other))
    cosine = (a * b).sum(dim=-2, keepdim=True).clamp(-1, 1)
    angle = cosine.acos()
    sine = angle.sin()
    turned = ((1 - strength) * angle).sin() / sine * first + (strength * angle).sin() / sine * other
    # Where both point the same way the sine is 0, and a straight line is the limit.
    return torch.where(sine > 1e-4, turned, (1 - strength) * first + strength * other)


def _drawn(shape: tuple[int, int, int], sources: Sequence[torch.Generator]) -> torch.Tensor:
    return torch.cat([torch.randn((1, *shape), generator=source, dtype=torch.float32) for source in sources])
