"""Tiny random models that see and hear, of transformers' own classes, and small pictures and sounds to show it."""

from __future__ import annotations

import io
import json
import wave
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken
from transformers import (
    GenerationConfig,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    Phi4MultimodalConfig,
    Phi4MultimodalForCausalLM,
)

from playground.catalog import ModelCard
from playground.models.loaded import LoadedText
from playground.models.senses import senses_of
from tests.chat.tiny import TEMPLATE, tokenizer

SIDE, PATCH = 64, 2  # 32 patches a side, as the shipped checkpoint has of 14 pixels each
RATE = 16_000


@cache
def words():
    made = tokenizer(TEMPLATE)
    made.add_tokens([AddedToken(t, special=True, normalized=False) for t in ("<|image|>", "<|audio|>")])
    return made


def model(context: int = 4096, **config) -> Phi4MultimodalForCausalLM:
    made = words()
    image_id, audio_id = made.convert_tokens_to_ids(["<|image|>", "<|audio|>"])
    vision = {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": SIDE, "crop_size": SIDE, "patch_size": PATCH, "image_token_id": image_id,
    }  # fmt: skip
    audio = {
        "hidden_size": 16, "intermediate_size": 24, "num_blocks": 2, "num_attention_heads": 2, "ext_pw_out_channel": 16,
        "depthwise_separable_out_channel": 16, "nemo_conv_channels": 16, "audio_token_id": audio_id,
    }  # fmt: skip
    shape = {
        "vocab_size": len(made), "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": context,
        "original_max_position_embeddings": context, "initializer_range": 0.3, "pad_token_id": made.pad_token_id,
        "bos_token_id": made.bos_token_id, "eos_token_id": made.eos_token_id,
    } | config  # fmt: skip
    torch.manual_seed(5)
    built = Phi4MultimodalForCausalLM(Phi4MultimodalConfig(vision_config=vision, audio_config=audio, **shape)).eval()
    for part in (built.model.embed_tokens_extend,):  # wide enough that what is seen matters
        for parameter in part.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    built.generation_config = GenerationConfig(eos_token_id=[made.eos_token_id, 0], pad_token_id=made.pad_token_id)
    return built.requires_grad_(False)


def loaded(context: int = 4096, **config) -> LoadedText:
    card = ModelCard(
        id="tiny-senses", name="Tiny", kind="chat", source="x", licence="MIT", capabilities=("vision", "audio")
    )
    made = model(context, **config)
    senses = senses_of("Tiny", Path("/nowhere"), made, words())
    return LoadedText(card, made, words(), "cpu", torch.float32, 0, senses=senses)


def saved(folder: Path) -> Path:
    """The model, its processor's figures, and an adapter for seeing that changes what is said, as people have them."""
    from peft import LoraConfig

    made = model()
    made.save_pretrained(folder)
    words().save_pretrained(folder)
    says = {"dynamic_hd": 6, "feature_size": 80, "image_processor_type": "Phi4MultimodalImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(says))
    made.add_adapter(LoraConfig(r=4, target_modules=["qkv_proj", "o_proj"], init_lora_weights=False), "vision")
    torch.manual_seed(9)
    for name, parameter in made.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    made.save_pretrained(folder / "vision-lora")
    return folder


def mistral(context: int = 1024) -> LoadedText:
    """A tiny Mistral Small 3.1: it sees, in its own class."""
    made = tokenizer(TEMPLATE)
    made.add_tokens([AddedToken(t, special=True, normalized=False) for t in ("[IMG]", "[IMG_BREAK]", "[IMG_END]")])
    vision = {
        "model_type": "pixtral", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "head_dim": 8,
        "num_attention_heads": 2, "patch_size": 4, "image_size": 64,
    }  # fmt: skip
    text = {
        "model_type": "mistral", "vocab_size": len(made), "hidden_size": 48, "intermediate_size": 96, "head_dim": 12,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": None,
        "max_position_embeddings": context, "initializer_range": 0.4,
    }  # fmt: skip
    torch.manual_seed(5)
    image_id = made.convert_tokens_to_ids("[IMG]")
    config = Mistral3Config(vision_config=vision, text_config=text, image_token_index=image_id)
    built = Mistral3ForConditionalGeneration(config).eval()
    for part in (built.model.vision_tower, built.model.multi_modal_projector):
        for parameter in part.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    built.generation_config = GenerationConfig(eos_token_id=[made.eos_token_id, 0], pad_token_id=made.pad_token_id)
    card = ModelCard(id="tiny-m", name="Tiny", kind="chat", source="x", licence="MIT", capabilities=("vision",))
    senses = senses_of("Tiny", Path("/nowhere"), built, made)
    return LoadedText(card, built.requires_grad_(False), made, "cpu", torch.float32, 0, senses=senses)


def picture(seed: int = 1, width: int = 90, height: int = 50) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def samples(seed: int = 1, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    """16 bit whole numbers."""
    return np.random.default_rng(seed).integers(-9000, 9000, int(seconds * rate), dtype=np.int16)


def sound(seed: int = 1, seconds: float = 0.5, rate: int = RATE, silent: bool = False) -> bytes:
    frames = samples(seed, seconds, rate)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(len(frames) * 2) if silent else frames.astype("<i2").tobytes())
    return out.getvalue()
