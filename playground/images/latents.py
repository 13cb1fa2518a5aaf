"""Between pictures and a VAE's scaled latents, without changing the shared VAE."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from PIL import Image

from playground.errors import PlaygroundError
from playground.models.staged import bring_in


def safe_vae(vae: Any) -> Any:
    """The VAE, or a float32 copy of it where half precision is known to overflow (`force_upcast`)."""
    bring_in(vae)
    if vae.dtype == torch.float16 and vae.config.get("force_upcast", False):
        return copy.deepcopy(vae).to(torch.float32)
    return vae


def to_latents(vae: Any, pictures: list[Image.Image]) -> torch.Tensor:
    """Scaled latents (B, C, H/f, W/f) of RGB pictures of one size, sides multiples of f; the posterior's mode."""
    pixels = np.stack([np.asarray(p.convert("RGB"), dtype=np.float32) for p in pictures]) / 127.5 - 1  # (B, H, W, 3)
    vae = safe_vae(vae)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device=vae.device, dtype=vae.dtype)
    found = vae.encode(batch)
    plain = getattr(found, "latents", None)  # of a VAE without a posterior, such as AutoencoderTiny
    return scaled(vae, found.latent_dist.mode() if plain is None else plain)


def to_picture_tensor(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Decoded pixels (B, 3, H, W), about -1 to 1.

    Raises:
        PlaygroundError: the latents or the pixels are not finite numbers.
    """
    vae = safe_vae(vae)
    if not torch.isfinite(latents).all():
        raise _not_finite()
    pixels = vae.decode(unscaled(vae, latents.to(vae.dtype)), return_dict=False)[0]
    if not torch.isfinite(pixels).all():
        raise _not_finite()
    return pixels


def scaled(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    mean, std = _moments(vae, latents)
    if mean is not None and std is not None:
        return (latents - mean) * vae.config.scaling_factor / std
    return latents * vae.config.scaling_factor


def unscaled(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    mean, std = _moments(vae, latents)
    if mean is not None and std is not None:
        return latents * std / vae.config.scaling_factor + mean
    return latents / vae.config.scaling_factor


def moved_towards(content: torch.Tensor, style: torch.Tensor, amount: float) -> torch.Tensor:
    """Content latents whose mean and spread per channel move towards the style's by `amount`, 0 to 1.

    Adaptive instance normalisation: Huang & Belongie 2017, arXiv 1703.06868. Both (B, C, H, W), sizes may differ.
    """
    axes = (2, 3)
    mean, std = content.mean(axes, keepdim=True), content.std(axes, keepdim=True)
    target_mean, target_std = style.mean(axes, keepdim=True), style.std(axes, keepdim=True)
    restyled = (content - mean) / (std + 1e-6) * target_std + target_mean
    return (1 - amount) * content + amount * restyled


def _moments(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The VAE's latent mean and standard deviation per channel, where its config has them."""
    found: list[torch.Tensor | None] = []
    for name in ("latents_mean", "latents_std"):
        values = vae.config.get(name)
        found.append(None if values is None else torch.tensor(values).view(1, -1, 1, 1).to(like.device, like.dtype))
    return found[0], found[1]


def _not_finite() -> PlaygroundError:
    return PlaygroundError(
        "The model produced numbers that are not finite, so there is no picture.",
        "Choose another sampler, a lower guidance, or run with PLAYGROUND_DTYPE=float32.",
    )
