"""Pictures that continue over their edges: convolutions look around them at the opposite one, for the length of a run.

Attention in these networks has no positions, so that only the padding of convolutions knows where an edge is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from playground.images import latents as lat

_WRAPPED = 8  # latent cells that a decode in tiles is given from beyond each edge


@contextmanager
def seamless(part: nn.Module) -> Iterator[None]:
    """Pads the convolutions of a UNet or a decoder around the edges; afterwards they are as they were.

    The part is shared between requests, so that nobody else may run it meanwhile.
    """
    changed = [(one, one.padding_mode) for one in part.modules() if isinstance(one, nn.Conv2d)]
    try:
        for one, _ in changed:
            one.padding_mode = "circular"
        yield
    finally:
        for one, mode in changed:
            one.padding_mode = mode


def decoded(vae: Any, latents: torch.Tensor, *, tiling: bool, in_tiles: bool) -> torch.Tensor:
    """Pixels (1, 3, H, W) of scaled latents (1, C, h, w); with `tiling` they continue over their edges.

    A decode in tiles would pad each of them around itself, so that it is given a margin instead.
    """
    if not tiling:
        return lat.to_picture_tensor(vae, latents)
    if in_tiles:
        return unwrapped(lat.to_picture_tensor(vae, wrapped(latents)), latents)
    with seamless(vae.decoder):
        return lat.to_picture_tensor(vae, latents)


def wrapped(latents: torch.Tensor) -> torch.Tensor:
    """Latents (B, C, h, w) with a margin from the opposite edges, for a decode in tiles, which cannot look around."""
    rows, columns = (min(_WRAPPED, side) for side in latents.shape[-2:])
    return F.pad(latents, (columns, columns, rows, rows), mode="circular")


def unwrapped(pixels: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """Pixels (B, 3, H, W) that `wrapped` latents decode to, without the margin; `latents` are those before it."""
    rows, columns = (min(_WRAPPED, side) for side in latents.shape[-2:])
    factor = pixels.shape[-1] // (latents.shape[-1] + 2 * columns)
    top, left = rows * factor, columns * factor
    return pixels[..., top : top + latents.shape[-2] * factor, left : left + latents.shape[-1] * factor]
