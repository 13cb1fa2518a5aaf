"""Measure a starter image model on held-out scenes: what share of its pictures shows what the prompt says."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from playground.starter.captions import plain_caption
from playground.starter.clip import load_clip, normalised
from playground.starter.figures import Figure, average, share
from playground.starter.probes import (
    EVALUATION_SEED,
    PROBES,
    Settings,
    all_hold,
    judge,
    load_pipeline,
    paint,
    scenes_of,
)
from playground.starter.quality import write_quality
from playground.starter.render import render
from playground.starter.sampling import sampling_figures
from playground.starter.scenes import WORLD, Scene, held_out_scene_at, twin_of
from playground.starter.vae import psnr_each

if TYPE_CHECKING:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline


def held_out_pictures(count: int, seed: int = 7) -> Tensor:
    """Return `count` held-out scenes of the whole world as (count, 3, 128, 128) in [0, 1]."""
    return torch.stack([render(held_out_scene_at(seed, index, WORLD)) for index in range(count)])


def autoencoder_figure(name: str, folder: Path, count: int = 200) -> Figure:
    """How well the autoencoder of a pipeline folder gives back `count` held-out scenes, in float32."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
    return average(name, "autoencoder, held-out scenes", psnr_each(vae, held_out_pictures(count)).tolist(), "dB", 34.0)


def diffusion_figures(
    name: str, pipeline: StableDiffusionPipeline, settings: Settings, share_of: float = 1.0
) -> Iterator[Figure]:
    """Measure a pipeline, a figure at a time; `share_of` shrinks the number of pictures, for a quick look."""
    small = name.endswith("-small")
    for probe in PROBES:
        scenes = scenes_of(probe, max(2, round(probe.count * share_of)))
        prompts = [plain_caption(scene) for scene in scenes]
        judged = judge(paint(pipeline, prompts, settings), prompts)
        bar = None if probe.bars is None else probe.bars[small]
        yield share(name, probe.what, [all_hold(one, probe.facts) for one in judged], bar)


@torch.no_grad()
def clip_figures(name: str, folder: Path, rounds: int = 4, of: int = 100) -> Iterator[Figure]:
    """Measure starter-clip: the right caption among `of` close ones for each of `rounds` times `of` pictures.

    The captions of a round belong to scenes and their twins, which differ in one fact, so that half of them are close.
    """
    model, processor = load_clip(folder)
    to_text: list[bool] = []
    to_image: list[bool] = []
    for turn in range(rounds):
        found: dict[str, Scene] = {}
        index = random.Random(f"close/{turn}").randrange(10**9)
        while len(found) < of:
            scene = held_out_scene_at(EVALUATION_SEED, index, WORLD)
            for one in (scene, twin_of(scene, EVALUATION_SEED)):
                if len(found) < of:
                    found.setdefault(plain_caption(one), one)
            index += 1
        words = processor(text=list(found))
        pixels = normalised(torch.stack([render(scene) for scene in found.values()]))
        scores = model(**words, pixel_values=pixels).logits_per_image
        target = torch.arange(of)
        to_text += (scores.argmax(1) == target).tolist()
        to_image += (scores.argmax(0) == target).tolist()
    yield share(name, f"right caption of {of} close ones", to_text, 90)
    yield share(name, f"right picture of {of} close ones", to_image)


def evaluate(
    name: str,
    folder: Path,
    settings: Settings,
    share_of: float = 1.0,
    on_figure: Callable[[Figure], None] = lambda figure: None,
) -> dict[str, Any]:
    """Measure one starter image model, write quality.json into its folder and return what it says."""
    began = time.perf_counter()
    if name == "starter-clip":
        source = clip_figures(name, folder, rounds=max(1, round(4 * share_of)))
    else:
        pipeline = load_pipeline(folder, settings.dtype)
        rebuilt = autoencoder_figure(name, folder, max(2, round(200 * share_of)))
        source = chain([rebuilt], diffusion_figures(name, pipeline, settings, share_of))
        if name == "starter-sd":
            source = chain(source, sampling_figures(name, pipeline, settings, max(2, round(60 * share_of))))
    figures = []
    for figure in source:
        on_figure(figure)
        figures.append(figure)
    return write_quality(folder, figures, time.perf_counter() - began, settings=asdict(settings))
