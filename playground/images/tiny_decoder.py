"""Previews by a small decoder of the same latents (TAESD, https://github.com/madebyollin/taesd), where one is here.

Taken from the checkpoint, when its VAE is such a model itself, or from the hub's cache on this disk; never fetched. It
is used only where it decodes plain colours as the VAE does, and only as often as 3 % of the run's time allow.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from playground.images.preview import colours_of, plain_latents

log = logging.getLogger(__name__)

# By the VAE's latent channels and scaling factor; whether the weights fit is then measured.
REPOSITORIES = {(4, 0.18215): "madebyollin/taesd", (4, 0.13025): "madebyollin/taesdxl"}
SHARE = 0.03  # of a run's time
MOST_ERROR = 0.2  # mean difference to the VAE's own colours, which run from -1 to 1

Decode = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Tiny:
    """A small decoder, and the seconds that it took for a latent cell."""

    model: Any
    cell_s: float

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Scaled latents (B, C, h, w) as colours (B, H, W, 3) from -1 to 1, on the CPU."""
        with torch.inference_mode():
            pixels = self.model.decode(latents.to(self.model.device, self.model.dtype), return_dict=False)[0]
        return pixels.float().clamp(-1, 1).permute(0, 2, 3, 1).cpu()


_FOUND: weakref.WeakKeyDictionary[Any, Tiny | None] = weakref.WeakKeyDictionary()


def tiny_of(vae: Any) -> Tiny | None:
    """The small decoder for this VAE, looked for once; None where there is none that fits."""
    if vae not in _FOUND:
        model = _loaded(vae)
        _FOUND[vae] = None if model is None else _fitting(model, vae)
    return _FOUND[vae]


class Sparing:
    """Decodes with `tiny` while that stays within its share of the time since the first preview, else with the map."""

    def __init__(self, tiny: Tiny, factors: torch.Tensor, clock: Callable[[], float] = time.perf_counter) -> None:
        self._tiny, self._factors, self._clock = tiny, factors, clock
        self._began: float | None = None
        self._spent = 0.0

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        now = self._clock()
        if self._began is None:
            self._began = now
        cells = latents.shape[0] * latents.shape[2] * latents.shape[3]
        if self._spent + cells * self._tiny.cell_s > SHARE * (now - self._began):
            return colours_of(latents, self._factors)
        colours = self._tiny.decode(latents)
        self._spent += self._clock() - now
        return colours


def _loaded(vae: Any) -> Any:
    from diffusers import AutoencoderTiny
    from huggingface_hub import try_to_load_from_cache

    if isinstance(vae, AutoencoderTiny):
        return vae
    scaling = vae.config.get("scaling_factor", None) or 0
    source = REPOSITORIES.get((vae.config.get("latent_channels", 0), round(float(scaling), 5)))
    names = ("config.json", "diffusion_pytorch_model.safetensors")
    files = [try_to_load_from_cache(source, name) for name in names] if source else []
    if not files or not all(isinstance(file, str) for file in files):
        return None
    try:
        folder = str(Path(str(files[0])).parent)
        model = AutoencoderTiny.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        log.warning("%s cannot be used for previews: %s", source, error)
        return None
    return model.to(vae.device, vae.dtype).eval()


def _fitting(model: Any, vae: Any) -> Tiny | None:
    """The decoder, if it shows what the VAE shows."""
    latents, wanted = plain_latents(vae)  # (B, C, h, w), (B, 3, H, W)
    tiny = Tiny(model, 0.0)
    tiny.decode(latents[:1])  # warms up
    began = time.perf_counter()
    shown = tiny.decode(latents)
    cells = latents.shape[0] * latents.shape[2] * latents.shape[3]
    each = (time.perf_counter() - began) / cells
    theirs = wanted.permute(0, 2, 3, 1).cpu()
    if shown.shape != theirs.shape or not (error := float((shown - theirs).abs().mean())) <= MOST_ERROR:
        log.info("the small decoder in the cache is not of this VAE, so that it makes no previews")
        return None
    log.info("previews by a small decoder, %.2f off the VAE's colours", error)
    return Tiny(model, each)
