"""Preview maps that were fitted: kept in memory, and as small files under the weights they were fitted for."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from playground.images.preview import colours_of, fit_factors
from playground.images.tiny_decoder import Sparing, tiny_of
from playground.models.staged import bring_in

log = logging.getLogger(__name__)

FOLDER = "previews"
_SAMPLE = 64  # values of each tensor that its identity is taken from
_MOST_BYTES = 100_000
_FITTED: weakref.WeakKeyDictionary[Any, torch.Tensor] = weakref.WeakKeyDictionary()


def previewer(vae: Any, folder: Path | None = None) -> Callable[[torch.Tensor], torch.Tensor]:
    """What turns clean scaled latents (B, C, h, w) of this VAE into colours (B, H, W, 3) from -1 to 1."""
    factors, tiny = factors_of(vae, folder), tiny_of(vae)
    return partial(colours_of, factors=factors) if tiny is None else Sparing(tiny, factors)


def factors_of(vae: Any, folder: Path | None = None) -> torch.Tensor:
    """The map (C + 1, 3) of `fit_factors`; fitted where neither memory nor `folder` has it for these weights."""
    if vae not in _FITTED:
        bring_in(vae)
        file = None if folder is None else folder / f"{identity(vae)}.json"
        found = None if file is None else _read(file)
        if found is None:
            found = fit_factors(vae)
            if file is not None:
                _write(file, found)
        _FITTED[vae] = found
    return _FITTED[vae]


def identity(vae: Any) -> str:
    """A hash of a VAE's scaling, of every tensor's name, shape and type, and of the first values of each."""
    found = hashlib.sha256()
    for name in ("scaling_factor", "latents_mean", "latents_std"):
        found.update(repr(vae.config.get(name, None)).encode())
    for name, tensor in vae.state_dict().items():
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.flatten()[:_SAMPLE].float().cpu().numpy().tobytes())
    return found.hexdigest()[:32]


def _read(file: Path) -> torch.Tensor | None:
    """The map in a file; None where there is none, or what is in it is no map."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        rows = json.loads(file.read_text(encoding="ascii"))["factors"]
        values = [[float(value) for value in row] for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    right = len(values) > 1 and all(len(row) == 3 and all(map(math.isfinite, row)) for row in values)
    return torch.tensor(values) if right else None


def _write(file: Path, factors: torch.Tensor) -> None:
    """Keeps the map; a folder that cannot be written costs the next start a fit, and no picture."""
    unfinished = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps({"factors": factors.tolist()}), encoding="ascii")
        unfinished.replace(file)
    except OSError as error:
        log.warning("a preview map was not kept: %s", error)
