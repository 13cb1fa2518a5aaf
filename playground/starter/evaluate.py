"""Measure a starter image model: what share of its pictures shows what the prompt says, read from the pixels."""

from __future__ import annotations

import json
import platform
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from playground.starter.captions import plain_caption
from playground.starter.clip import load_clip, normalised, retrieval
from playground.starter.export import folder_bytes
from playground.starter.reader import place_of, read
from playground.starter.render import render
from playground.starter.scenes import POSITIONS, SHAPES, Scene, held_out_at, place_single, scene_at
from playground.starter.vae import held_out_images, psnr

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
class Shares:
    """Shares (0 to 1) of `count` pictures in which each thing is as the prompt says."""

    count: int
    background: float
    colour: float
    both: float
    shape: float
    place: float


def seen_singles(count: int, seed: int = EVALUATION_SEED) -> list[Scene]:
    """Return `count` centred single-object scenes whose triples training holds."""
    found: list[Scene] = []
    index = 0
    while len(found) < count:
        scene = scene_at(seed, index)
        if scene.relation is None and scene.position == "center" and scene.items[0].size == "medium":
            found.append(scene)
        index += 1
    return found


def placed_singles(count: int, seed: int = EVALUATION_SEED) -> list[Scene]:
    """Return `count` single-object scenes away from the centre, places in turn."""
    rng = random.Random(f"placed/{seed}")
    made: list[Scene] = []
    while len(made) < count:
        donor = scene_at(seed, rng.randrange(10**9))
        item = donor.items[0]
        place = POSITIONS[1 + len(made) % (len(POSITIONS) - 1)]
        made.append(place_single(rng, item.colour, item.shape, donor.background, place, "medium"))
    return made


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


def judge(pictures: Tensor, scenes: Sequence[Scene]) -> Shares:
    """Compare pictures (B, 3, H, W) with the single-object scenes that they should show."""
    readings = [read(picture) for picture in pictures]
    items = [scene.items[0] for scene in scenes]
    pairs = list(zip(readings, items, scenes, strict=True))
    background = [reading.background == scene.background for reading, _, scene in pairs]
    colour = [reading.colour == item.colour for reading, item, _ in pairs]

    def share(hits: list[bool]) -> float:
        return round(sum(hits) / len(hits), 3)

    return Shares(
        len(pairs),
        share(background),
        share(colour),
        share([a and b for a, b in zip(background, colour, strict=True)]),
        share([reading.shape == item.shape for reading, item, _ in pairs]),
        share([place_of(reading) == scene.position for reading, _, scene in pairs]),
    )


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    """Load a starter pipeline in float32 on CPU, without progress bars."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def evaluate_diffusion(folder: Path, settings: Settings = Settings(), count: int = 100) -> dict[str, Any]:
    """Measure a pipeline folder: the VAE's dB on held-out scenes, and shares for three kinds of prompts."""
    pipeline = load_pipeline(folder)
    began = time.perf_counter()
    kinds = {
        "seen": seen_singles(count),
        "held_out": [held_out_at(EVALUATION_SEED, index) for index in range(count)],
        "placed": placed_singles(count // 2),
    }
    shares = {
        kind: asdict(judge(paint(pipeline, [plain_caption(scene) for scene in scenes], settings), scenes))
        for kind, scenes in kinds.items()
    }
    seconds = time.perf_counter() - began
    pictures = sum(len(scenes) for scenes in kinds.values())
    return {
        "settings": asdict(settings),
        "vae_db": round(psnr(pipeline.vae, held_out_images(100)), 2),
        "shares": shares,
        "seconds_per_picture": round(seconds / pictures, 3),
    }


def evaluate_clip(folder: Path) -> dict[str, Any]:
    """Measure retrieval among 100 captions (5 rounds), and the zero-shot reading of shapes on held-out scenes."""
    model, processor = load_clip(folder)
    to_text, to_image = retrieval(model, processor.tokenizer)
    scenes = [held_out_at(EVALUATION_SEED, index) for index in range(200)]
    hits = 0
    with torch.no_grad():
        for scene in scenes:
            item = scene.items[0]
            texts = [f"a {item.colour} {shape} on a {scene.background} background" for shape in SHAPES]
            words = processor(text=texts)
            scores = model(**words, pixel_values=normalised(render(scene)[None])).logits_per_image[0]
            hits += SHAPES[int(scores.argmax())] == item.shape
    return {
        "image_to_text_of_100": round(to_text, 3),
        "text_to_image_of_100": round(to_image, 3),
        "held_out_shape_of_10": round(hits / len(scenes), 3),
    }


def evaluate(name: str, folder: Path, settings: Settings, count: int = 100) -> dict[str, Any]:
    """Measure one starter image model, write quality.json into its folder and return what it says."""
    figures = evaluate_clip(folder) if name == "starter-clip" else evaluate_diffusion(folder, settings, count)
    figures |= {
        "bytes": folder_bytes(folder),
        "date": time.strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }
    (folder / "quality.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures
