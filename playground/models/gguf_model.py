"""Text models from GGUF files: by llama.cpp where its binding is installed, else unpacked by transformers.

Unpacked, a quantized model takes its full size in the chosen dtype, which `gguf_bytes` tells beforehand. What
transformers would read wrongly is refused, never loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.gguf_header import GgufHeader, read_gguf
from playground.models.llama_native import EXTRA
from playground.models.records import Progress
from playground.models.sizes import itemsize
from playground.protocol import CancelToken

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from playground.models.gguf_tokenizer import LlamaTokenizer
    from playground.models.llama_native import LlamaModel

NATIVE = "llama.cpp"
UNPACKED = "transformers, unpacked"
WITHOUT_SCALING = ("", "none")


@dataclass
class LoadedGguf:
    """A text model from a GGUF file; `bytes` counts its weights.

    `runtime` is "llama.cpp" or "transformers, unpacked"; `dtype` is the type that most weights have ("Q4_K",
    "bfloat16"); `context` is what the model was trained for; `end_ids` end an answer.
    """

    card: ModelCard
    model: LlamaModel | PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | LlamaTokenizer
    device: str
    dtype: str
    bytes: int
    runtime: str
    context: int | None
    end_ids: frozenset[int]

    @property
    def native(self) -> bool:
        """Whether llama.cpp holds the model."""
        return self.runtime == NATIVE

    @property
    def movable(self) -> bool:
        """Whether the weights can move between device and RAM; what llama.cpp holds can only be dropped."""
        return not self.native


def gguf_runtime() -> str | None:
    """What would load a GGUF file here, "llama.cpp" or "transformers, unpacked"; None where nothing can."""
    if find_spec("llama_cpp"):
        return NATIVE
    return UNPACKED if find_spec("gguf") and find_spec("accelerate") else None


def gguf_bytes(path: Path, dtype: str, unpacked: bool) -> int:
    """Bytes of the weights in the GGUF file at `path` (of a split model, of all parts) once loaded.

    Args:
        dtype: what every weight becomes where transformers unpacks them; llama.cpp keeps them as they are.
        unpacked: whether transformers loads the file.

    Raises:
        ModelUnavailable: the file cannot be read or is damaged.
    """
    header = read_gguf(path)
    return int(header.parameters * itemsize(dtype)) if unpacked else header.bytes


def load_gguf(
    card: ModelCard,
    folder: Path,
    device: str,
    dtype: torch.dtype,
    progress: Progress | None,
    cancel: CancelToken | None = None,
) -> LoadedGguf:
    """The text model in `folder / card.file`. Takes the lock of `playground.models.load` where it builds modules.

    Raises:
        ModelUnavailable: nothing here can run it, or the file is damaged; says what to install.
        Cancelled: `cancel` was set while llama.cpp loaded.
        MemoryError: there is no room for the weights.
    """
    path = folder / card.file
    header = read_gguf(path)
    runtime = gguf_runtime()
    if runtime == NATIVE:
        return _native(card, path, header, device, progress, cancel or CancelToken())
    if runtime == UNPACKED:
        return _unpacked(card, path, header, device, dtype)
    raise ModelUnavailable(
        f"{card.name} is a GGUF file, and nothing that reads these is installed.",
        f"Run: pip install {EXTRA} (or, to unpack it to its full size, pip install gguf)",
    )


# --- llama.cpp -----------------------------------------------------------------------------------------------------


def _native(
    card: ModelCard, path: Path, header: GgufHeader, device: str, progress: Progress | None, cancel: CancelToken
) -> LoadedGguf:
    from playground.models.gguf_tokenizer import LlamaTokenizer, agrees, fast_tokenizer
    from playground.models.llama_native import LlamaModel

    def told(share: float) -> bool:
        if progress is not None:
            progress(share, f"Loading {card.name}")
        return not cancel.cancelled

    model = LlamaModel(path, device, told)
    try:
        fast = fast_tokenizer(path, header)
    except ModelUnavailable:  # llama.cpp read the same vocabulary
        fast = None
    template = header.metadata.get("tokenizer.chat_template")
    plain = LlamaTokenizer(model, template if isinstance(template, str) else None)
    tokenizer = fast if fast is not None and agrees(fast, model) else plain
    return LoadedGguf(
        card,
        model,
        tokenizer,
        model.device,
        header.quantization,
        model.weight_bytes,
        NATIVE,
        model.context,
        model.end_ids(),
    )


# --- transformers --------------------------------------------------------------------------------------------------


def _unpacked(card: ModelCard, path: Path, header: GgufHeader, device: str, dtype: torch.dtype) -> LoadedGguf:
    from playground.models.gguf_tokenizer import end_ids, fast_tokenizer
    from playground.models.load import building, weight_bytes

    _check_unpackable(card, path, header)
    tokenizer = fast_tokenizer(path, header)
    if tokenizer is None:
        kind = header.metadata.get("tokenizer.ggml.pre") or header.metadata.get("tokenizer.ggml.model")
        raise _only_native(card, f"its tokenizer {kind!r} is not one that transformers rebuilds from such a file")
    with building:
        model = _read_weights(card, path, header, device, dtype)
    name = str(dtype).removeprefix("torch.")
    ends = end_ids(tokenizer, header)
    return LoadedGguf(card, model, tokenizer, device, name, weight_bytes(model), UNPACKED, header.context, ends)


def _read_weights(card: ModelCard, path: Path, header: GgufHeader, device: str, dtype: torch.dtype) -> PreTrainedModel:
    from transformers import AutoConfig, GgufConfig

    from playground.models.assemble import loud, quiet
    from playground.models.load_text import causal_class
    from playground.models.loads import is_out_of_memory

    try:
        found = AutoConfig.from_pretrained(
            path.parent, gguf_file=path.name, trust_remote_code=False, local_files_only=True
        )
        cls, config = causal_class(card.name, found)
        model, info = quiet(cls).from_pretrained(
            path.parent,
            config=config,
            device_map=None if device == "cpu" else {"": device},
            gguf_file=path.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=dtype,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # many kinds, for shapes and names that its tables do not foresee
        if is_out_of_memory(error):
            raise
        raise _only_native(card, f"transformers says {' '.join(str(error).split())[:200]}") from None
    lacking = sorted(info["missing_keys"]) or sorted(str(row) for row in info["mismatched_keys"])
    if lacking:
        raise _only_native(card, f"transformers finds {len(lacking)} weights wanting, for instance {lacking[0]}")
    _check_rope(card, header, model.config)
    return loud(model).eval().requires_grad_(False)


def _check_unpackable(card: ModelCard, path: Path, header: GgufHeader) -> None:
    """Refuses what transformers leaves out without saying so, and what would make it look beyond the file."""
    from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES
    from transformers.utils import is_kernels_available

    architecture = header.architecture
    if architecture not in GGUF_SUPPORTED_ARCHITECTURES and architecture not in GGUF_CONFIG_ARCHS:
        raise _only_native(card, f"transformers knows no GGUF architecture {architecture!r}")
    if header.metadata.get("split.count", 1) not in (0, 1):
        raise _only_native(card, "transformers reads no model that is split over several files")
    scaling = str(header.metadata.get(f"{architecture}.rope.scaling.type", ""))
    factors = [t.name for t in header.tensors if t.name.startswith("rope_")]
    if (scaling not in WITHOUT_SCALING or factors) and architecture != "gpt-oss":
        raise _only_native(card, f"transformers leaves out its long-context rope ({scaling or factors[0]})")
    if architecture in GGUF_CONFIG_ARCHS and is_kernels_available():
        raise _only_native(card, "transformers would fetch compute kernels from a hub for it")
    if (path.parent / "adapter_config.json").exists():
        raise ModelUnavailable(
            f"An adapter_config.json beside {path.name} would put another model in its place.",
            "Put the GGUF file into a folder of its own.",
        )


def _check_rope(card: ModelCard, header: GgufHeader, config: Any) -> None:
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    turned = round(size * (getattr(config, "rope_parameters", None) or {}).get("partial_rotary_factor", 1.0))
    stated = header.metadata.get(f"{header.architecture}.rope.dimension_count", turned)
    if stated != turned:
        raise _only_native(card, f"transformers turns {turned} dimensions of a head where the file says {stated}")


def _only_native(card: ModelCard, why: str) -> ModelUnavailable:
    return ModelUnavailable(f"{card.name} cannot be unpacked: {why}.", f"Run: pip install {EXTRA}")
