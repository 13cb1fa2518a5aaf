"""Small adapter files of random weights for the shipped picture model, written by diffusers' own functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from playground.catalog import ASSETS

STARTER = ASSETS / "starter" / "starter-sd"
SMALL = ASSETS / "starter" / "starter-sd-small"


def plain(folder: Path = STARTER) -> Any:
    """A pipeline of its own in float32, as somebody without this app has it."""
    from diffusers import StableDiffusionPipeline

    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(folder), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_lora(path: Path, *, folder: Path = STARTER, rank: int = 2, text: bool = True, words: str = "") -> Path:
    """A LoRA for the pipeline in `folder`, on its attention and, with `text`, on its text encoder."""
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipeline = plain(folder)
    torch.manual_seed(rank)
    layers: dict[str, Any] = {}
    for part, targets in (("unet", ["to_q", "to_v"]), ("text_encoder", ["q_proj", "v_proj"])):
        if part == "unet" or text:
            module = getattr(pipeline, part)
            module.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights=False, target_modules=targets))
            layers[part] = {n: 0.3 * t for n, t in get_peft_model_state_dict(module).items()}
    encoder = layers.get("text_encoder")
    StableDiffusionPipeline.save_lora_weights(
        str(path.parent),
        unet_lora_layers=layers["unet"],
        text_encoder_lora_layers=None if encoder is None else convert_state_dict_to_diffusers(encoder),
        weight_name=path.name,
    )
    if words:
        from safetensors.torch import load_file

        save_file(load_file(path), path, metadata={"ss_tag_frequency": json.dumps({"1_x": {words: 9}})})
    return path


def save_inversion(path: Path, vectors: int = 1, width: int = 128, seed: int = 0) -> Path:
    """A textual inversion in A1111's layout."""
    source = torch.Generator().manual_seed(seed)
    save_file({"emb_params": torch.randn(vectors, width, generator=source)}, path)
    return path


def save_xl_lora(path: Path) -> Path:
    """The layers of a LoRA for SDXL, by kohya's names."""
    unet = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    encoder = "lora_te2_text_model_encoder_layers_0_self_attn_q_proj"
    tensors = {}
    for name, width in ((unet, 2048), (encoder, 1280)):
        tensors |= {f"{name}.lora_down.weight": torch.zeros(4, width), f"{name}.lora_up.weight": torch.zeros(640, 4)}
    save_file(tensors, path)
    return path
