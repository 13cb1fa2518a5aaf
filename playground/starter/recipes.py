"""The recipes of the starter image models by name: sizes, plans, and the order in which parts are trained."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from playground.starter.clip import build_clip, save_clip, train_clip
from playground.starter.course import COURSE, Course
from playground.starter.diffusion import (
    DiffusionShape,
    build_scheduler,
    build_text_encoder,
    build_unet,
    train_diffusion,
)
from playground.starter.export import save_pipeline, settle
from playground.starter.loop import Outcome, Plan
from playground.starter.reading import teach_reading
from playground.starter.tokenizer import build_tokenizer, caption_corpus
from playground.starter.vae import build_vae, polish_decoder, train_vae

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from torch import nn
    from transformers import CLIPTokenizer

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "starter"
TEACHER = "starter-sd"


@dataclass(frozen=True)
class ImageRecipe:
    """One diffusion model: its sizes, its plan, and whether it starts from starter-sd's other parts.

    From there come the autoencoder, which stays, and the text encoder, which is trained on with the new UNet.
    """

    shape: DiffusionShape
    plan: Plan
    course: Course = COURSE
    batch: int = 64
    from_teacher: bool = False


VAE_PLAN = Plan(steps=3000, rate=2e-3, ema=0.997, muon=True)
POLISH_PLAN = Plan(steps=1500, rate=1e-3, ema=0.997, muon=True)
CLIP_PLAN = Plan(steps=5000, rate=1.5e-3, ema=0.998, warmup_steps=150, muon=True)
READING_PLAN = Plan(steps=1500, rate=2e-3, warmup_steps=50, ema=0.995, muon=True)
RECIPES = {
    "starter-sd": ImageRecipe(DiffusionShape(), Plan(steps=7000, rate=2e-3, warmup_steps=150, ema=0.999, muon=True)),
    "starter-sd-small": ImageRecipe(
        DiffusionShape(channels=(32, 64, 96)),
        Plan(steps=6000, rate=2e-3, warmup_steps=150, ema=0.999, muon=True),
        course=Course(ramp=(1000, 3000)),
        from_teacher=True,
    ),
}
# Shares of a limit in minutes that training an own autoencoder takes before the diffusion model.
VAE_SHARE, POLISH_SHARE = 0.22, 0.13


def limited(plan: Plan, steps: int | None, minutes: float | None) -> Plan:
    """Return the plan with the caller's limits in place of its own."""
    return replace(plan, steps=plan.steps if steps is None else steps, minutes=minutes)


def parameter_counts(parts: Mapping[str, nn.Module]) -> dict[str, int]:
    """Count the parameters of each part."""
    return {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}


def note_training(folder: Path, stages: Mapping[str, Outcome], parameters: Mapping[str, int], **more: object) -> None:
    """Write training.json: what was trained, how long, on what; the model card is made from it."""
    facts = {
        "stages": {name: asdict(outcome) for name, outcome in stages.items()},
        "parameters": dict(parameters),
        "date": time.strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        **more,
    }
    (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n")


def train(
    name: str, out: Path, work: Path, minutes: float | None, steps: int | None, resume: bool, device: str = "cpu"
) -> None:
    """Train one image model by name into the folder `out`; raises ValueError for a name that is none of them."""
    torch.manual_seed(0)
    if name == "starter-clip":
        _train_clip(out, work, minutes, steps, resume, torch.device(device))
    elif name in RECIPES:
        _train_diffusion(name, out, work, minutes, steps, resume, torch.device(device))
    else:
        raise ValueError(f"no image model is called {name!r}; there are {', '.join([*RECIPES, 'starter-clip'])}")


def _train_clip(
    out: Path, work: Path, minutes: float | None, steps: int | None, resume: bool, device: torch.device
) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = build_tokenizer(caption_corpus())
    model = build_clip(tokenizer)
    torch.nn.Module.to(model, device)
    assert isinstance(model.config.text_config, CLIPTextConfig)
    text = CLIPTextModel(model.config.text_config)
    torch.nn.Module.to(text, device)
    reading = teach_reading(text, tokenizer, limited(READING_PLAN, steps, None), work / "clip-reading", resume=resume)
    model.text_model.load_state_dict({key.removeprefix("text_model."): w for key, w in text.state_dict().items()})
    outcome = train_clip(model, tokenizer, limited(CLIP_PLAN, steps, minutes), work / "clip", resume=resume)
    fresh = out.with_name(out.name + ".new")
    save_clip(model, tokenizer, fresh)
    settle(fresh, out)
    note_training(out, {"text tower": reading, "clip": outcome}, parameter_counts({"clip": model}))


def _own_vae(
    work: Path, minutes: float | None, steps: int | None, resume: bool, device: torch.device
) -> tuple[AutoencoderKL, dict]:
    """Train, or with `resume` take from the work folder, the autoencoder; return it and its stages."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    final = work / "vae" / "final"
    if resume and (final / "stages.json").exists():
        vae = AutoencoderKL.from_pretrained(final).to(device)
        stages = {name: Outcome(**facts) for name, facts in json.loads((final / "stages.json").read_text()).items()}
        return vae.eval().requires_grad_(False), stages
    vae = build_vae()
    torch.nn.Module.to(vae, device)
    joint = limited(VAE_PLAN, steps, minutes and minutes * VAE_SHARE)
    polish = limited(POLISH_PLAN, steps, minutes and minutes * POLISH_SHARE)
    stages = {"vae": train_vae(vae, joint, work / "vae", resume=resume)}
    stages["vae decoder"] = polish_decoder(vae, polish, work / "polish", resume=resume)
    vae.save_pretrained(final)
    (final / "stages.json").write_text(json.dumps({key: asdict(outcome) for key, outcome in stages.items()}))
    return vae, stages


def _train_diffusion(
    name: str, out: Path, work: Path, minutes: float | None, steps: int | None, resume: bool, device: torch.device
) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from transformers import CLIPTextModel, CLIPTokenizer

    recipe = RECIPES[name]
    stages: dict[str, Outcome] = {}
    tokenizer: CLIPTokenizer
    if not recipe.from_teacher:
        tokenizer = build_tokenizer(caption_corpus())
        vae, stages = _own_vae(work, minutes, steps, resume, device)
        minutes = minutes and minutes * (1 - VAE_SHARE - POLISH_SHARE)
        text_encoder = build_text_encoder(recipe.shape, tokenizer)
        torch.nn.Module.to(text_encoder, device)
        reading = limited(READING_PLAN, steps, None)
        stages["text encoder"] = teach_reading(text_encoder, tokenizer, reading, work / "reading", resume=resume)
    else:
        teacher = next((f for f in (out.parent / TEACHER, ASSETS / TEACHER) if (f / "vae").is_dir()), None)
        if teacher is None:
            raise FileNotFoundError(
                f"{name} starts from parts of {TEACHER}, not found in {out.parent} or {ASSETS}; train it first"
            )
        tokenizer = CLIPTokenizer.from_pretrained(teacher / "tokenizer")
        vae = AutoencoderKL.from_pretrained(teacher / "vae", dtype=torch.float32).eval().requires_grad_(False)
        text_encoder = CLIPTextModel.from_pretrained(teacher / "text_encoder", dtype=torch.float32)
    unet = build_unet(recipe.shape)
    parts: dict[str, Any] = {"vae": vae, "unet": unet, "text_encoder": text_encoder}
    for part in parts.values():
        part.to(device)

    def export(so_far: Outcome) -> None:
        save_pipeline(out, **parts, tokenizer=tokenizer, scheduler=build_scheduler())
        note_training(out, {**stages, "diffusion": so_far}, parameter_counts(parts), batch=recipe.batch)

    plan = limited(recipe.plan, steps, minutes)
    stages["diffusion"] = train_diffusion(
        unet,
        text_encoder,
        tokenizer,
        vae,
        plan,
        work / name,
        course=recipe.course,
        batch=recipe.batch,
        resume=resume,
        on_save=export,
    )
    save_pipeline(out, **parts, tokenizer=tokenizer, scheduler=build_scheduler())
    note_training(out, stages, parameter_counts(parts), batch=recipe.batch)
