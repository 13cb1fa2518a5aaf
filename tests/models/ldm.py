"""Writes a pipeline of diffusers as one checkpoint file with the names of the original latent-diffusion code.

Written from that code's module names, apart from diffusers' own conversion, which the loader uses the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def save_checkpoint(pipeline: Any, path: Path, *, metadata: Mapping[str, str] | None = None, **extra: Any) -> Path:
    """`pipeline`'s weights at `path`, with `extra` tensors by name."""
    from safetensors.torch import save_file

    tensors = checkpoint(pipeline) | extra
    save_file({n: t.clone().contiguous() for n, t in tensors.items()}, path, metadata=dict(metadata or {}))
    return path


def checkpoint(pipeline: Any) -> dict[str, Any]:
    """A pipeline's tensors by their names in a checkpoint: of SD 1, of SD 2 where the UNet is 1024 wide, or of XL."""
    unet, encoder = pipeline.unet, pipeline.text_encoder
    tensors = {f"model.diffusion_model.{n}": t for n, t in _unet(unet).items()}
    tensors |= {f"first_stage_model.{n}": t for n, t in _vae(pipeline.vae).items()}
    second = getattr(pipeline, "text_encoder_2", None)
    if second is not None:
        tensors |= _prefixed("conditioner.embedders.0.transformer.text_model.", _bare(encoder))
        return tensors | _prefixed("conditioner.embedders.1.model.", _open_clip(second))
    if unet.config.cross_attention_dim == 1024:
        return tensors | _prefixed("cond_stage_model.model.", _open_clip(encoder))
    return tensors | _prefixed("cond_stage_model.transformer.text_model.", _bare(encoder))


def _prefixed(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {prefix + n: t for n, t in tensors.items()}


def _unet(unet: Any) -> dict[str, Any]:
    """Levels become a flat row of blocks; a block's resnet is 0, its attention 1, and what resizes the map the last."""
    per_level = unet.config.layers_per_block
    names = {
        "conv_in.": "input_blocks.0.0.",
        "time_embedding.linear_1.": "time_embed.0.",
        "time_embedding.linear_2.": "time_embed.2.",
        "add_embedding.linear_1.": "label_emb.0.0.",
        "add_embedding.linear_2.": "label_emb.0.2.",
        "mid_block.resnets.0.": "middle_block.0.",
        "mid_block.attentions.0.": "middle_block.1.",
        "mid_block.resnets.1.": "middle_block.2.",
        "conv_norm_out.": "out.0.",
        "conv_out.": "out.2.",
    }
    for level in range(len(unet.down_blocks)):
        first = 1 + level * (per_level + 1)
        for layer in range(per_level):
            names[f"down_blocks.{level}.resnets.{layer}."] = f"input_blocks.{first + layer}.0."
            names[f"down_blocks.{level}.attentions.{layer}."] = f"input_blocks.{first + layer}.1."
        names[f"down_blocks.{level}.downsamplers.0.conv."] = f"input_blocks.{first + per_level}.0.op."
    for level, block in enumerate(unet.up_blocks):
        first = level * (per_level + 1)
        for layer in range(per_level + 1):
            names[f"up_blocks.{level}.resnets.{layer}."] = f"output_blocks.{first + layer}.0."
            names[f"up_blocks.{level}.attentions.{layer}."] = f"output_blocks.{first + layer}.1."
        last = 2 if hasattr(block, "attentions") else 1
        names[f"up_blocks.{level}.upsamplers.0.conv."] = f"output_blocks.{first + per_level}.{last}.conv."
    return {_resnet(_replaced(n, names)): t for n, t in unet.state_dict().items()}


def _replaced(name: str, names: Mapping[str, str]) -> str:
    found = [(old, new) for old, new in names.items() if name.startswith(old)]
    assert len(found) == 1, (name, found)
    return found[0][1] + name.removeprefix(found[0][0])


def _resnet(name: str) -> str:
    return re.sub(
        rf"^((?:input_blocks|output_blocks)\.\d+\.0|middle_block\.[02])\.({'|'.join(RESNET)})\.",
        lambda match: f"{match[1]}.{RESNET[match[2]]}.",
        name,
    )


def _vae(vae: Any) -> dict[str, Any]:
    tensors = {}
    levels = len(vae.config.block_out_channels)
    for name, tensor in vae.state_dict().items():
        words = name.split(".")
        if words[1] in ("down_blocks", "up_blocks"):
            level = int(words[2]) if words[1] == "down_blocks" else levels - 1 - int(words[2])
            kind = {"down_blocks": "down", "up_blocks": "up"}[words[1]]
            tail = ["block", words[4]] if words[3] == "resnets" else [f"{kind}sample"]
            words = [words[0], kind, str(level), *tail, *words[5:]]
        elif words[1] == "mid_block" and words[2] == "resnets":
            words = [words[0], "mid", f"block_{int(words[3]) + 1}", *words[4:]]
        elif words[1] == "mid_block":
            new = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}[words[4]]
            words = [words[0], "mid", "attn_1", new, words[-1]]
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor  # convolutions of one pixel there
        words = ["norm_out" if w == "conv_norm_out" else "nin_shortcut" if w == "conv_shortcut" else w for w in words]
        tensors[".".join(words)] = tensor
    return tensors


def _bare(encoder: Any) -> dict[str, Any]:
    """A CLIP text encoder's tensors without the wrapper's name, which newer versions of transformers leave away."""
    return {n.removeprefix("text_model."): t for n, t in encoder.state_dict().items()}


def _open_clip(encoder: Any) -> dict[str, Any]:
    import torch

    stored = _bare(encoder)
    tensors: dict[str, Any] = {}
    for name, tensor in stored.items():
        if name == "text_projection.weight":
            tensors["text_projection"] = tensor.T
        elif name.startswith("encoder.layers."):
            _, _, layer, rest = name.split(".", 3)
            if rest.startswith(("self_attn.k_proj", "self_attn.v_proj")):
                continue
            if rest.startswith("self_attn.q_proj"):
                parts = [stored[name.replace("q_proj", f"{p}_proj")] for p in "qkv"]
                tensors[f"transformer.resblocks.{layer}.attn.in_proj_{rest.rpartition('.')[2]}"] = torch.cat(parts)
                continue
            old = next(o for o in OPEN_CLIP if rest.startswith(o))
            tensors[f"transformer.resblocks.{layer}.{rest.replace(old, OPEN_CLIP[old])}"] = tensor
        else:
            new = {"embeddings.token_embedding.weight": "token_embedding.weight"}
            new |= {"embeddings.position_embedding.weight": "positional_embedding"}
            new |= {f"final_layer_norm.{kind}": f"ln_final.{kind}" for kind in ("weight", "bias")}
            tensors[new[name]] = tensor
    return tensors
