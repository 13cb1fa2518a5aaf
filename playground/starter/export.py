"""Write trained parts as the folder that `StableDiffusionPipeline.from_pretrained` loads: fp16, small files."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.starter.tokenizer import save_tokenizer

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

SHARD_SIZE = "8MB"


def save_pipeline(
    folder: Path,
    *,
    vae: AutoencoderKL,
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scheduler: DPMSolverMultistepScheduler,
) -> None:
    """Save all parts in float16 into `folder`, replacing the parts that lie there; the parts given stay as they are."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    parts: dict[str, Any] = {"vae": vae, "unet": unet, "text_encoder": text_encoder}
    halves = {name: copy.deepcopy(part).cpu().half().eval() for name, part in parts.items()}
    absent: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    sampler: Any = scheduler
    pipeline = StableDiffusionPipeline(**halves, **absent, tokenizer=tokenizer, scheduler=sampler)
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline.save_pretrained(fresh, max_shard_size=SHARD_SIZE)
    save_tokenizer(tokenizer, fresh / "tokenizer")
    load_as_float32(fresh / "text_encoder")
    forget_origin(fresh)
    settle(fresh, folder)


def load_as_float32(folder: Path) -> None:
    """Have transformers load a saved model in float32 unless told otherwise, as diffusers loads its parts.

    Without it a plain `from_pretrained` leaves this part in float16 and every other in float32.
    """
    file = folder / "config.json"
    config = json.loads(file.read_text())
    for part in (config, config.get("text_config", {}), config.get("vision_config", {})):
        if "dtype" in part:
            part["dtype"] = "float32"
    file.write_text(json.dumps(config, indent=2) + "\n")


def forget_origin(folder: Path) -> None:
    """Drop from every config the folder that a part was once loaded from: it says nothing on another machine."""
    for file in folder.rglob("config.json"):
        config = json.loads(file.read_text())
        if config.pop("_name_or_path", None) is not None:
            file.write_text(json.dumps(config, indent=2) + "\n")


def settle(fresh: Path, folder: Path) -> None:
    """Move what lies in `fresh` into `folder`, part by part, readable by everyone; other files there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in fresh.iterdir():
        old = folder / part.name
        if old.is_dir():
            shutil.rmtree(old)
        part.replace(old)
    fresh.rmdir()
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(0o644)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files under a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
