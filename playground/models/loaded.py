"""What a lease hands out: a model's live parts, with where they are and how big they are.

Knows nothing of how they were loaded. Whoever holds a lease may run these objects and must not move, cast or keep them.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.catalog import ModelCard
from playground.models.kept import KeptCaches

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from playground.models.compiled import CompiledSteps
    from playground.models.quantize import Quantized
    from playground.models.senses import Senses
    from playground.models.staged import Stages


@dataclass
class LoadedText:
    """A causal language model with its tokenizer; `bytes` counts its weights.

    `device` is where its inputs go; `devices` are all that its layers lie on, several where none holds it alone. `kept`
    are the caches of earlier conversations, which no lease holds. `steps` compiles its decoding, where it is to be.
    `senses` is how it sees or hears, if it does.
    """

    card: ModelCard
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: str
    dtype: torch.dtype
    bytes: int
    quantized: Quantized | None = None
    devices: tuple[str, ...] = ()
    kept: KeptCaches = field(default_factory=KeptCaches)
    steps: CompiledSteps | None = None
    senses: Senses | None = None

    @property
    def movable(self) -> bool:
        """Whether the weights can move between device and RAM; those that lie on several cards cannot."""
        return len(self.devices) < 2


@dataclass
class LoadedImage:
    """The components of a diffusion pipeline by name, as in its `model_index.json`.

    The components are shared by text-to-image, image-to-image and inpainting; `pipeline` gives each request a pipeline
    object and a scheduler of its own, since pipelines and schedulers keep state between steps. `options` are the
    checkpoint's own settings of its pipeline, such as `force_zeros_for_empty_prompt`. With `stages` the parts
    take turns on the device.
    """

    card: ModelCard
    pipeline_class: type[DiffusionPipeline]
    components: dict[str, Any]
    device: str
    dtype: torch.dtype
    bytes: int
    quantized: Quantized | None = None
    options: dict[str, Any] = field(default_factory=dict)
    stages: Stages | None = None

    @property
    def movable(self) -> bool:
        """Whether the weights can move between device and RAM as a whole; parts that take turns cannot."""
        return self.stages is None

    def pipeline(self, cls: type[DiffusionPipeline] | None = None) -> DiffusionPipeline:
        """A fresh `cls` (default: the checkpoint's own class) over the shared components, with a copied scheduler.

        Built by the constructor, never by `from_pipe`, which casts shared modules to float32 in place.
        """
        cls = cls or self.pipeline_class
        wanted = inspect.signature(cls.__init__).parameters
        parts = {name: part for name, part in (self.options | self.components).items() if name in wanted}
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


def weight_bytes(module: Any) -> int:
    """Bytes of a module's parameters and buffers, packed ones with their scales; shared tensors count once."""
    seen: dict[int, int] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        for part in _storages(tensor):
            seen[part.data_ptr()] = part.numel() * part.element_size()
    return sum(seen.values())


def _storages(tensor: Any) -> list[Any]:
    """What holds a tensor's bytes: itself, the parts of a quantized tensor, or bitsandbytes' weight and its scales."""
    if hasattr(tensor, "__tensor_flatten__"):
        names, _ = tensor.__tensor_flatten__()
        return [part for name in names for part in _storages(getattr(tensor, name))]
    state = getattr(tensor, "quant_state", None)
    scales = [getattr(tensor, "SCB", None)]
    for level in (state, getattr(state, "state2", None)):
        scales += [getattr(level, "absmax", None), getattr(level, "code", None)]
    return [tensor, *(scale for scale in scales if scale is not None)]
