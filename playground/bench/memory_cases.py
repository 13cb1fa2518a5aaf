"""What the estimates of working memory are held against: small models and the shapes of the real ones.

A case makes a model of random weights and runs it once; how its memory is counted is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from playground.models.activations import decode_working_bytes, step_working_bytes, transformer_working_bytes
from playground.models.kv_cache import PREFILL_CHUNK, chat_working_bytes

Run = Callable[[Any, torch.dtype], Any]


@dataclass(frozen=True)
class Case:
    """A model to make, a way to run it, and the estimate of what that takes, for a dtype."""

    name: str
    make: Callable[[], Any]
    run: Run
    estimate: Callable[[dict[str, Any], str], int]


def unet_case(name: str, pixels: int, batch: int = 1, **shape: Any) -> Case:
    """A guided step of a UNet of `shape` for `batch` pictures of `pixels` a side."""
    from diffusers import UNet2DConditionModel

    def run(model: Any, dtype: torch.dtype) -> Any:
        side, width = pixels // 8, model.config.cross_attention_dim
        extra = {}
        if model.config.addition_embed_type == "text_time":
            pooled = model.config.projection_class_embeddings_input_dim - 6 * model.config.addition_time_embed_dim
            extra = {"text_embeds": torch.zeros(2 * batch, pooled, dtype=dtype), "time_ids": torch.zeros(2 * batch, 6)}
        return model(
            torch.zeros(2 * batch, 4, side, side, dtype=dtype),
            torch.tensor(3),
            torch.zeros(2 * batch, 77, width, dtype=dtype),
            added_cond_kwargs=extra or None,
            return_dict=False,
        )[0]

    return Case(
        f"{name} step {pixels}x{pixels}" + (f", {batch} at once" if batch > 1 else ""),
        lambda: UNet2DConditionModel(**shape),
        run,
        lambda config, dtype: step_working_bytes(config, pixels, pixels, batch, dtype=dtype),
    )


def decode_case(name: str, pixels: int, batch: int = 1, mode: str = "plain", **shape: Any) -> Case:
    """A VAE's decode of `batch` pictures of `pixels` a side."""
    from diffusers import AutoencoderKL

    levels = len(shape["block_out_channels"])
    shape |= {
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
    }

    def run(model: Any, dtype: torch.dtype) -> Any:
        if mode != "plain":
            model.enable_slicing()
        if mode == "tiled":
            model.enable_tiling()
        side = pixels // 2 ** (levels - 1)
        return model.decode(torch.zeros(batch, 4, side, side, dtype=dtype), return_dict=False)[0]

    return Case(
        f"{name} decode {pixels}x{pixels} {mode}" + (f", {batch} pictures" if batch > 1 else ""),
        lambda: AutoencoderKL(**shape),
        run,
        lambda config, dtype: decode_working_bytes(config, pixels, pixels, batch, dtype=dtype, mode=mode),
    )


def transformer_case(name: str, cls: str, pixels: int, batch: int = 1, **shape: Any) -> Case:
    """A guided step of a diffusion transformer; FLUX has no guidance to double the batch."""
    import diffusers

    def run(model: Any, dtype: torch.dtype) -> Any:
        side, flux = pixels // 8, cls == "FluxTransformer2DModel"
        count = batch if flux else 2 * batch
        text = {"FluxTransformer2DModel": 512, "SD3Transformer2DModel": 333}.get(cls, 120)
        width = model.config.get("joint_attention_dim") or model.config.caption_channels
        inputs: dict[str, Any] = {"encoder_hidden_states": torch.zeros(count, text, width, dtype=dtype)}
        if flux:
            tokens = (side // 2) ** 2
            inputs |= {"hidden_states": torch.zeros(count, tokens, 64, dtype=dtype)}
            inputs |= {"img_ids": torch.zeros(tokens, 3), "txt_ids": torch.zeros(text, 3)}
        else:
            inputs["hidden_states"] = torch.zeros(count, model.config.in_channels, side, side, dtype=dtype)
        if "pooled_projection_dim" in model.config:
            inputs["pooled_projections"] = torch.zeros(count, model.config.pooled_projection_dim, dtype=dtype)
        else:
            mask = torch.ones(count, text, dtype=dtype)
            sizes = {
                "resolution": torch.zeros(count, 2, dtype=dtype),
                "aspect_ratio": torch.zeros(count, 1, dtype=dtype),
            }
            inputs |= {"encoder_attention_mask": mask, "added_cond_kwargs": sizes}
        return model(timestep=torch.zeros(count, dtype=dtype), return_dict=False, **inputs)[0]

    return Case(
        f"{name} step {pixels}x{pixels}" + (f", {batch} at once" if batch > 1 else ""),
        lambda: getattr(diffusers, cls)(**shape),
        run,
        lambda config, dtype: transformer_working_bytes(config, pixels, pixels, batch, dtype=dtype),
    )


def chat_case(name: str, family: str, tokens: int, **shape: Any) -> Case:
    """A prompt of `tokens`, read in the chunks that chat reads."""
    import transformers

    def make() -> Any:
        config = getattr(transformers, f"{family}Config")(pad_token_id=0, **shape)
        config._attn_implementation = "sdpa"
        return getattr(transformers, f"{family}ForCausalLM")(config)

    def run(model: Any, dtype: torch.dtype) -> Any:
        cache, out = transformers.DynamicCache(config=model.config), None
        for start in range(0, tokens, PREFILL_CHUNK):
            ids = torch.zeros(1, min(PREFILL_CHUNK, tokens - start), dtype=torch.long)
            out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        return out

    return Case(f"{name}, {tokens} tokens", make, run, lambda config, dtype: chat_working_bytes(config, tokens, dtype))


SD: dict[str, Any] = {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768, "attention_head_dim": 8}
SDXL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE: dict[str, Any] = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 512}


def small_cases() -> list[Case]:
    """Models of the same layouts that a laptop runs in seconds."""
    narrow: dict[str, Any] = {
        "block_out_channels": (32, 64, 128, 128),
        "cross_attention_dim": 64,
        "attention_head_dim": 8,
    }
    wide: dict[str, Any] = {
        "block_out_channels": (160, 320, 640, 640),
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
    }
    vae: dict[str, Any] = {
        "block_out_channels": (32, 64, 64),
        "layers_per_block": 2,
        "sample_size": 64,
        "norm_num_groups": 8,
    }
    text: dict[str, Any] = {
        "hidden_size": 256,
        "intermediate_size": 688,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
    }
    return [
        unet_case("UNet 32", 128, **narrow),
        unet_case("UNet 32", 256, **narrow),
        unet_case("UNet 32", 256, batch=2, **narrow),
        unet_case("UNet 160", 256, **wide),
        decode_case("VAE 32", 128, **vae),
        decode_case("VAE 32", 128, batch=3, **vae),
        decode_case("VAE 32", 128, batch=3, mode="sliced", **vae),
        decode_case("VAE 32", 128, mode="tiled", **vae),
        chat_case("Phi 256", "Phi3", 1500, vocab_size=512, num_key_value_heads=8, **text),
        chat_case("Mistral 256", "Mistral", 1500, vocab_size=512, num_key_value_heads=2, sliding_window=None, **text),
    ]


def full_cases() -> list[Case]:
    """The shapes that people run; of transformers two layers of each kind, since layers work one after another."""
    flux: dict[str, Any] = {"num_layers": 2, "num_single_layers": 2}
    sd3: dict[str, Any] = {
        "sample_size": 128, "num_layers": 3, "num_attention_heads": 24, "attention_head_dim": 64,
        "joint_attention_dim": 4096, "caption_projection_dim": 1536, "pooled_projection_dim": 2048,
        "pos_embed_max_size": 192,
    }  # fmt: skip
    pixart: dict[str, Any] = {
        "sample_size": 128,
        "num_layers": 2,
        "caption_channels": 4096,
        "cross_attention_dim": 1152,
    }
    phi4: dict[str, Any] = {
        "vocab_size": 100_352,
        "hidden_size": 5120,
        "intermediate_size": 17_920,
        "num_hidden_layers": 2,
    }
    mistral: dict[str, Any] = {
        "vocab_size": 131_072,
        "hidden_size": 5120,
        "intermediate_size": 32_768,
        "num_hidden_layers": 2,
    }
    return [
        unet_case("SD 1", 512, **SD),
        unet_case("SD 1", 768, **SD),
        unet_case("SD 1", 512, batch=4, **SD),
        unet_case("SDXL", 1024, **SDXL),
        decode_case("SD 1", 512, **VAE),
        decode_case("SD 1", 512, batch=4, mode="sliced", **VAE),
        decode_case("SD 1", 1024, mode="tiled", **VAE),
        transformer_case("SD 3", "SD3Transformer2DModel", 1024, **sd3),
        transformer_case("FLUX", "FluxTransformer2DModel", 1024, **flux),
        transformer_case("PixArt", "PixArtTransformer2DModel", 1024, **pixart),
        chat_case("Phi-3.5 mini, 2 layers", "Phi3", 2048, num_hidden_layers=2),
        chat_case("Phi-4, 2 layers", "Phi3", 8192, num_attention_heads=40, num_key_value_heads=10, **phi4),
        chat_case(
            "Mistral Small, 2 layers", "Mistral", 8192, num_attention_heads=32, num_key_value_heads=8, head_dim=128,
            sliding_window=None, **mistral,
        ),
    ]  # fmt: skip
