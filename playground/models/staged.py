"""Parts of an image model that take turns on the device, for a budget that does not hold them all at once.

A part comes in when it is about to run and the one before it leaves: to RAM on a machine with an accelerator, and where
RAM is the device itself, back to its files. Knows nothing of pipelines; it stands at accelerate's hook points, which
diffusers' encode and decode call as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import nn

from playground.models.freed import give_back

if TYPE_CHECKING:
    from playground.catalog import ModelCard
    from playground.models.loaded import LoadedImage


class Stages:
    """Keeps one of `parts` on `device` at a time.

    Args:
        parts: modules by name; afterwards each has a hook that brings it in before it runs.
        reload: makes a part anew from its files, weights on `device`; None moves parts between `device` and RAM.
    """

    def __init__(self, parts: Mapping[str, nn.Module], device: str, reload: Callable[[str], nn.Module] | None) -> None:
        self._parts = dict(parts)
        self._device = device
        self._reload = reload
        self.seconds = 0.0  # what the moves took
        self.moves = 0
        self.present = ""
        for name, part in self._parts.items():
            empty(part) if reload is not None else part.to("cpu")
            add_hook_to_module(part, _Enter(self, name, device))

    def enter(self, name: str) -> None:
        """Brings `name` in, after the part that was there has left."""
        if name == self.present:
            return
        began = time.perf_counter()
        self.leave()
        part = self._parts[name]
        if self._reload is None:
            part.to(self._device)
        else:
            fresh = dict(self._reload(name).named_parameters())
            for key, parameter in part.named_parameters():
                parameter.data = fresh.pop(key).data
        self.present = name
        self.moves += 1
        self.seconds += time.perf_counter() - began

    def leave(self) -> None:
        """Takes the part that is there off the device."""
        if self.present:
            part = self._parts[self.present]
            empty(part) if self._reload is not None else part.to("cpu")
            self.present = ""
            give_back(self._device)  # or what this part left free would stand beside the next one


def empty(part: nn.Module) -> None:
    """Lets go of a part's weights; buffers, which are small and not in the files, stay."""
    for parameter in part.parameters():
        parameter.data = torch.empty(0, dtype=parameter.dtype, device=parameter.device)


def load_staged(
    card: ModelCard, source: Path, device: str, dtype: torch.dtype, building: threading.Lock
) -> LoadedImage:
    """The pipeline in `source`, whose parts take turns on `device`; never are two of them there at once.

    `bytes` of the result are those of the largest part. Where RAM is the device, parts go back to their files.

    Raises:
        ModelUnavailable: as `load_image`.
    """
    from playground.models.load_image import load_image, load_part
    from playground.models.loaded import weight_bytes

    sizes: list[int] = []
    in_files = device == "cpu"

    def made(part: nn.Module) -> None:
        sizes.append(weight_bytes(part))
        if in_files:
            empty(part)
            give_back(device)

    def reload(name: str) -> nn.Module:
        with building:
            part: nn.Module = load_part(card, source, name, device, dtype)
        return part

    with building:
        loaded = load_image(card, source, "cpu", dtype, made=made)
    parts = {name: part for name, part in loaded.components.items() if isinstance(part, nn.Module)}
    loaded.stages = Stages(parts, device, reload if in_files else None)
    loaded.device, loaded.bytes = device, max(sizes)
    return loaded


class _Enter(ModelHook):
    """Brings its part in before it runs. Pipelines read `execution_device` to know where inputs belong."""

    def __init__(self, stages: Stages, name: str, device: str) -> None:
        self.stages, self.name, self.execution_device = stages, name, device

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.stages.enter(self.name)
        return args, kwargs


def bring_in(part: Any) -> None:
    """Brings in a part whose device or dtype is about to be read; nothing for one that is always there."""
    hook = getattr(part, "_hf_hook", None)
    if isinstance(hook, _Enter):
        hook.stages.enter(hook.name)
