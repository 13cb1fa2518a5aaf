"""What an adapter file is: a LoRA or a textual inversion, for which family of models, with which words. No torch.

Read from the safetensors header alone: names, shapes and metadata. Two ways to name LoRA weights are known: kohya's
(`lora_unet_down_blocks_0_….lora_down.weight`) and that of diffusers and peft (`unet.down_blocks.0.….lora_A.weight`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playground.errors import ModelUnavailable
from playground.models.checks import check_file
from playground.models.headers import Tensor, read_header

# Width of the texts that a UNet attends to, by family; text encoders of the first two are as wide.
WIDTHS = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}
DOWN = re.compile(r"(lora_down|lora_A(\.\w+)?|lora\.down|_lora\.down|lora_linear_layer\.down)\.weight$")
PARTS = (
    (r"^(lora_te2_|text_encoder_2\.)", "text_encoder_2"),
    (r"^(lora_te1?_|text_encoder\.)", "text_encoder"),
    (r"^(lora_transformer_|transformer\.|lora_unet_(double|single)_blocks|lora_unet_joint_blocks)", "transformer"),
    (r"^(lora_unet_|unet\.|base_model\.|down_blocks|mid_block|up_blocks)", "unet"),
)
UNSUPPORTED = (
    (r"hada_w\d", "LoHa"),
    (r"lokr_w\d", "LoKr"),
    (r"dora_scale|lora_magnitude_vector", "DoRA"),
    (r"oft_(blocks|diag)|oft_R", "OFT"),
    (r"\.(diff|diff_b|set_weight)$", "full weight differences"),
    (r"ip_adapter|image_proj", "an IP-Adapter"),
)
MOST_WORDS = 8


@dataclass(frozen=True)
class LoraFile:
    """A LoRA. `rank` is the largest of its `layers` matrices; `parts` are the components that it changes.

    `width` is what the UNet has to attend to, None where the file does not tell; `words` trigger it.
    """

    path: Path
    naming: Literal["kohya", "diffusers"]
    family: str
    width: int | None
    rank: int
    layers: int
    parts: tuple[str, ...]
    words: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class InversionFile:
    """A textual inversion: `vectors` embeddings that `token` stands for, by the text encoder they are for.

    `tensors` maps a text encoder's component name to the name of its tensor in the file, `widths` to its width.
    """

    path: Path
    family: str
    token: str
    vectors: int
    tensors: Mapping[str, str]
    widths: Mapping[str, int]
    bytes: int


def read_adapter(path: Path) -> LoraFile | InversionFile:
    """What the file at `path` is.

    Raises:
        ModelUnavailable: a pickle, a damaged file, or a kind of adapter that cannot be applied; says which.
    """
    from safetensors import SafetensorError, safe_open

    check_file(path, "adapter")
    tensors = read_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ModelUnavailable(f"{path.name} is damaged: {error}.", "Fetch it again.") from None
    for pattern, what in UNSUPPORTED:
        if any(re.search(pattern, t.name) for t in tensors):
            raise ModelUnavailable(
                f"{path.name} holds {what}, which cannot be applied here.", "Choose a plain LoRA, or convert it to one."
            )
    downs = [t for t in tensors if DOWN.search(t.name)]
    if downs:
        return _lora(path, tensors, downs, metadata)
    inversion = _inversion(path, tensors)
    if inversion is None:
        first = tensors[0].name if tensors else "nothing"
        raise ModelUnavailable(
            f"{path.name} is neither a LoRA nor a textual inversion: its {len(tensors)} tensors start with {first}.",
            "Choose another file.",
        )
    return inversion


def _lora(path: Path, tensors: Iterable[Tensor], downs: list[Tensor], metadata: Mapping[str, str]) -> LoraFile:
    parts = {t.name: _part(path, t.name) for t in downs}
    width = _width(downs, parts)
    naming: Literal["kohya", "diffusers"] = "kohya" if downs[0].name.startswith("lora_") else "diffusers"
    return LoraFile(
        path,
        naming,
        _family(width, set(parts.values()), downs, metadata),
        width,
        max(t.shape[0] for t in downs),
        len(downs),
        tuple(sorted(set(parts.values()))),
        _words(metadata),
        sum(t.bytes for t in tensors),
    )


def _part(path: Path, name: str) -> str:
    for pattern, part in PARTS:
        if re.search(pattern, name):
            return part
    raise ModelUnavailable(
        f"{path.name} changes {name.rpartition('.')[0]}, which no model here has.", "Choose another LoRA."
    )


def _width(downs: Iterable[Tensor], parts: Mapping[str, str]) -> int | None:
    """What cross-attention's keys and values read; where there are none, the text encoder's own width if alone."""
    for t in downs:
        if parts[t.name] == "unet" and re.search(r"attn2[._](processor\.)?to_[kv]", t.name):
            return t.shape[1]
    if "unet" in parts.values() or "text_encoder_2" in parts.values():
        return 2048 if "text_encoder_2" in parts.values() else None
    return next((t.shape[1] for t in downs if re.search(r"self_attn[._][qkv]_proj", t.name)), None)


def _family(width: int | None, parts: set[str], downs: Iterable[Tensor], metadata: Mapping[str, str]) -> str:
    if "transformer" in parts:
        flux = any("single" in t.name or "double_blocks" in t.name for t in downs)
        return "FLUX.1" if flux else "Stable Diffusion 3"
    if width in WIDTHS:
        return WIDTHS[width]
    said = f"{metadata.get('ss_base_model_version', '')} {metadata.get('modelspec.architecture', '')}".lower()
    for mark, family in (("xl", WIDTHS[2048]), ("v2", WIDTHS[1024]), ("v1", WIDTHS[768])):
        if mark in said:
            return family
    return "unknown"


def _words(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The phrase that the author states, else what most training captions hold, else the folders' names."""
    stated = metadata.get("modelspec.trigger_phrase", "").strip()
    if stated:
        return (stated,)
    tags: Counter[str] = Counter()
    for folder in _table(metadata, "ss_tag_frequency").values():
        if isinstance(folder, Mapping):
            tags.update({str(tag).strip(): count for tag, count in folder.items() if isinstance(count, int)})
    if tags:
        return tuple(tag for tag, _ in tags.most_common(MOST_WORDS))
    folders = (re.sub(r"^\d+_", "", name).strip() for name in _table(metadata, "ss_dataset_dirs"))
    return tuple(dict.fromkeys(name for name in folders if name))[:MOST_WORDS]


def _table(metadata: Mapping[str, str], key: str) -> Mapping[str, Any]:
    try:
        table = json.loads(metadata.get(key, "{}"))
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _inversion(path: Path, tensors: list[Tensor]) -> InversionFile | None:
    """The layouts in use: one tensor named as its token (diffusers), `emb_params`, or `clip_l` and `clip_g` for XL."""
    by_name = {t.name: t for t in tensors}
    if {"clip_l", "clip_g"} <= by_name.keys():
        chosen, token = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}, path.stem
    elif "emb_params" in by_name:
        chosen, token = {"text_encoder": "emb_params"}, path.stem
    elif len(tensors) == 1 and len(tensors[0].shape) in (1, 2) and "." not in tensors[0].name:
        chosen, token = {"text_encoder": tensors[0].name}, tensors[0].name
    else:
        return None
    widths = {encoder: by_name[name].shape[-1] for encoder, name in chosen.items()}
    shape = by_name[next(iter(chosen.values()))].shape
    family = WIDTHS[2048] if len(chosen) == 2 else WIDTHS.get(widths["text_encoder"], "unknown")
    vectors = shape[0] if len(shape) == 2 else 1
    return InversionFile(path, family, token, vectors, chosen, widths, sum(t.bytes for t in tensors))
