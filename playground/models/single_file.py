"""Stable Diffusion checkpoints in one file: which layout it is, by names and shapes alone, and its parts as diffusers
names them.

Everything comes from the file and from configs that ship with the app, so no network is asked. A checkpoint of another
shape loads where a folder of its name lies beside it that holds `model_index.json` and the parts' configs.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from playground.catalog import ASSETS
from playground.errors import ModelUnavailable
from playground.models.checks import check_file, check_folder
from playground.models.headers import read_header, read_json
from playground.models.sizes import component_names

if TYPE_CHECKING:
    import torch

CONFIGS = ASSETS / "configs"
UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP, OPEN_CLIP = "cond_stage_model.transformer.", "cond_stage_model.model."
XL_CLIP, XL_OPEN_CLIP = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
FAMILIES = {"sd1": (768, (CLIP,)), "sd2": (1024, (OPEN_CLIP,)), "sdxl": (2048, (XL_CLIP, XL_OPEN_CLIP))}
PIPELINES = {
    "StableDiffusionPipeline": "StableDiffusionInpaintPipeline",
    "StableDiffusionXLPipeline": "StableDiffusionXLInpaintPipeline",
}
# What else comes as one safetensors file, by a part of its tensors' names.
OTHERS = (
    (r"lora_(down|up|A|B)\.|\.lora\.|_lora\.", "a LoRA, which is loaded on top of a model"),
    (r"hada_w|lokr_w", "a LyCORIS adapter, which is not supported"),
    (r"^(emb_params|clip_[lg])$", "a textual inversion, which is loaded on top of a model"),
    (r"^(control_model|controlnet_cond_embedding)\.", "a ControlNet, which is no model of its own"),
    (r"joint_blocks\.\d+\.x_block", "a Stable Diffusion 3 checkpoint"),
    (r"double_blocks\.\d+\.img_attn", "a FLUX checkpoint"),
    (r"^conditioner\.embedders\.0\.model\.", "the SDXL refiner, which finishes pictures of another model"),
    (r"^(down_blocks|mid_block|up_blocks)\.", "the UNet of a diffusers folder"),
    (r"^(encoder|decoder)\.", "a VAE alone"),
)


@dataclass(frozen=True)
class Layout:
    """What a checkpoint is: `family` "sd1", "sd2" or "sdxl", with the UNet's input channels and what it predicts.

    `prediction` is "epsilon" or "v_prediction"; `zero_snr`: trained with a noise schedule that ends in pure noise.
    """

    family: str
    in_channels: int = 4
    prediction: str = "epsilon"
    zero_snr: bool = False

    @property
    def inpaints(self) -> bool:
        return self.in_channels == 9


def detect(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str], stem: str = "") -> Layout:
    """The layout of a checkpoint by its tensors' names and shapes, its header's metadata, and its name.

    Shapes do not tell what a Stable Diffusion 2 UNet predicts. The metadata does where it is there; else a plain one
    predicts v, as the published 768-pixel models do, unless its name has "512" in it, as the others' have.

    Raises:
        ModelUnavailable: it is of no layout known here; says what was seen.
    """
    first = shapes.get(f"{UNET}input_blocks.0.0.weight")
    if first is None:
        raise _unknown(_other(shapes))
    width = next((s[1] for n, s in shapes.items() if n.startswith(UNET) and n.endswith("attn2.to_k.weight")), None)
    encoders = [prefix for prefix in (CLIP, OPEN_CLIP, XL_CLIP, XL_OPEN_CLIP) if _has(shapes, prefix)]
    family = next((name for name, (w, _) in FAMILIES.items() if w == width), None)
    if family is None:
        raise _unknown(f"its UNet attends to texts {width} wide, and only {', '.join(map(str, _widths()))} are known")
    lacking = [prefix for prefix in (VAE, *FAMILIES[family][1]) if not _has(shapes, prefix)]
    if lacking:
        found = f", it has {', '.join(e.rstrip('.') for e in encoders)}" if encoders else ""
        raise _unknown(f"it lacks {', '.join(p.rstrip('.') for p in lacking)} of the layout {family}{found}")
    if first[1] not in (4, 9):
        raise _unknown(f"its UNet takes {first[1]} channels in, and only 4 (plain) and 9 (inpainting) are known")
    return Layout(family, first[1], _prediction(family, first[1], shapes, metadata, stem), "ztsnr" in shapes)


def _prediction(
    family: str, channels: int, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str], stem: str
) -> str:
    said = metadata.get("modelspec.prediction_type", "").lower()
    architecture = metadata.get("modelspec.architecture", "").lower()
    if "v_pred" in shapes or said.startswith("v") or architecture.endswith("-v"):
        return "v_prediction"
    if said.startswith("eps") or "512" in architecture:
        return "epsilon"
    return "v_prediction" if family == "sd2" and channels == 4 and "512" not in stem else "epsilon"


def _widths() -> list[int]:
    return [width for width, _ in FAMILIES.values()]


def _has(shapes: Mapping[str, Any], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in shapes)


def _other(shapes: Mapping[str, Any]) -> str:
    for pattern, what in OTHERS:
        if any(re.search(pattern, name) for name in shapes):
            return f"it looks like {what}"
    return f"its {len(shapes)} tensors start with {next(iter(shapes), 'nothing')}"


def _unknown(why: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"This file is no Stable Diffusion 1, 2 or XL checkpoint: {why}.",
        "Use the model's diffusers folder, or put a folder with its configs (model_index.json, unet/config.json, …) "
        "and the file's name beside it.",
    )


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at `path`, its header read and its layout known; reads no weights.

    Raises:
        ModelUnavailable: it is no safetensors file, damaged, or of an unknown layout.
    """
    from safetensors import safe_open

    check_file(path)
    shapes = {tensor.name: tensor.shape for tensor in read_header(path)}
    own = path.with_suffix("")
    if (own / "model_index.json").is_file():
        check_folder(own, "image", weights=False)
        return Checkpoint(path, own, None)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    layout = detect(shapes, metadata, path.stem)
    return Checkpoint(path, CONFIGS / layout.family, layout)


@dataclass(frozen=True)
class Checkpoint:
    """One file with the folder of its parts' configs; `layout` is None where the configs lay beside the file."""

    path: Path
    configs: Path
    layout: Layout | None

    @cached_property
    def index(self) -> dict[str, Any]:
        """As `model_index.json`: the pipeline's class, and (library, class) by part."""
        index = read_json(self.configs / "model_index.json")
        if self.layout is not None and self.layout.inpaints:
            index["_class_name"] = PIPELINES[index["_class_name"]]
        if self.layout is not None and self.layout.zero_snr:
            index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
        return index

    @property
    def modules(self) -> list[str]:
        """The parts that have weights."""
        return [name for name in component_names(self.configs) if (self.configs / name / "config.json").is_file()]

    def config(self, name: str) -> dict[str, Any]:
        """The config of a part of diffusers."""
        config = read_json(self.configs / name / "config.json")
        if name == "unet" and self.layout is not None:
            config["in_channels"] = self.layout.in_channels
        return config

    @cached_property
    def _stored(self) -> dict[str, torch.Tensor]:
        """All tensors by name, mapped from the file and read where they are used."""
        from safetensors.torch import load_file

        return load_file(self.path)

    def tensors(self, name: str) -> Iterable[tuple[str, torch.Tensor]]:
        """The weights of a part of diffusers under the names of its class, as views of the file.

        Raises:
            ModelUnavailable: the part is none that such files hold.
        """
        from diffusers.loaders import single_file_utils as ldm

        if name == "unet":
            return ldm.convert_ldm_unet_checkpoint(self._stored, config=self.config(name)).items()
        if name == "vae":
            return ldm.convert_ldm_vae_checkpoint(self._stored, config=self.config(name)).items()
        raise self._lacks(name)

    def for_transformers(self, name: str, cls: Any) -> dict[str, Any]:
        """The config and the weights of a text encoder of `cls`; of OpenCLIP's, few tensors are copies.

        Raises:
            ModelUnavailable: the part is none that such files hold.
        """
        from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

        stored = self._stored
        prefixes = {"text_encoder": (CLIP, XL_CLIP, OPEN_CLIP), "text_encoder_2": (XL_OPEN_CLIP,)}.get(name, ())
        prefix = next((p for p in prefixes if _has(stored, p)), None)
        if prefix is None:
            raise self._lacks(name)
        config = cls.config_class.from_pretrained(self.configs / name, local_files_only=True)
        if prefix in (CLIP, XL_CLIP):
            state = {n.removeprefix(prefix): t for n, t in stored.items() if n.startswith(prefix)}
        else:
            state = convert_open_clip_checkpoint(SimpleNamespace(config=config), stored, prefix=prefix)
        return {"config": config, "state": state}

    def _lacks(self, name: str) -> ModelUnavailable:
        return ModelUnavailable(f"{self.path.name} holds no {name}.", "Use the model's diffusers folder.")

    def pipeline(self, cls: Any, modules: Mapping[str, Any]) -> Any:
        """The pipeline around `modules`."""
        return cls(**modules, **self._rest(cls))

    def _rest(self, cls: type[Any]) -> dict[str, Any]:
        """The arguments of the pipeline `cls` without weights: tokenizers, scheduler, settings, None for others."""
        import inspect

        arguments = inspect.signature(cls.__init__).parameters
        given: dict[str, Any] = {}
        for name, value in self.index.items():
            if name not in arguments or name in self.modules:
                continue
            if not isinstance(value, list):
                given[name] = value
            elif "tokenizer" in name:
                given[name] = clip_tokenizer(self.configs / name)
            elif name == "scheduler":
                given[name] = self._scheduler()
        if "requires_safety_checker" in arguments:
            given["requires_safety_checker"] = False
        needed = [n for n, p in arguments.items() if p.default is p.empty and n != "self"]
        return {n: None for n in needed if n not in self.modules} | given

    def _scheduler(self) -> Any:
        import diffusers

        config = read_json(self.configs / "scheduler" / "scheduler_config.json")
        if self.layout is not None:
            config["prediction_type"] = self.layout.prediction
            if self.layout.zero_snr:
                config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        return getattr(diffusers, self.index["scheduler"][1]).from_config(config)


def clip_tokenizer(folder: Path) -> Any:
    """The tokenizer of `folder`; where only its settings lie there, CLIP's, whose merges ship with the app."""
    from transformers import AutoTokenizer, CLIPTokenizer

    if any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        return AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False, local_files_only=True)
    merges = gzip.decompress((CONFIGS / "clip" / "merges.txt.gz").read_bytes()).decode("utf-8").splitlines()
    settings = read_json(folder / "tokenizer_config.json")
    settings.pop("tokenizer_class", None)
    pairs: Any = [tuple(merge.split()) for merge in merges]
    return CLIPTokenizer(clip_vocabulary(merges), pairs, **settings)


def clip_vocabulary(merges: list[str]) -> dict[str, int]:
    """CLIP's tokens by id, as its code derives them: 256 bytes, the same at a word's end, the merges, two marks."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that stand for themselves as characters
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = [*map(chr, shown), *(chr(256 + n) for n in range(len(hidden)))]
    tokens = [*letters, *(f"{c}</w>" for c in letters), *("".join(m.split()) for m in merges)]
    return {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
