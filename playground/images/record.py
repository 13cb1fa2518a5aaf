"""The record of a picture: everything that is needed to make it again, and to say why it came out otherwise.

All fields of the request go in by their own names, so that a field that is added later is recorded without a word
here. Pictures that a request started from are recorded by their hash alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import playground
from playground.images.weights import file_hash, payload_hash, weights_of
from playground.protocol import ImageRequest

if TYPE_CHECKING:
    from playground.images.adapters import Used
    from playground.models.loaded import LoadedImage

INPUTS = ("image", "mask", "style")
# Who asked, and what does not change a picture.
_NOT_KEPT = {"model", "owner", "preview_every", "batch_size", "width", "height", "adapters", *INPUTS}
_FROM_A_PICTURE = {"strength", "style_strength", "feather", "masked_content", "area", "padding"}
_TAKEN = {
    "text_to_image": frozenset[str](),
    "image_to_image": frozenset({"strength"}),
    "style_transfer": frozenset({"strength", "style_strength"}),
    "inpaint": _FROM_A_PICTURE - {"style_strength"},
}
_DEEPEST = 8


def record_of(
    loaded: LoadedImage,
    request: ImageRequest,
    seed: int,
    index: int,
    size: tuple[int, int],
    work: tuple[int, int] | None,
    scheduler: Any,
    adapters: Sequence[Used] = (),
) -> dict[str, Any]:
    """The record of picture `index` of a checked request, as JSON values.

    `size` is the picture's, `work` the size that the model worked at where it began from a picture. `scheduler` is the
    one that ran, `adapters` those that were on.
    """
    import torch

    left_out = _NOT_KEPT | (_FROM_A_PICTURE - _TAKEN[request.kind])
    if request.area != "masked":
        left_out |= {"padding"}
    left_out |= _off(request)
    record: dict[str, Any] = {"model": loaded.card.id, "repository": loaded.card.source}
    record |= {f.name: _plain(getattr(request, f.name)) for f in fields(request) if f.name not in left_out}
    record |= {"seed": seed, "width": size[0], "height": size[1]}
    if request.batch_size > 1:
        record |= {"batch_size": request.batch_size, "batch_index": index}
    if work is not None:
        record |= {"work_width": work[0], "work_height": work[1], "asked_size": [request.width, request.height]}
        given = ((name, getattr(request, name)) for name in INPUTS)
        record["inputs"] = {n: hashlib.sha256(data).hexdigest() for n, data in given if data is not None}
    return record | {
        **weights_of(loaded.card),
        "adapters": [_adapter(one) for one in adapters],
        "scheduler": {"class": type(scheduler).__name__, "config": _plain(dict(getattr(scheduler, "config", {})))},
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "quantization": loaded.card.quantization,
        "device": loaded.device,
        "threads": torch.get_num_threads(),
        "version_text": f"playground {playground.__version__}",
        "versions": dict(_versions()),
    }


def _adapter(used: Used) -> dict[str, Any]:
    """An adapter with its strengths, its file's hash, the one by which A1111 knows it, and who asked for it."""
    whole = file_hash(used.path)
    row: dict[str, Any] = {"name": used.name, "kind": used.kind, "sha256": whole}
    if used.kind == "embedding":
        return row | {"shorthash": whole[:12]}
    strengths = {"unet": used.unet, "text_encoder": used.text_encoder, "source": used.source}
    return row | {"shorthash": payload_hash(used.path)[:12], **strengths}


def _off(request: ImageRequest) -> set[str]:
    """The fields of what is switched off."""
    names = {f.name for f in fields(request) if f.name.startswith("hires_")} if not request.hires_scale else set()
    switches = {"tiling", "vae_tiling", "styles", "typed_prompt", "typed_negative_prompt"}
    return names | {name for name in switches if not getattr(request, name)}


@lru_cache(maxsize=1)
def _versions() -> tuple[tuple[str, str], ...]:
    return tuple((name, version(name)) for name in ("torch", "diffusers", "transformers", "numpy", "Pillow"))


def _plain(value: Any, depth: int = 0) -> Any:
    """The value in JSON's kinds; what JSON has no kind for, as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(k): _plain(v, depth + 1) for k, v in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [_plain(v, depth + 1) for v in value]
    return str(value)
