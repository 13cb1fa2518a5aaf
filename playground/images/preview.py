"""Cheap previews: a linear map from latents to colours, fitted once per VAE by least squares."""

from __future__ import annotations

import io
import weakref
from typing import Any

import numpy as np
import torch
from PIL import Image

from playground.images.latents import to_latents

_SIDE = 64
_COUNT = 32
_MAX_SIDE = 256
_FITTED: weakref.WeakKeyDictionary[Any, torch.Tensor] = weakref.WeakKeyDictionary()


def factors_of(vae: Any) -> torch.Tensor:
    """The map (C + 1, 3) from scaled latents and a constant to RGB in -1 to 1; fitted on first use, then kept."""
    if vae not in _FITTED:
        _FITTED[vae] = fit_factors(vae)
    return _FITTED[vae]


def fit_factors(vae: Any) -> torch.Tensor:
    """Least squares from the latents of random smooth pictures to their colours, averaged over each latent cell."""
    pictures = _training_pictures()
    latents = torch.cat([to_latents(vae, pictures[i : i + 8]).float().cpu() for i in range(0, len(pictures), 8)])
    _, channels, height, width = latents.shape
    small = [np.asarray(p.resize((width, height), Image.Resampling.BOX), dtype=np.float32) for p in pictures]
    colours = torch.from_numpy(np.stack(small)) / 127.5 - 1  # (B, h, w, 3)
    rows = latents.permute(0, 2, 3, 1).reshape(-1, channels)
    rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
    # By singular values in double precision: a VAE's channels may depend on each other.
    return torch.linalg.lstsq(rows.double(), colours.reshape(-1, 3).double(), driver="gelsd").solution.float()


def clean_latents(scheduler: Any, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor) -> Any:
    """The clean latents x0 that this model output predicts, or None where the scheduler is not of the noise kind.

    Follows the sampler's prediction type: epsilon, v_prediction (Salimans & Ho 2022, arXiv 2202.00512) or sample.
    """
    if not hasattr(scheduler, "alphas_cumprod"):
        return None
    kind = scheduler.config.prediction_type
    alphas = scheduler.alphas_cumprod
    step = min(max(round(float(timestep)), 0), len(alphas) - 1)
    alpha = float(alphas[step])
    signal, noise = alpha**0.5, (1 - alpha) ** 0.5
    if kind == "sample":
        return model_output
    # Schedulers that count in sigmas keep x0 + sigma * noise; the formulas below want signal * x0 + noise.
    if float(scheduler.init_noise_sigma) > 1.5:
        sample = sample * signal
    if kind == "v_prediction":
        return signal * sample - noise * model_output
    return (sample - noise * model_output) / signal


def preview_jpeg(latents: torch.Tensor, factors: torch.Tensor, size: tuple[int, int]) -> bytes:
    """A small JPEG of scaled latents (B, C, h, w), pictures side by side; `size` is one picture's final (w, h)."""
    rows = latents.detach().float().cpu().permute(0, 2, 3, 1)  # (B, h, w, C)
    colours = rows @ factors[:-1] + factors[-1]
    pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()
    scale = min(1.0, _MAX_SIDE / max(size))
    shown = (max(round(size[0] * scale), 1), max(round(size[1] * scale), 1))
    strip = Image.new("RGB", (shown[0] * len(pixels), shown[1]))
    for i, picture in enumerate(pixels):
        strip.paste(Image.fromarray(picture).resize(shown, Image.Resampling.BICUBIC), (i * shown[0], 0))
    out = io.BytesIO()
    strip.save(out, "JPEG", quality=75)
    return out.getvalue()


def _training_pictures() -> list[Image.Image]:
    """Plain colours, soft gradients and hard-edged blocks of random colours, the same ones every time."""
    rng = np.random.default_rng(0)
    pictures = []
    for i in range(_COUNT):
        cells = (1, 2, 4, 8)[i % 4]
        colours = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        smooth = Image.Resampling.BICUBIC if i % 8 < 4 else Image.Resampling.NEAREST
        pictures.append(colours.resize((_SIDE, _SIDE), smooth))
    return pictures
