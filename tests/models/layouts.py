"""Tiny models in the full layouts of the repositories that people use: the same folders and file names, random weights.

With what lies beside them there: pickles, code, other frameworks' copies, single-file checkpoints, stray folders. Those
decoys hold bytes that no loader reads.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.models.builders import save_text

DECOY = b"not for loading"
TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def sd14(folder: Path) -> Path:
    """CompVis/stable-diffusion-v1-4: safety checker, feature extractor, each weight plain and fp16, and as pickle."""
    from diffusers import PNDMScheduler, StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    tokenizer, vocab = _clip_tokenizer()
    pipeline = StableDiffusionPipeline(
        _vae(),
        _clip(vocab),
        tokenizer,
        _unet(),
        PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        None,
        None,
        requires_safety_checker=False,
    )
    _save(pipeline, folder)
    _as_published(folder / "tokenizer")
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(text_config={**TEXT, "vocab_size": 8}, vision_config={**TEXT, "image_size": 8, "patch_size": 8})
    )
    _both(checker, folder / "safety_checker")
    (folder / "feature_extractor").mkdir()
    (folder / "feature_extractor/preprocessor_config.json").write_text('{"image_processor_type": "CLIPImageProcessor"}')
    _index(
        folder,
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
        requires_safety_checker=True,
    )
    for part in ("safety_checker", "text_encoder"):
        _decoys(folder / part, "pytorch_model.bin", "pytorch_model.fp16.bin")
    for part in ("unet", "vae"):
        _decoys(folder / part, "diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.bin")
    _decoys(folder / "unet", "diffusion_pytorch_model.non_ema.safetensors", "diffusion_pytorch_model.non_ema.bin")
    _decoys(folder, "README.md", "sd-v1-4.ckpt", "v1-5-pruned-emaonly.safetensors", "v1-variants-scores.jpg")
    return folder


def sdxl(folder: Path) -> Path:
    """stabilityai/stable-diffusion-xl-base-1.0: two text encoders, an older VAE, copies for ONNX, OpenVINO and Flax."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    tokenizer, vocab = _clip_tokenizer()
    unet = _unet(
        cross_attention_dim=32,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
    )
    pipeline = StableDiffusionXLPipeline(
        _vae(), _clip(vocab), _clip(vocab, projected=True), tokenizer, tokenizer, unet, EulerDiscreteScheduler()
    )
    _save(pipeline, folder)
    _as_published(folder / "tokenizer", folder / "tokenizer_2")
    shutil.copytree(folder / "vae", folder / "vae_1_0")
    for part in ("text_encoder", "text_encoder_2", "unet", "vae_encoder", "vae_decoder"):
        (folder / part).mkdir(exist_ok=True)
        _decoys(folder / part, "model.onnx", "model.onnx_data", "openvino_model.bin", "openvino_model.xml")
    _decoys(folder / "text_encoder", "flax_model.msgpack")
    _decoys(folder / "unet", "diffusion_flax_model.msgpack")
    for part in ("vae_encoder", "vae_decoder"):
        (folder / part / "config.json").write_text("{}")
    _decoys(
        folder,
        "sd_xl_base_1.0.safetensors",
        "sd_xl_base_1.0_0.9vae.safetensors",
        "sd_xl_offset_example-lora_1.0.safetensors",
        "LICENSE.md",
        "01.png",
    )
    return folder


def sd3(folder: Path) -> Path:
    """stabilityai/stable-diffusion-3-medium-diffusers: three text encoders, T5 in shards, fp16 of these only."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    clip, vocab = _clip_tokenizer()
    t5, t5_vocab = _t5_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=8,
        pos_embed_max_size=8,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        caption_projection_dim=16,
        pooled_projection_dim=32,
    )
    encoders = [_clip(vocab, projected=True), _clip(vocab, projected=True), _t5(t5_vocab)]
    pipeline = StableDiffusion3Pipeline(
        transformer, FlowMatchEulerDiscreteScheduler(), _vae(), encoders[0], clip, encoders[1], clip, encoders[2], t5
    )
    pipeline.save_pretrained(folder)
    _as_published(folder / "tokenizer", folder / "tokenizer_2")
    for name, encoder in zip(("text_encoder", "text_encoder_2", "text_encoder_3"), encoders, strict=True):
        (folder / name / "model.safetensors").unlink()
        _both(encoder, folder / name, *(("4KB", "2KB") if name == "text_encoder_3" else ()))
    _decoys(folder / "tokenizer_3", "spiece.model")
    _decoys(folder, "LICENSE.md", "mmdit.png", "sd3demo.jpg")
    return folder


def flux(folder: Path) -> Path:
    """black-forest-labs/FLUX.1-schnell: transformer and T5 in shards, a CLIP, single files beside them."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    clip, vocab = _clip_tokenizer()
    t5, t5_vocab = _t5_tokenizer()
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
    )
    encoder = _t5(t5_vocab)
    FluxPipeline(
        FlowMatchEulerDiscreteScheduler(), _vae(), _clip(vocab), clip, encoder, t5, transformer
    ).save_pretrained(folder)
    _as_published(folder / "tokenizer")
    for part, model, size in (("transformer", transformer, "130KB"), ("text_encoder_2", encoder, "4KB")):
        for file in (folder / part).glob("*.safetensors"):
            file.unlink()
        model.save_pretrained(folder / part, max_shard_size=size)
    _decoys(folder / "tokenizer_2", "spiece.model")
    _decoys(folder, "flux1-schnell.safetensors", "ae.safetensors", "LICENSE.md", "schnell_grid.jpeg")
    return folder


def phi(folder: Path, *, wants_code: bool = False) -> Path:
    """microsoft/phi-4, in shards; with the code files of Phi-3.5, which its config names where `wants_code`."""
    save_text(folder, "phi3", max_shard_size="20KB")
    _decoys(folder, "configuration_phi3.py", "modeling_phi3.py", "sample_finetune.py", "README.md", "LICENSE")
    (folder / "added_tokens.json").write_text("{}")
    if wants_code:
        config = json.loads((folder / "config.json").read_text())
        config |= {
            "model_type": "phi3_of_its_own",
            "auto_map": {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"},
        }
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def mistral(folder: Path) -> Path:
    """mistralai/Mistral-Small-24B-Instruct-2501: all weights twice, in shards and as one consolidated file."""
    save_text(folder, "mistral", max_shard_size="20KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    (folder / "consolidated.safetensors").write_bytes(b"".join(p.read_bytes() for p in shards))
    (folder / "params.json").write_text("{}")
    (folder / "tekken.json").write_text("{}")
    _decoys(folder, "README.md", "tokenizer.model.v3")
    (folder / "SYSTEM_PROMPT.txt").write_text("You are Mistral.")
    return folder


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "sd14": sd14,
    "sdxl": sdxl,
    "sd3": sd3,
    "flux": flux,
    "phi": phi,
    "mistral": mistral,
}


def _save(pipeline: Any, folder: Path) -> None:
    """A pipeline's folder with its weights plain and as fp16."""
    import torch

    pipeline.save_pretrained(folder)
    pipeline.to(torch.float16).save_pretrained(folder, variant="fp16")


def _both(module: Any, folder: Path, shard: str = "1GB", half_shard: str = "1GB") -> None:
    module.save_pretrained(folder, max_shard_size=shard)
    module.half().save_pretrained(folder, variant="fp16", max_shard_size=half_shard)


def _index(folder: Path, **entries: Any) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def _decoys(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(DECOY)


def _unet(**fields: Any) -> Any:
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        **{
            "sample_size": 8,
            "block_out_channels": (8, 8),
            "norm_num_groups": 4,
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": 16,
            "attention_head_dim": 4,
            **fields,
        }
    )


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
    )


def _clip(vocab: int, *, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(**TEXT, vocab_size=vocab, max_position_embeddings=16, projection_dim=16)
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _t5(vocab: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(vocab_size=vocab, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2))


def _clip_tokenizer() -> tuple[Any, int]:
    """A CLIP tokenizer that knows letters, and its size."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer(_clip_vocab(), [("a", "b")], model_max_length=16)
    return tokenizer, len(tokenizer)


def _clip_vocab() -> dict[str, int]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [*letters, *(f"{c}</w>" for c in letters), "ab", "<|startoftext|>", "<|endoftext|>"]
    return {piece: i for i, piece in enumerate(pieces)}


def _as_published(*folders: Path) -> None:
    """CLIP tokenizers lie on the hub as vocab.json and merges.txt; today's libraries write tokenizer.json instead."""
    for folder in folders:
        (folder / "tokenizer.json").unlink()
        (folder / "vocab.json").write_text(json.dumps(_clip_vocab()))
        (folder / "merges.txt").write_text("#version: 0.2\na b\n")
        (folder / "special_tokens_map.json").write_text('{"bos_token": "<|startoftext|>"}')


def _t5_tokenizer() -> tuple[Any, int]:
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"▁{c}", -1.0) for c in "abcdefgh")]
    tokenizer = T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=16)
    return tokenizer, len(tokenizer)
