"""Runs the second pass of a request: enlarges the first one's latents and denoises them for a part of the way.

Knows pipelines and latents; what the settings mean and which are allowed is known to `hires`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from playground.images import latents as lat
from playground.images import noise
from playground.images.advanced import call_options, stride
from playground.images.hires import pass_request
from playground.images.memory import Plan, tiled
from playground.images.prompts.prepared import Prepared
from playground.images.prompts.told import condition
from playground.images.tiling import decoded
from playground.images.watch import Span, Watch
from playground.models.loaded import LoadedImage
from playground.protocol import CancelToken, Event, ImageRequest

_RESAMPLING = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
_MARGIN = 16  # pixels that a resampling filter may look beyond an edge


class SecondPass:
    """The second pass of one part of a request; built before the first one runs, so that `calls` can be counted in.

    Args:
        build: gives a pipeline with a scheduler of its own for a request.
        size: (width, height) in pixels that it ends at.
    """

    def __init__(
        self,
        build: Callable[[LoadedImage, ImageRequest], Any],
        loaded: LoadedImage,
        request: ImageRequest,
        prompts: tuple[Prepared, ...],
        size: tuple[int, int],
        plan: Plan,
    ) -> None:
        self._loaded, self._prompts, self._size, self._in_tiles = loaded, prompts, size, plan.tiled
        self._request = pass_request(request)
        self.pipeline = build(loaded, self._request)
        if plan.tiled:
            self.pipeline.vae = tiled(self.pipeline.vae)
        self._options = call_options(self._request, self.pipeline)
        probe = build(loaded, self._request)
        steps = self._request.steps
        probe.scheduler.set_timesteps(steps)
        self.calls = len(probe.get_timesteps(steps, self._request.strength, loaded.device)[0])  # some take two a step

    def run(
        self,
        latents: torch.Tensor,
        seed: int,
        cancel: CancelToken,
        emit: Callable[[Event], None],
        span: Span,
        colours: Callable[[torch.Tensor], torch.Tensor] | None,
    ) -> torch.Tensor:
        """Latents (B, C, h, w) of the first pass to latents of the final size; picture i has the noise of seed + i,
        a variation that of the seed.

        `span` counts the first pass's calls in, as those `before`; `colours` makes previews of latents.
        """
        request, pipeline = self._request, self.pipeline
        factor = int(pipeline.vae_scale_factor)
        cells = (self._size[1] // factor, self._size[0] // factor)
        larger = enlarged(pipeline.vae, latents, cells, request, in_tiles=self._in_tiles)
        options = condition(pipeline, self._loaded, request, self._prompts, cancel)
        Watch(emit, cancel, request.preview_every, colours, self._size, span).attach(pipeline)
        return pipeline(
            image=larger.to(pipeline.unet.dtype),
            num_inference_steps=request.steps,
            strength=request.strength,
            guidance_scale=request.guidance_scale,
            generator=noise.generators(seed, len(latents), stride(request)),
            output_type="latent",
            **self._options,
            **options,
        ).images


def enlarged(
    vae: Any, latents: torch.Tensor, cells: tuple[int, int], request: ImageRequest, *, in_tiles: bool = False
) -> torch.Tensor:
    """Scaled latents (B, C, h, w) at `cells` (height, width), interpolated themselves or as the pixels they stand for.

    The request says how: "latent" is bilinear in the latents, as A1111's "Latent" is. Where it tiles, the left edge
    goes on at the right one, and the upper at the lower.
    """
    method, wrap = request.hires_method, request.tiling
    if method == "latent":
        if not wrap:
            return F.interpolate(latents.float(), size=cells, mode="bilinear").to(latents.dtype)
        nine = latents.float().repeat(1, 1, 3, 3)  # the middle one has neighbours on all sides
        grown = F.interpolate(nine, size=(3 * cells[0], 3 * cells[1]), mode="bilinear")
        return grown[..., cells[0] : 2 * cells[0], cells[1] : 2 * cells[1]].to(latents.dtype)
    done = []
    for one in latents.split(1):
        pixels = decoded(vae, one, tiling=wrap, in_tiles=in_tiles)  # (1, 3, H, W)
        factor = pixels.shape[-1] // one.shape[-1]
        size = (cells[1] * factor, cells[0] * factor)
        levels = ((pixels[0].float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
        done.append(lat.to_latents(vae, [resized(Image.fromarray(levels), size, method, wrap=wrap)]))
    return torch.cat(done).to(latents.dtype)


def resized(picture: Image.Image, size: tuple[int, int], method: str, *, wrap: bool = False) -> Image.Image:
    """An RGB picture resampled to `size`; with `wrap` its filter looks over an edge at the opposite one."""
    if not wrap:
        return picture.resize(size, _RESAMPLING[method])
    levels = np.pad(np.asarray(picture), ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="wrap")
    box = (_MARGIN, _MARGIN, _MARGIN + picture.width, _MARGIN + picture.height)
    return Image.fromarray(levels).resize(size, _RESAMPLING[method], box=box)


def after(span: Span, calls: int) -> Span:
    """The span of a first pass that a pass of `calls` model calls follows."""
    return replace(span, later=calls)


def following(span: Span, calls: int) -> Span:
    """The span of a pass that follows one of `calls` model calls."""
    return replace(span, before=calls, later=0)
