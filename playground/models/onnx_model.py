"""ONNX text models through onnxruntime-genai: checked, loaded, with transformers' tokenizer from the same folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.devices import intraop_threads
from playground.models.onnx_config import onnx_bytes, read_onnx_config
from playground.models.records import Progress

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

EXTRA = "onnxruntime-genai"


@dataclass
class LoadedOnnx:
    """A text model that ONNX Runtime holds; `bytes` counts its graphs and weights.

    `runtime` names the execution provider that was taken, as "onnxruntime-genai, CPU"; `context` is what the model was
    built for; `end_ids` end an answer. It can be dropped but not moved to another device.
    """

    card: ModelCard
    model: Any
    tokenizer: PreTrainedTokenizerBase
    device: str
    dtype: str
    bytes: int
    runtime: str
    context: int | None
    end_ids: frozenset[int]
    movable: bool = False


@cache
def library() -> Any:
    """onnxruntime-genai, with its reports to its maker switched off.

    Raises:
        ModelUnavailable: the package is missing or does not start.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # official builds send usage events unless told so
    try:
        import onnxruntime_genai
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelUnavailable(
            f"onnxruntime-genai does not start: {str(error).splitlines()[0]}.", f"Run: pip install {EXTRA}"
        ) from None
    return onnxruntime_genai


def load_onnx(card: ModelCard, folder: Path, device: str, dtype: torch.dtype, progress: Progress | None) -> LoadedOnnx:
    """The text model in `folder / card.file`; the weights keep the type that they were built in, whatever `dtype`.

    Raises:
        ModelUnavailable: the package is missing, or the model must not or cannot be loaded.
        MemoryError: there is no room for the weights.
    """
    from transformers import PreTrainedTokenizerFast

    place = folder / card.file
    config = read_onnx_config(place)
    size = onnx_bytes(place)
    if not (place / "tokenizer.json").is_file():
        raise ModelUnavailable(f"{card.name} has no fast tokenizer (tokenizer.json).", "Choose a build that has one.")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(place, local_files_only=True)
    og = library()
    try:
        options = og.Config(str(place))
        options.clear_providers()
        if device.startswith("cuda") and og.is_cuda_available():
            options.append_provider("cuda")
        threads = {"intra_op_num_threads": intraop_threads("cpu", "chat", size)}
        options.overlay(json.dumps({"model": {"decoder": {"session_options": threads}}}))
        model = og.Model(options)
    except RuntimeError as error:
        reason = (str(error).splitlines() or ["it gives no reason"])[0]
        if "allocate memory" in reason or "bad_alloc" in reason or "out of memory" in reason:
            raise MemoryError(reason) from None
        raise ModelUnavailable(
            f"ONNX Runtime cannot load {card.name}: {reason}",
            "Fetch the model again, or choose another build.",
        ) from None
    provider = str(model.device_type)
    ends = config.end_ids | ({tokenizer.eos_token_id} - {None})
    where = device if provider != "CPU" else "cpu"
    return LoadedOnnx(card, model, tokenizer, where, "", size, f"{EXTRA}, {provider}", config.context, frozenset(ends))
