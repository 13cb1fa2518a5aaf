"""Wires the pool to this machine: real loader, device, budgets and default dtypes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from playground.catalog import Catalog, ModelCard
from playground.errors import ModelUnavailable
from playground.models import devices
from playground.models.compiled import compiled_steps
from playground.models.download import cached_folder, is_local, locate
from playground.models.freed import give_back
from playground.models.load import load, size_on_device
from playground.models.loaded import LoadedText
from playground.models.placement import place_on
from playground.models.pool import ModelPool
from playground.models.records import Job, PoolEvent
from playground.models.sizes import ITEMSIZE
from playground.settings import Settings

KEPT_SHARE = 0.1  # of the budget, for the caches that one text model keeps
RAM_SHARE = 0.5  # of the available RAM, for models moved off a GPU


def open_pool(settings: Settings, catalog: Catalog, on_event: Callable[[PoolEvent], None] | None = None) -> ModelPool:
    """The pool for this machine. On a CPU device memory and RAM are one budget, so there is no RAM tier.

    Raises:
        PlaygroundError: the settings name a device or dtype that is not there, or one that is not to be compiled for.
    """
    device = devices.pick_device(settings)
    compiled_steps(settings, device)  # refused at the start, where it is
    budget = devices.memory_budget(device, settings)
    for kind in {card.kind for card in catalog if card.backend == "local"}:
        devices.pick_dtype(device, settings, kind)  # a wrong --dtype shows at the start, and the timing is done

    def size(job: Job) -> int:
        folder = locate(job.card, settings, dtype=job.dtype, progress=job.progress, cancel=job.cancel)
        return _bytes(job.card, folder, job.dtype, job.quantization, job.staged, device)

    def loader(job: Job) -> Any:
        loaded = load(
            job.card,
            device,
            job.dtype,
            job.progress,
            job.cancel,
            settings,
            quantization=job.quantization,
            staged=job.staged,
        )
        if job.card.kind == "chat" and hasattr(loaded, "kept"):
            loaded.kept.limit = int(budget * KEPT_SHARE)
        if isinstance(loaded, LoadedText):
            loaded.steps = compiled_steps(settings, device)
        return loaded

    chosen: dict[tuple[str, str, str], str] = {}

    def dtype_of(card: ModelCard) -> str:
        # Kept, so that a lease reads no files and a card's dtype does not change while the app runs.
        key = (card.kind, card.source, card.revision)
        if key not in chosen:
            chosen[key] = default_dtype(card, device, settings, budget)
        return chosen[key]

    on_gpu = device != "cpu"
    return ModelPool(
        loader,
        size=size,
        budget_bytes=budget,
        ram_bytes=int(devices.ram()[1] * RAM_SHARE) if on_gpu else 0,
        mover=(lambda loaded, tier: move(loaded, device if tier == "device" else "cpu")) if on_gpu else None,
        free=partial(give_back, device),
        default_dtype=dtype_of,
        on_event=on_event,
        idle_s=60 * settings.idle_unload,
    )


def default_dtype(card: ModelCard, device: str, settings: Settings, budget: int) -> str:
    """The dtype that is fastest here, or bfloat16 where float32 would not fit `budget` and 16 bit does."""
    dtype = devices.pick_dtype(device, settings, card.kind)
    if dtype != "float32" or settings.dtype != "auto":
        return dtype
    whole, half = (weights(card, name) for name in ("float32", "bfloat16"))
    return "bfloat16" if whole is not None and half is not None and half <= budget < whole else dtype


def weights(card: ModelCard, dtype: str) -> int | None:
    """Bytes of `card`'s weights as `dtype`: from the files where they are here, else as the card says; None unknown."""
    if card.backend != "local":
        return None
    try:
        folder = card.folder or cached_folder(card)
        if folder is not None and is_local(card):
            return _bytes(card, folder, dtype, card.quantization)
    except ModelUnavailable:
        return None
    if dtype in card.memory:
        return card.memory[dtype]
    return int(card.parameters * ITEMSIZE[dtype]) if card.parameters else None


def _bytes(
    card: ModelCard, folder: Path, dtype: str, quantization: str | None, staged: bool = False, device: str = "cpu"
) -> int:
    """Bytes of `card`'s weights on the device, from its headers; of the largest part where they take turns."""
    if card.format == "gguf":
        from playground.models.gguf_model import UNPACKED, gguf_bytes, gguf_runtime

        return gguf_bytes(folder / card.file, dtype, unpacked=gguf_runtime() == UNPACKED)
    return size_on_device(folder / card.file, card.kind, dtype, quantization, staged=staged, device=device)


def move(loaded: Any, device: str) -> None:
    """Moves a loaded model's modules in place and notes where they are: of several cards, on the emptiest."""
    device = place_on(device, loaded.bytes, name=loaded.card.name, split=False).device
    parts = [getattr(loaded, "model", None), *getattr(loaded, "components", {}).values()]
    for part in parts:
        if part is not None and hasattr(part, "parameters"):
            part.to(device)
    loaded.device = device
