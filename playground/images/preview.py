"""Cheap previews: a linear map from latents to colours, fitted by least squares to what a VAE itself decodes."""

from __future__ import annotations

import io
import itertools
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image

from playground.images.latents import safe_vae, to_latents, to_picture_tensor

_SIDE = 32
_LEVELS = (0, 128, 255)
_AT_ONCE = 9
_MAX_SIDE = 256


def fit_factors(vae: Any) -> torch.Tensor:
    """Least squares from the latents of plain colours to what the VAE decodes of them: (C + 1, 3), the last row a bias.

    Plain colours, since in a picture with edges a small VAE's latents tell of the edges as well, and a map that is
    fitted to those mixes up hues. Latents are scaled, colours are -1 to 1 and averaged over each latent cell.
    """
    latents, decoded = plain_latents(vae)
    seen = F.adaptive_avg_pool2d(decoded, (latents.shape[2], latents.shape[3]))
    known = _cells(latents).cpu()
    known = torch.cat([known, torch.ones(len(known), 1)], dim=1)
    # By singular values in double precision: a VAE's channels may depend on each other.
    return torch.linalg.lstsq(known.double(), _cells(seen).cpu().double(), driver="gelsd").solution.float()


@torch.inference_mode()
def plain_latents(vae: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled latents (B, C, h, w) of plain colours, and what the VAE decodes of them (B, 3, H, W) from -1 to 1."""
    vae = safe_vae(vae)
    pictures = [Image.new("RGB", (_SIDE, _SIDE), colour) for colour in itertools.product(_LEVELS, repeat=3)]
    latents = torch.cat([to_latents(vae, pictures[i : i + _AT_ONCE]) for i in range(0, len(pictures), _AT_ONCE)])
    decoded = torch.cat([to_picture_tensor(vae, part) for part in latents.split(_AT_ONCE)])
    return latents.float(), decoded.float().clamp(-1, 1)


def _cells(values: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) as (B * h * w, C)."""
    return values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])


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


def colours_of(latents: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Scaled latents (B, C, h, w) as colours (B, h, w, 3) from -1 to 1, on the latents' device."""
    factors = factors.to(latents.device)
    rows = latents.detach().float().permute(0, 2, 3, 1)
    return (rows @ factors[:-1] + factors[-1]).clamp(-1, 1)


def preview_jpeg(colours: torch.Tensor, size: tuple[int, int]) -> bytes:
    """A small JPEG of colours (B, h, w, 3), pictures side by side; `size` is one picture's final (w, h)."""
    pixels = ((colours + 1) * 127.5).round().byte().cpu().numpy()
    scale = min(1.0, _MAX_SIDE / max(size))
    shown = (max(round(size[0] * scale), 1), max(round(size[1] * scale), 1))
    strip = Image.new("RGB", (shown[0] * len(pixels), shown[1]))
    for i, picture in enumerate(pixels):
        strip.paste(Image.fromarray(picture).resize(shown, Image.Resampling.BICUBIC), (i * shown[0], 0))
    out = io.BytesIO()
    strip.save(out, "JPEG", quality=75)
    return out.getvalue()
