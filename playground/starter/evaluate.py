"""Measure a starter image model on held-out scenes: what share of its pictures shows what the prompt says.

Pictures are read back by `playground.scores.scene_reader`, which no model was trained against.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from playground.scores.adherence import Adherence, agreement
from playground.scores.prompt_facts import expected
from playground.scores.scene_reader import read_scene
from playground.starter.captions import plain_caption
from playground.starter.clip import load_clip, normalised
from playground.starter.figures import Figure, average, share
from playground.starter.layouts import NEVER_OUTLINED
from playground.starter.quality import write_quality
from playground.starter.render import render
from playground.starter.scenes import (
    LAYOUTS,
    PLAIN_WORLD,
    POSITIONS,
    SHAPES,
    WORLD,
    Scene,
    World,
    held_out_scene_at,
    twin_of,
)
from playground.starter.vae import psnr_each

if TYPE_CHECKING:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

EVALUATION_SEED = 41


@dataclass(frozen=True)
class Settings:
    """How pictures are sampled for measuring."""

    steps: int = 20
    guidance_scale: float = 4.0
    sampler: str = "DPM++ 2M"
    batch: int = 10


@dataclass(frozen=True)
class Probe:
    """One row of the report: prompts of the world's held-out scenes, and the facts that all have to be right.

    `count` is the number of pictures; `bars` are what starter-sd and starter-sd-small have to reach, in per cent.
    """

    what: str
    world: World
    facts: tuple[str, ...]
    count: int
    bars: tuple[float, float] | None = None


def _only(layout: str) -> tuple[float, ...]:
    return tuple(float(name == layout) for name in LAYOUTS)


_PAIRS = replace(PLAIN_WORLD, layout_weights=_only("pair"), relation_weights=(0.25, 0.25, 0.25, 0.25, 0.0))
_OUTLINED = tuple(shape for shape in SHAPES if shape not in NEVER_OUTLINED)
PROBES = (
    Probe("one object: colour, shape and background", PLAIN_WORLD, ("colour", "shape", "background"), 200, (92, 80)),
    Probe("two objects: every colour and shape", _PAIRS, ("colour", "shape", "count", "background"), 200, (75, 55)),
    Probe("two objects: left of, right of, above, below", _PAIRS, ("relation",), 200),
    Probe(
        "position word",
        replace(PLAIN_WORLD, position_weights=(0.0, *(1.0,) * (len(POSITIONS) - 1))),
        ("position",),
        200,
        (90, 80),
    ),
    Probe(
        "one inside another",
        replace(_PAIRS, relation_weights=(0.0, 0.0, 0.0, 0.0, 1.0)),
        ("colour", "shape", "relation"),
        60,
    ),
    Probe(
        "counts of two to four", replace(PLAIN_WORLD, layout_weights=_only("count")), ("colour", "shape", "count"), 60
    ),
    Probe("three objects", replace(PLAIN_WORLD, layout_weights=_only("trio")), ("colour", "shape", "count"), 60),
    Probe("small and big", replace(PLAIN_WORLD, size_weights=(0.0, 0.5, 0.5)), ("size",), 60),
    Probe("outlines", replace(PLAIN_WORLD, shapes=_OUTLINED, outline_share=1.0), ("outline", "shape"), 60),
    Probe(
        "gradients, stripes, dots, checks",
        replace(PLAIN_WORLD, ground_weights=(0.0, 1.0, 1.0, 1.0, 1.0)),
        ("ground", "background"),
        60,
    ),
    Probe("shadow, pixel, pencil", replace(PLAIN_WORLD, style_weights=(0.0, 1.0, 1.0, 1.0)), ("style", "shape"), 60),
)


def scenes_of(probe: Probe, count: int | None = None) -> list[Scene]:
    """Return a probe's scenes, each with a held-out (colour, shape, background) triple."""
    return [held_out_scene_at(EVALUATION_SEED, index, probe.world) for index in range(count or probe.count)]


def paint(pipeline: StableDiffusionPipeline, prompts: Sequence[str], settings: Settings, seed: int = 0) -> Tensor:
    """Sample one 128x128 picture a prompt, picture i from seed `seed + i`; (B, 3, 128, 128) in [0, 1]."""
    parts = []
    for start in range(0, len(prompts), settings.batch):
        some = list(prompts[start : start + settings.batch])
        output: Any = pipeline(
            prompt=some,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            generator=[torch.Generator().manual_seed(seed + start + offset) for offset in range(len(some))],
            height=128,
            width=128,
            output_type="pt",
        )
        parts.append(output.images.float().cpu())
    return torch.cat(parts)


def judge(pictures: Tensor, prompts: Sequence[str]) -> list[Adherence]:
    """Compare pictures (B, 3, H, W) with what their prompts ask for; raises ValueError where that is nothing."""
    judged = []
    for picture, prompt in zip(pictures, prompts, strict=True):
        wanted = expected(prompt)
        if wanted is None:
            raise ValueError(f"the prompt asks for nothing that can be read back: {prompt!r}")
        judged.append(agreement(read_scene(picture), wanted))
    return judged


def all_hold(adherence: Adherence, facts: Sequence[str]) -> bool:
    """Whether all of these facts hold; one that the prompt leaves open counts as held."""
    return all(getattr(adherence, fact) is not False for fact in facts)


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    """Load a starter pipeline in float32 on CPU, without progress bars."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def held_out_pictures(count: int, seed: int = 7) -> Tensor:
    """Return `count` held-out scenes of the whole world as (count, 3, 128, 128) in [0, 1]."""
    return torch.stack([render(held_out_scene_at(seed, index, WORLD)) for index in range(count)])


def diffusion_figures(
    name: str, folder: Path, settings: Settings = Settings(), share_of: float = 1.0
) -> Iterator[Figure]:
    """Measure a pipeline folder, a figure at a time; `share_of` shrinks the number of pictures, for a quick look."""
    pipeline = load_pipeline(folder)
    small = name.endswith("-small")
    rebuilt = psnr_each(pipeline.vae, held_out_pictures(max(2, round(200 * share_of)))).tolist()
    yield average(name, "autoencoder, held-out scenes", rebuilt, "dB", 34.0)
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
        source = diffusion_figures(name, folder, settings, share_of)
    figures = []
    for figure in source:
        on_figure(figure)
        figures.append(figure)
    return write_quality(folder, figures, time.perf_counter() - began, settings=asdict(settings))
