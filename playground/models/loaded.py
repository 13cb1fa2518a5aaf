"""What a lease hands out: a model's live parts, with where they are and how big they are.

Knows nothing of how they were loaded. Whoever holds a lease may run these objects and must not move, cast or keep them.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.catalog import ModelCard

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class LoadedText:
    """A causal language model with its tokenizer; `bytes` counts its weights."""

    card: ModelCard
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: str
    dtype: torch.dtype
    bytes: int


@dataclass
class LoadedImage:
    """The components of a diffusion pipeline by name, as in its `model_index.json`.

    The components are shared by text-to-image, image-to-image and inpainting; `pipeline` gives each request a pipeline
    object and a scheduler of its own, since pipelines and schedulers keep state between steps.
    """

    card: ModelCard
    pipeline_class: type[DiffusionPipeline]
    components: dict[str, Any]
    device: str
    dtype: torch.dtype
    bytes: int

    def pipeline(self, cls: type[DiffusionPipeline] | None = None) -> DiffusionPipeline:
        """A fresh `cls` (default: the checkpoint's own class) over the shared components, with a copied scheduler.

        Built by the constructor, never by `from_pipe`, which casts shared modules to float32 in place.
        """
        cls = cls or self.pipeline_class
        import inspect

        wanted = inspect.signature(cls.__init__).parameters
        parts = {name: part for name, part in self.components.items() if name in wanted}
        parts["scheduler"] = copy.deepcopy(self.components["scheduler"])
        if "requires_safety_checker" in wanted:
            parts["requires_safety_checker"] = False
        pipeline: Any = cls(**parts)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


@dataclass
class LoadedClip:
    """A CLIP model: `processor(text=[...], images=[...])` gives the tensors that `model` takes."""

    card: ModelCard
    model: PreTrainedModel
    processor: Any
    device: str
    dtype: torch.dtype
    bytes: int
    extra: dict[str, Any] = field(default_factory=dict)


Loaded = LoadedText | LoadedImage | LoadedClip
