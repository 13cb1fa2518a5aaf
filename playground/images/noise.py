"""The randomness of pictures: one generator each, on the CPU, so that every device starts from the same noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def generators(seed: int, count: int) -> list[torch.Generator]:
    """One CPU generator per picture; picture i of a batch has seed + i."""
    return [torch.Generator("cpu").manual_seed(seed + i) for i in range(count)]


def initial_latents(
    shape: tuple[int, int, int], sources: Sequence[torch.Generator], dtype: torch.dtype, device: str
) -> torch.Tensor:
    """Unit normal noise (B, *shape), each picture from its own generator; drawn in float32, then cast."""
    drawn = [torch.randn((1, *shape), generator=source, dtype=torch.float32) for source in sources]
    return torch.cat(drawn).to(device=device, dtype=dtype)
