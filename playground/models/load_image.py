"""Diffusion pipelines from folders of diffusers and from single checkpoint files: each part straight to the device."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.assemble import fill, skeleton, transformers_model
from playground.models.checks import SINGLE_FILE
from playground.models.facts import pipeline_variant
from playground.models.headers import read_json
from playground.models.loaded import LoadedImage, weight_bytes
from playground.models.packer import Packer
from playground.models.quantize import QUANTIZED_COMPONENTS
from playground.models.single_file import open_checkpoint
from playground.models.sizes import SKIPPED, names_in, weight_files

# A class of diffusers that stands in old configs for several, told apart by the kind of its norms.
OLD_CLASSES = {
    ("Transformer2DModel", "ada_norm_zero"): "DiTTransformer2DModel",
    ("Transformer2DModel", "ada_norm_single"): "PixArtTransformer2DModel",
}


class Source(Protocol):
    """Where a pipeline's parts come from: a folder, or a checkpoint in one file."""

    @property
    def index(self) -> Mapping[str, Any]:
        """As `model_index.json`: the pipeline's class, and (library, class) by part."""

    @property
    def modules(self) -> list[str]:
        """The parts that have weights."""

    def config(self, name: str) -> dict[str, Any]:
        """The config of a part of diffusers."""

    def tensors(self, name: str) -> Iterable[tuple[str, torch.Tensor]]:
        """The weights of a part of diffusers, under the names of its class."""

    def for_transformers(self, name: str, cls: Any) -> dict[str, Any]:
        """What `transformers_model` takes for a part of transformers."""

    def pipeline(self, cls: Any, modules: Mapping[str, Any]) -> Any:
        """The pipeline around `modules`, with tokenizers and scheduler."""


@dataclass(frozen=True)
class Folder:
    """A folder of diffusers, read for a load in `dtype`."""

    path: Path
    dtype: torch.dtype

    @cached_property
    def index(self) -> Mapping[str, Any]:
        return read_json(self.path / "model_index.json")

    @cached_property
    def _variant(self) -> str | None:
        return pipeline_variant(self.path, str(self.dtype).removeprefix("torch."))

    @property
    def modules(self) -> list[str]:
        return [name for name in names_in(self.index) if (self.path / name / "config.json").is_file()]

    def config(self, name: str) -> dict[str, Any]:
        return read_json(self.path / name / "config.json")

    def tensors(self, name: str) -> Iterator[tuple[str, torch.Tensor]]:
        """File by file; what was used of one is let go before the next is opened."""
        from safetensors.torch import load_file

        for path in weight_files(self.path / name, self._variant):
            stored = load_file(path)  # mapped, not read
            for key in list(stored):
                yield key, stored.pop(key)

    def for_transformers(self, name: str, cls: Any) -> dict[str, Any]:
        has_variant = self._variant and any((self.path / name).glob(f"*.{self._variant}*.safetensors"))
        return {"folder": self.path / name, "variant": self._variant if has_variant else None}

    def pipeline(self, cls: Any, modules: Mapping[str, Any]) -> Any:
        absent = {name: None for name in SKIPPED if name in self.index}
        extra = {"requires_safety_checker": False} if "safety_checker" in self.index else {}
        return cls.from_pretrained(self.path, use_safetensors=True, local_files_only=True, **modules, **absent, **extra)


def load_image(
    card: ModelCard,
    path: Path,
    device: str,
    dtype: torch.dtype,
    quantization: str | None = None,
    made: Callable[[Any], None] = lambda part: None,
) -> LoadedImage:
    """The pipeline in the folder or checkpoint file `path`. The caller holds the lock `building`.

    Args:
        made: called with each part that has weights before the next one is made.

    Raises:
        ModelUnavailable: a part is missing, damaged or of an unknown class.
    """
    source = _source(path, dtype)
    cls = _pipeline_class(card, str(source.index["_class_name"]))
    packer = Packer(quantization, device) if quantization is not None else None
    modules = {}
    for name in source.modules:
        chosen = packer if name in QUANTIZED_COMPONENTS else None
        modules[name] = _part(card, source, name, device, dtype, chosen)
        made(modules[name])
    pipeline = source.pipeline(cls, modules)
    components = dict(pipeline.components)
    options = {
        name: pipeline.config[name]
        for name in inspect.signature(cls.__init__).parameters
        if name in pipeline.config and name not in components
    }
    whole = sum(weight_bytes(module) for module in modules.values())
    quantized = packer.report() if packer is not None else None
    return LoadedImage(card, cls, components, device, dtype, whole, quantized, options)


def load_part(card: ModelCard, path: Path, name: str, device: str, dtype: torch.dtype) -> Any:
    """One part of the pipeline in `path` ("unet"), anew from its files. The caller holds the lock `building`."""
    return _part(card, _source(path, dtype), name, device, dtype, None)


def _source(path: Path, dtype: torch.dtype) -> Source:
    return open_checkpoint(path) if path.suffix == SINGLE_FILE else Folder(path, dtype)


def _part(card: ModelCard, source: Source, name: str, device: str, dtype: torch.dtype, packer: Packer | None) -> Any:
    library, class_name = source.index[name]
    label = f"{card.name}: {name}"
    if library == "transformers":
        cls = _class(library, class_name, card)
        given = source.for_transformers(name, cls)
        return transformers_model(cls, device, dtype, name=label, packer=packer, **given)
    config = source.config(name)
    if config.get("quantization_config"):
        raise ModelUnavailable(
            f"{label} is stored quantized, which this app does not read.",
            "Choose the repository with the full weights; they can be quantized while loading.",
        )
    cls = _class(library, OLD_CLASSES.get((class_name, config.get("norm_type", "")), class_name), card)
    empty = skeleton(cls, config, dtype)
    return fill(empty, source.tensors(name), device, dtype, name=label, packer=packer)


def _pipeline_class(card: ModelCard, name: str) -> Any:
    import diffusers

    cls = getattr(diffusers, name, None)
    if not (isinstance(cls, type) and issubclass(cls, diffusers.DiffusionPipeline)):
        raise ModelUnavailable(f"{card.name}: this diffusers has no pipeline {name!r}.", "Update diffusers.")
    return cls


def _class(library: str, name: str, card: ModelCard) -> Any:
    import importlib

    cls = getattr(importlib.import_module(library), name, None)
    if not (isinstance(cls, type) and issubclass(cls, torch.nn.Module)):
        raise ModelUnavailable(f"{card.name}: this {library} has no model class {name!r}.", f"Update {library}.")
    return cls
