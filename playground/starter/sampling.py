"""How far a starter diffusion model depends on the way it is sampled: samplers, steps, sizes, guidance, negatives.

Every row paints the same prompts from the same seeds, so that two rows differ by what is told and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from playground.images.samplers import build_scheduler, sampler_row, samplers
from playground.scores.scene_reader import read_scene
from playground.starter.captions import plain_caption
from playground.starter.figures import Figure, average, share
from playground.starter.probes import PROBES, Settings, all_hold, judge, paint, scenes_of

if TYPE_CHECKING:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

BASE = "DPM++ 2M"
FEW_STEPS = 4
# What a sampler may lose against the base in points: at the base's own steps, and with few steps.
LOSS, LOSS_OF_FEW = 3.0, 10.0
SIZES = ((64, 64), (96, 96), (192, 128), (192, 192))  # width, height
GUIDANCES = (1.0, 2.0, 8.0, 12.0)

Right = list[bool]


def sampling_figures(
    name: str, pipeline: StableDiffusionPipeline, settings: Settings, count: int = 60
) -> Iterator[Figure]:
    """Measure one object's colour, shape and background over `count` held-out scenes, in each way of sampling."""
    probe = PROBES[0]
    prompts = [plain_caption(scene) for scene in scenes_of(probe, count)]
    own = pipeline.scheduler

    def right(sampler: str = BASE, schedule: str = "Automatic", how: Settings = settings) -> Right:
        pipeline.scheduler = build_scheduler(sampler, schedule, own)
        try:
            return [all_hold(one, probe.facts) for one in judge(paint(pipeline, prompts, how), prompts)]
        finally:
            pipeline.scheduler = own

    base = right()
    yield share(name, f"one object, first {count}: {BASE}, {settings.steps} steps", base)
    yield from _samplers(name, right, base, settings)
    few = right(schedule="Karras", how=replace(settings, steps=FEW_STEPS))
    yield _against(name, f"{BASE} Karras, {FEW_STEPS} steps", few, base, -LOSS_OF_FEW)
    for width, height in SIZES:
        yield share(name, f"the same at {width}x{height}", right(how=replace(settings, width=width, height=height)))
    for guidance in GUIDANCES:
        yield share(name, f"the same at guidance {guidance:g}", right(how=replace(settings, guidance_scale=guidance)))
    yield _negatives(name, pipeline, settings, count)


def _samplers(name: str, right: Callable[..., Right], base: Right, settings: Settings) -> Iterator[Figure]:
    for sampler in samplers():
        if sampler != BASE and not sampler_row(sampler).distilled:
            yield _against(name, f"{sampler}, {settings.steps} steps", right(sampler), base, -LOSS)


def _against(name: str, what: str, one: Right, base: Right, bar: float) -> Figure:
    """The mean difference of paired shares, in points; the bar is what may be lost."""
    points = [100.0 * (ours - theirs) for ours, theirs in zip(one, base, strict=True)]
    return average(name, f"{what}, against {BASE}", points, "points", bar)


def _negatives(name: str, pipeline: StableDiffusionPipeline, settings: Settings, count: int) -> Figure:
    """How often an object loses its colour once a negative prompt names it; the seed stays, and so would the colour."""
    scenes = scenes_of(PROBES[0], count)
    prompts = [f"a {scene.items[0].shape} on a {scene.ground.colour} background" for scene in scenes]
    before = [_colour(picture) for picture in paint(pipeline, prompts, settings)]
    after = paint(pipeline, prompts, settings, negatives=[colour or "" for colour in before])
    kept = [_colour(picture) == colour for picture, colour in zip(after, before, strict=True) if colour]
    return share(name, "a colour in the negative prompt is not painted", [not one for one in kept])


def _colour(picture: torch.Tensor) -> str | None:
    objects = read_scene(picture).objects
    return objects[0].colour if objects else None
