"""What a starter image model is asked to draw, how, and whether what it drew is what was asked.

Pictures are read back by `playground.scores.scene_reader`, which no model was trained against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from playground.scores.adherence import Adherence, agreement
from playground.scores.prompt_facts import expected
from playground.scores.scene_reader import read_scene
from playground.starter.layouts import NEVER_OUTLINED
from playground.starter.scenes import (
    LAYOUTS,
    PLAIN_WORLD,
    POSITIONS,
    SHAPES,
    Scene,
    World,
    held_out_scene_at,
)

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
    width: int = 128
    height: int = 128
    dtype: str = "float32"


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
        40,
    ),
    Probe(
        "counts of two to four", replace(PLAIN_WORLD, layout_weights=_only("count")), ("colour", "shape", "count"), 40
    ),
    Probe("three objects", replace(PLAIN_WORLD, layout_weights=_only("trio")), ("colour", "shape", "count"), 40),
    Probe("small and big", replace(PLAIN_WORLD, size_weights=(0.0, 0.5, 0.5)), ("size",), 40),
    Probe("outlines", replace(PLAIN_WORLD, shapes=_OUTLINED, outline_share=1.0), ("outline", "shape"), 40),
    Probe(
        "gradients, stripes, dots, checks",
        replace(PLAIN_WORLD, ground_weights=(0.0, 1.0, 1.0, 1.0, 1.0)),
        ("ground", "background"),
        40,
    ),
    Probe("shadow, pixel, pencil", replace(PLAIN_WORLD, style_weights=(0.0, 1.0, 1.0, 1.0)), ("style", "shape"), 40),
)


def scenes_of(probe: Probe, count: int | None = None) -> list[Scene]:
    """Return a probe's scenes, each with a held-out (colour, shape, background) triple."""
    return [held_out_scene_at(EVALUATION_SEED, index, probe.world) for index in range(count or probe.count)]


def paint(
    pipeline: StableDiffusionPipeline,
    prompts: Sequence[str],
    settings: Settings,
    seed: int = 0,
    negatives: Sequence[str] | None = None,
) -> Tensor:
    """Sample one picture a prompt, picture i from seed `seed + i`; (B, 3, height, width) in [0, 1]."""
    parts = []
    for start in range(0, len(prompts), settings.batch):
        some = list(prompts[start : start + settings.batch])
        output: Any = pipeline(
            prompt=some,
            negative_prompt=None if negatives is None else list(negatives[start : start + settings.batch]),
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            generator=[torch.Generator().manual_seed(seed + start + offset) for offset in range(len(some))],
            height=settings.height,
            width=settings.width,
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


def load_pipeline(folder: Path, dtype: str = "float32") -> StableDiffusionPipeline:
    """Load a starter pipeline on the CPU, without progress bars."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=getattr(torch, dtype), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
