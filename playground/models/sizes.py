"""How big a model's weights are, from safetensors headers: by component, as stored and as loaded. No torch.

Exact for what is stored and for plain dtypes. Quantized figures follow the layout that the loader makes. Cache and
working memory have modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playground.errors import ModelUnavailable
from playground.models.headers import Tensor, read_header, read_json, shards

ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "int4": 0.5}
HALF = frozenset({"bfloat16", "float16"})
DTYPE_NAMES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}
SKIPPED = frozenset({"safety_checker", "feature_extractor", "image_encoder"})  # never loaded here
STEMS = ("model", "diffusion_pytorch_model")
ADAPTERS = ("vision-lora", "speech-lora")  # folders of a text model's adapters, for what it sees and hears

# What is quantized: a text model, which is one part, and the denoisers of pipelines.
QUANTIZED_PARTS = frozenset({"model", "file", "unet", "transformer", "transformer_2", "prior", "decoder"})
INT4_GROUPS = (128, 64, 32)  # columns that share a scale on the processor: the widest that divides a row
# Two-dimensional weights that are tables to look rows up in, not matrices to multiply with.
TABLES = re.compile(
    r"(^|\.)(embed_tokens|wte|wpe|shared|tok_embeddings|\w*token_embedding|word_embeddings|position_embeddings?"
    r"|token_type_embeddings|embed_positions|relative_attention_bias|class_embedding|pos_embed)\.weight$"
)


# T5's own rule: these stay in float32 in a model of float16, where they would overflow.
SINGLE_IN_HALF = re.compile(r"\.DenseReluDense\.wo\.weight$")


@dataclass(frozen=True)
class ComponentSize:
    """One component's weights; `name` is its subfolder, or "model" where the folder itself is the model.

    `files` are paths on this machine, or names in a repository.
    """

    name: str
    tensors: tuple[Tensor, ...]
    files: tuple[Path, ...] = ()

    @property
    def parameters(self) -> int:
        return sum(t.elements for t in self.tensors if t.is_float)

    @property
    def bytes(self) -> int:
        """Bytes as stored."""
        return sum(t.bytes for t in self.tensors)

    @property
    def bytes_by_dtype(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for t in self.tensors:
            name = DTYPE_NAMES.get(t.dtype, t.dtype.lower())
            totals[name] = totals.get(name, 0) + t.bytes
        return totals

    def bytes_as(self, dtype: str, quantization: str | None = None, device: str = "cpu") -> int:
        """Bytes once loaded as `dtype` ("bfloat16"): floating tensors are cast, integers stay.

        With `quantization` ("int8", "int4", "fp8", "nf4") the matrices of linear layers are packed as on `device`; the
        rest is cast to `dtype`.
        """
        kind = quantization if self.name in QUANTIZED_PARTS else None
        return sum(_bytes_as(tensor, dtype, kind, device) for tensor in self.tensors)


@dataclass(frozen=True)
class ModelSize:
    """All components of one model."""

    components: tuple[ComponentSize, ...]

    @property
    def parameters(self) -> int:
        return sum(c.parameters for c in self.components)

    @property
    def bytes(self) -> int:
        return sum(c.bytes for c in self.components)

    def bytes_as(self, dtype: str, quantization: str | None = None, device: str = "cpu") -> int:
        return sum(c.bytes_as(dtype, quantization, device) for c in self.components)


def itemsize(dtype: str) -> float:
    """Bytes of one element of `dtype`.

    Raises:
        ModelUnavailable: the name is not known.
    """
    if dtype not in ITEMSIZE:
        raise ModelUnavailable(f"dtype must be one of {', '.join(ITEMSIZE)}, got {dtype!r}.", "Choose one of these.")
    return ITEMSIZE[dtype]


def _bytes_as(tensor: Tensor, dtype: str, quantization: str | None, device: str) -> int:
    if not tensor.is_float:
        return tensor.bytes
    if quantization is not None and is_linear(tensor):
        return quantized_bytes(tensor.shape[0], tensor.shape[1], quantization, dtype, device)
    if dtype == "float16" and SINGLE_IN_HALF.search(tensor.name):
        dtype = "float32"
    return int(tensor.elements * itemsize(dtype))


def is_linear(tensor: Tensor) -> bool:
    """Whether `tensor` is the matrix of a linear layer, as far as its name and shape tell."""
    is_matrix = len(tensor.shape) == 2 and tensor.is_float and tensor.name.endswith(".weight")
    return is_matrix and not TABLES.search(tensor.name)


def quantized_bytes(rows: int, columns: int, quantization: str, dtype: str, device: str = "cpu") -> int:
    """Bytes of a (rows, columns) matrix that the loader packs in a model of `dtype`; formulas in `quantize`.

    Raises:
        ModelUnavailable: the quantization is not known.
    """
    from playground.models.quantize import quantized_linear_bytes  # which needs this module

    return quantized_linear_bytes(rows, columns, quantization, dtype, device)


# --- folders and files on this machine -----------------------------------------------------------------------------


def model_size(folder: Path, variant: str | None = None) -> ModelSize:
    """Sizes of a model folder in the layout of transformers or of diffusers, from its headers alone.

    Args:
        variant: "fp16" reads `*.fp16.safetensors` where a component has it, as the loader does.

    Raises:
        ModelUnavailable: no config, no safetensors weights, or a damaged file.
    """
    return ModelSize(tuple(_components(folder, variant)))


def _components(folder: Path, variant: str | None) -> Iterator[ComponentSize]:
    if not (folder / "model_index.json").is_file():
        part = _component("model", folder, variant)
        config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
        yield untied(part, config)
        for name in ADAPTERS:
            file = folder / name / "adapter_model.safetensors"
            if file.is_file():
                yield ComponentSize(name, tuple(read_header(file)), (file,))
        return
    for name in component_names(folder):
        if (folder / name / "config.json").is_file():  # tokenizers and schedulers have none or hold no weights
            yield _component(name, folder / name, variant)


def component_names(folder: Path) -> list[str]:
    """The components that `model_index.json` names and that are loaded here."""
    return names_in(read_json(folder / "model_index.json"))


def names_in(index: Mapping[str, Any]) -> list[str]:
    """The components that a `model_index.json` names and that are loaded here."""
    return [
        name
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and value[0] is not None and name not in SKIPPED
    ]


def untied(part: ComponentSize, config: Mapping[str, Any]) -> ComponentSize:
    """`part` without the output matrix where `config` says that it is the embedding's, which is loaded once."""
    names = {t.name for t in part.tensors}
    if not config.get("tie_word_embeddings") or not any(n.endswith("embed_tokens.weight") for n in names):
        return part
    return replace(part, tensors=tuple(t for t in part.tensors if t.name != "lm_head.weight"))


def _component(name: str, folder: Path, variant: str | None) -> ComponentSize:
    files = weight_files(folder, variant)
    tensors = tuple(t for file in files for t in read_header(file))
    return ComponentSize(name, tensors, tuple(files))


def weight_files(folder: Path, variant: str | None = None) -> list[Path]:
    """The safetensors files that a loader takes from `folder`: the variant's first, an index before a single file.

    Raises:
        ModelUnavailable: there are none; says so apart where only pickled weights are there.
    """
    for suffix in [f".{variant}", ""] if variant else [""]:
        for stem in STEMS:
            single = folder / f"{stem}{suffix}.safetensors"
            if single.is_file():
                return [single]
            for index in (f"{stem}.safetensors.index{suffix}.json", f"{stem}.safetensors{suffix}.index.json"):
                if (folder / index).is_file():  # both orders are in use for variants
                    return shards(folder / index)
    pickled = sorted(p.name for p in folder.glob("*") if p.suffix in {".bin", ".ckpt", ".pt", ".pth"})
    if pickled:
        raise ModelUnavailable(
            f"{folder} holds its weights only as {pickled[0]}, a pickle that can run code.",
            "Convert it to safetensors, or choose a revision that has them.",
        )
    raise ModelUnavailable(f"{folder} holds no safetensors weights.", "Fetch the model again.")


def human(count: int | float) -> str:
    """Bytes in words: 512 B, 76.3 MB, 29.3 GB (powers of 1000, as file sizes and memory budgets are quoted)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
