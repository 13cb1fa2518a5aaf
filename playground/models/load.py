"""Loads one model from its card: by kind and format, without remote code, in evaluation mode, without gradients.

Decides nothing about memory or sharing; the pool calls it in a thread of its own. How each kind is loaded stands in
modules of their own, which are imported when they are needed.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playground.catalog import ModelCard
from playground.errors import Cancelled, ModelUnavailable, PlaygroundError
from playground.models.devices import torch_dtype
from playground.models.download import locate
from playground.models.facts import facts_of_path
from playground.models.loaded import Loaded, weight_bytes
from playground.models.placement import Placement, place_on
from playground.models.quantize import check_quantization
from playground.models.records import Progress
from playground.protocol import CancelToken

if TYPE_CHECKING:
    import torch

    from playground.models.gguf_model import LoadedGguf
    from playground.models.onnx_model import LoadedOnnx
    from playground.settings import Settings

__all__ = ["building", "load", "size_on_device", "weight_bytes"]

log = logging.getLogger(__name__)

# transformers, diffusers and accelerate change global state while they build modules (parameter registration, weight
# tying, initial values), so two models built at once come out broken. Whoever else builds modules, adapters for
# instance, takes this lock too.
building = threading.Lock()


def load(
    card: ModelCard,
    device: str,
    dtype: str,
    progress: Progress | None,
    cancel: CancelToken | None,
    settings: Settings,
    *,
    quantization: str | None = None,
    staged: bool = False,
) -> Loaded | LoadedGguf | LoadedOnnx:
    """`card`'s model on `device` in `dtype` ("bfloat16"), ready to run.

    Args:
        device: "cuda" without a number takes the card with most free memory, and cuts a text model that fits none.
        quantization: what the matrices of linear layers are turned into while loading; the rest is in `dtype`.
        staged: the parts of an image model take turns on the device.

    Raises:
        ModelUnavailable: it cannot be had or must not be loaded; says why and what to do.
        Cancelled: `cancel` was set between two steps.
    """
    kind_dtype, cancel = torch_dtype(dtype), cancel or CancelToken()
    if quantization is not None:
        check_quantization(card, quantization, device, dtype)
        if staged:
            raise ModelUnavailable(
                f"The parts of {card.name} cannot take turns as {quantization}: each turn would pack them again.",
                "Leave the quantization away, or make room for the whole model.",
            )
    source = _source(card, settings, dtype, progress, cancel)
    if cancel.cancelled:
        raise Cancelled
    if progress is not None:
        progress(None, f"Loading {card.name}")
    with _plain_errors(card):
        if staged:
            loaded: Loaded | LoadedGguf | LoadedOnnx = _staged(card, source, device, kind_dtype)
        else:
            loaded = _load(card, source, device, kind_dtype, progress, cancel, quantization)
    if cancel.cancelled:
        raise Cancelled
    return loaded


def _load(
    card: ModelCard,
    source: Path,
    device: str,
    dtype: torch.dtype,
    progress: Progress | None,
    cancel: CancelToken,
    quantization: str | None,
) -> Loaded | LoadedGguf | LoadedOnnx:
    if card.format == "gguf":
        from playground.models.gguf_model import load_gguf

        return load_gguf(card, source, device, dtype, progress, cancel)  # takes the lock itself
    if card.format == "onnx":
        from playground.models.onnx_model import load_onnx

        return load_onnx(card, source, device, dtype, progress)
    placement = _placement(card, source, device, dtype, quantization)
    with building:
        _hide_progress_bars(card)
        loaded = _built(card, source, placement, dtype, quantization)
    report = getattr(loaded, "quantized", None)
    if quantization is not None and (report is None or not report.layers):
        raise ModelUnavailable(
            f"{card.name} has no linear layer that {quantization} takes.", "Leave the quantization away."
        )
    return loaded


def _staged(card: ModelCard, source: Path, device: str, dtype: torch.dtype) -> Loaded:
    if card.kind != "image" or card.format in ("gguf", "onnx"):
        raise ModelUnavailable(f"{card.name} has no parts that could take turns.", "Choose a smaller model.")
    from playground.models.staged import load_staged

    _hide_progress_bars(card)
    return load_staged(card, source, device, dtype, building)


def _built(card: ModelCard, source: Path, placement: Placement, dtype: torch.dtype, quantization: str | None) -> Loaded:
    if card.kind == "chat":
        from playground.models.load_text import load_text

        return load_text(card, source, placement, dtype, quantization)
    if card.kind == "image":
        from playground.models.load_image import load_image

        return load_image(card, source, placement.device, dtype, quantization)
    from playground.models.load_clip import load_clip

    return load_clip(card, source, placement.device, dtype)


def size_on_device(
    source: Path, kind: str, dtype: str, quantization: str | None = None, *, staged: bool = False, device: str = "cpu"
) -> int:
    """Bytes of the weights of a checked folder or checkpoint file once loaded as `dtype`, from its headers.

    With `staged` those of the largest part, which is there alone. How weights are packed depends on `device`.
    """
    facts = facts_of_path(source, dtype)
    if facts.packed:
        return facts.packed
    parts = [part.bytes_as(dtype, quantization, device) for part in facts.size.components]
    return max(parts) if staged else sum(parts)


def _source(card: ModelCard, settings: Settings, dtype: str, progress: Progress | None, cancel: CancelToken) -> Path:
    """The folder of the card's files, or the checkpoint file itself."""
    folder = locate(card, settings, dtype=dtype, progress=progress, cancel=cancel)
    return folder / card.file if card.format == "single-file" else folder


def _placement(card: ModelCard, source: Path, device: str, dtype: torch.dtype, quantization: str | None) -> Placement:
    """`device` itself, but where there are several cards to choose from."""
    if device != "cuda":
        return Placement(device)
    size = size_on_device(source, card.kind, str(dtype).removeprefix("torch."), quantization, device=device)
    return place_on(device, size, name=card.name, split=card.kind == "chat")


def _hide_progress_bars(card: ModelCard) -> None:
    """Progress goes through the pool's callbacks; bars in the console of a server help nobody."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    if card.kind == "image":
        from diffusers.utils import logging as diffusers_logging

        diffusers_logging.disable_progress_bar()


@contextmanager
def _plain_errors(card: ModelCard) -> Iterator[None]:
    """Turns what the libraries raise into one sentence and a hint; out of memory passes, the pool handles it."""
    from safetensors import SafetensorError

    from playground.models.loads import is_out_of_memory

    try:
        yield
    except PlaygroundError:
        raise
    except ImportError as error:
        package = error.name or str(error).splitlines()[0]
        raise ModelUnavailable(f"{card.name} needs the package {package}.", f"Run: pip install {package}") from None
    except SafetensorError as error:
        raise ModelUnavailable(f"{card.name} has damaged weights: {error}.", "Fetch the model again.") from None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        log.error("loading %s failed\n%s", card.id, traceback.format_exc())
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelUnavailable(f"{card.name} could not be loaded: {first}", "Fetch the model again.") from None
