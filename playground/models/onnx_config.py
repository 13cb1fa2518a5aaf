"""What a `genai_config.json` may say before onnxruntime-genai is shown its folder. Reads JSON and names, no graphs.

The file can name libraries to load into the process, other folders and profiles to write. Only what a plain text model
needs is passed; ONNX Runtime itself refuses weights that a graph seeks outside its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.errors import ModelUnavailable
from playground.models.headers import read_json

CONFIG = "genai_config.json"
SECTIONS = frozenset({"model", "search"})
MODEL_KEYS = frozenset({
    "type", "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id",
    "context_length", "vocab_size", "decoder",
})  # fmt: skip
DECODER_KEYS = frozenset({
    "session_options", "filename", "head_size", "hidden_size", "inputs", "outputs", "num_attention_heads",
    "num_hidden_layers", "num_key_value_heads", "sliding_window", "layer_types",
})  # fmt: skip
SESSION_KEYS = frozenset({
    "log_id", "log_severity_level", "log_verbosity_level", "provider_options", "intra_op_num_threads",
    "inter_op_num_threads", "enable_cpu_mem_arena", "enable_mem_pattern", "graph_optimization_level",
    "disable_cpu_ep_fallback", "disable_quant_qdq", "enable_quant_qdq_cleanup", "use_env_allocators",
})  # fmt: skip
NAMES_IN_GRAPH = frozenset({"inputs", "outputs"})  # names of tensors, which may hold slashes


@dataclass(frozen=True)
class OnnxConfig:
    """What the file says of a text model; `file` is the graph's name within the folder."""

    file: str
    kind: str
    context: int | None
    end_ids: frozenset[int]


def read_onnx_config(folder: Path) -> OnnxConfig:
    """The checked configuration of the model in `folder`.

    Raises:
        ModelUnavailable: the file is missing or malformed, the model is of more than text, or it asks for code or
            files from elsewhere.
    """
    if not (folder / CONFIG).is_file():
        raise ModelUnavailable(
            f"{folder} holds no {CONFIG}, so it is no model of onnxruntime-genai.", "Name the subfolder that holds it."
        )
    table = read_json(folder / CONFIG)
    _only(folder, "", table, SECTIONS)
    model = _mapping(folder, "model", table.get("model"))
    _only(folder, "model.", model, MODEL_KEYS)
    decoder = _mapping(folder, "model.decoder", model.get("decoder"))
    _only(folder, "model.decoder.", decoder, DECODER_KEYS)
    session = _mapping(folder, "model.decoder.session_options", decoder.get("session_options") or {})
    _only(folder, "model.decoder.session_options.", session, SESSION_KEYS)
    for key, text in _strings(table):
        if not NAMES_IN_GRAPH & set(key.split(".")) and (set("/\\") & set(text) or text in (".", "..")):
            raise _elsewhere(folder, f"{key} = {text!r}")
    file = decoder.get("filename")
    if not isinstance(file, str) or not file.endswith(".onnx") or not (folder / file).is_file():
        raise ModelUnavailable(f"{folder} lacks the graph {file!r} that its {CONFIG} names.", "Fetch the model again.")
    context, ends = model.get("context_length"), model.get("eos_token_id")
    listed = ends if isinstance(ends, list) else [ends]
    return OnnxConfig(
        file=file,
        kind=str(model.get("type", "")),
        context=context if isinstance(context, int) and context > 0 else None,
        end_ids=frozenset(i for i in listed if isinstance(i, int)),
    )


def onnx_bytes(folder: Path) -> int:
    """Bytes of the graphs and their weights in `folder`: what they take in memory, and a little more.

    Raises:
        ModelUnavailable: there are none.
    """
    sizes = [p.stat().st_size for p in folder.glob("*") if p.name.endswith((".onnx", ".onnx.data", ".onnx_data"))]
    if not sizes:
        raise ModelUnavailable(f"{folder} holds no .onnx files.", "Fetch the model again.")
    return sum(sizes)


def _only(folder: Path, where: str, table: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuses what is not known to be harmless; an empty section says nothing and passes."""
    strange = sorted(key for key, value in table.items() if key not in known and value not in (None, "", [], {}))
    if strange:
        raise _elsewhere(folder, where + strange[0])


def _mapping(folder: Path, name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelUnavailable(f"{folder / CONFIG} holds no table {name}.", "Fetch the model again.")
    return value


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)


def _elsewhere(folder: Path, what: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"{folder / CONFIG} asks for more than a text model needs ({what}), which could run code or leave the folder.",
        "Choose a build of a text model without custom libraries.",
    )
