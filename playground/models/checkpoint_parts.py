"""The parts of a Stable Diffusion checkpoint in one file, by the names of its tensors, and their shapes as configs.

The names are those of the original latent-diffusion code, which SD 1, 2 and XL checkpoints keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from playground.models.headers import Tensor

PREFIXES = {
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
}

Parts = dict[str, tuple[Tensor, ...]]


def checkpoint_parts(tensors: Iterable[Tensor]) -> tuple[Parts, dict[str, dict[str, Any]]]:
    """Tensors by component, without what is not loaded (averaged copies, schedules), and the configs of UNet and VAE.

    Both are empty for a file that is no such checkpoint.
    """
    parts: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        for prefix, part in PREFIXES.items():
            if tensor.name.startswith(prefix):
                parts.setdefault(part, []).append(tensor)
                break
    if "unet" not in parts or "vae" not in parts:
        return {}, {}
    shapes = {tensor.name: tensor.shape for rows in parts.values() for tensor in rows}
    is_xl = "model.diffusion_model.label_emb.0.0.weight" in shapes
    configs = {"unet": _unet(shapes), "vae": _vae(shapes)}
    configs["vae"] |= {"sample_size": 1024, "force_upcast": True} if is_xl else {"sample_size": 512}
    return {part: tuple(rows) for part, rows in parts.items()}, configs


def _unet(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Channels, depth and attention by level: a level ends where a block only makes the map smaller."""
    name = "model.diffusion_model.input_blocks.{}.{}"
    channels: list[int] = [0]
    depths, attends = [0], [False]
    block = 1
    while True:
        residual = shapes.get(name.format(block, "0.in_layers.2.weight"))
        if residual is not None:
            channels[-1], depths[-1] = residual[0], depths[-1] + 1
            attends[-1] |= name.format(block, "1.proj_in.weight") in shapes
        elif name.format(block, "0.op.weight") in shapes:
            channels.append(0)
            depths.append(0)
            attends.append(False)
        else:
            break
        block += 1
    if not all(channels):
        return {}
    ups = ["CrossAttnUpBlock2D" if attention else "UpBlock2D" for attention in reversed(attends)]
    return {"block_out_channels": channels, "layers_per_block": depths, "up_block_types": ups}


def _vae(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    pattern = re.compile(r"first_stage_model\.decoder\.up\.(\d+)\.block\.0\.conv1\.weight")
    found = {int(match[1]): shape[0] for n, shape in shapes.items() if (match := pattern.fullmatch(n))}
    return {"block_out_channels": [found[level] for level in sorted(found)]}
