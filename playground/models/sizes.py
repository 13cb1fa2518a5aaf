"""How big models are: weights from safetensors headers, cache and working memory from configs. No torch.

Weights are exact. Working memory is an estimate, made to be reserved: it should not fall short for the usual
architectures, and says nothing about time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.errors import ModelUnavailable
from playground.models.headers import Tensor, read_header, read_json, shards

ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "int4": 0.5}
DTYPE_NAMES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}
SKIPPED = frozenset({"safety_checker", "feature_extractor", "image_encoder"})  # never loaded here
STEMS = ("model", "diffusion_pytorch_model")


@dataclass(frozen=True)
class ComponentSize:
    """One component's weights; `name` is its subfolder, or "model" where the folder itself is the model."""

    name: str
    tensors: tuple[Tensor, ...]
    files: tuple[Path, ...]

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

    def bytes_as(self, dtype: str) -> int:
        """Bytes once loaded as `dtype` ("bfloat16"): floating tensors are cast, integers stay."""
        return sum(int(t.elements * itemsize(dtype)) if t.is_float else t.bytes for t in self.tensors)


@dataclass(frozen=True)
class ModelSize:
    """All components of one model folder."""

    components: tuple[ComponentSize, ...]

    @property
    def parameters(self) -> int:
        return sum(c.parameters for c in self.components)

    @property
    def bytes(self) -> int:
        return sum(c.bytes for c in self.components)

    def bytes_as(self, dtype: str) -> int:
        return sum(c.bytes_as(dtype) for c in self.components)


def itemsize(dtype: str) -> float:
    """Bytes of one element of `dtype`.

    Raises:
        ModelUnavailable: the name is not known.
    """
    if dtype not in ITEMSIZE:
        raise ModelUnavailable(f"dtype must be one of {', '.join(ITEMSIZE)}, got {dtype!r}.", "Choose one of these.")
    return ITEMSIZE[dtype]


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
        yield _component("model", folder, variant)
        return
    for name in component_names(folder):
        if (folder / name / "config.json").is_file():  # tokenizers and schedulers have none or hold no weights
            yield _component(name, folder / name, variant)


def component_names(folder: Path) -> list[str]:
    """The components that `model_index.json` names and that are loaded here."""
    index = read_json(folder / "model_index.json")
    return [
        name
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and value[0] is not None and name not in SKIPPED
    ]


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


# --- cache and working memory --------------------------------------------------------------------------------------


def kv_bytes_per_token(config: Mapping[str, Any], dtype: str = "bfloat16") -> int:
    """Bytes of keys and values that one token adds: 2 x layers x key-value heads x head size x item size."""
    heads = int(config["num_attention_heads"])
    kv_heads = int(config.get("num_key_value_heads") or heads)
    head_dim = int(config.get("head_dim") or config["hidden_size"] // heads)
    return int(2 * int(config["num_hidden_layers"]) * kv_heads * head_dim * itemsize(dtype))


def chat_working_bytes(config: Mapping[str, Any], tokens: int, dtype: str = "bfloat16") -> int:
    """Bytes of one answer of `tokens` in all: the cache, float32 logits of one position, and one layer of prefill."""
    hidden, inner = int(config["hidden_size"]), int(config.get("intermediate_size") or 4 * int(config["hidden_size"]))
    prefill = tokens * (4 * hidden + 2 * inner) * itemsize(dtype)
    return int(tokens * kv_bytes_per_token(config, dtype) + 2 * 4 * int(config["vocab_size"]) + prefill)


def step_working_bytes(
    unet: Mapping[str, Any],
    width: int,
    height: int,
    batch: int = 1,
    *,
    guided: bool = True,
    dtype: str = "bfloat16",
    scale: int = 8,
) -> int:
    """Bytes of activations of one UNet step at a picture size in pixels; `scale` is pixels to a latent's side.

    Sum of the skip connections that wait for the way up, plus six maps of the widest block at full latent resolution:
    input, residual, normalised copy, convolution result, the concatenated skip (two). Guidance doubles the batch.
    Attention is counted as linear, since scaled-dot-product attention keeps no score matrix.
    """
    channels = [int(c) for c in unet["block_out_channels"]]
    layers = unet.get("layers_per_block", 2)
    per_block = max(layers) if isinstance(layers, list) else int(layers)
    area = -(-width // scale) * -(-height // scale)
    skips = sum((per_block + 1) * c * max(1, area // 4**i) for i, c in enumerate(channels))
    widest = max(c * max(1, area // 4**i) for i, c in enumerate(channels))
    return int((skips + 6 * widest) * batch * (2 if guided else 1) * itemsize(dtype))


def decode_working_bytes(
    vae: Mapping[str, Any], width: int, height: int, batch: int = 1, *, dtype: str = "bfloat16"
) -> int:
    """Bytes of activations of a VAE decode: four maps of the second block's channels at full picture resolution.

    The last up block takes that many channels in at full size: input, normalised copy, activation, convolution result.
    """
    channels = [int(c) for c in vae["block_out_channels"]]
    wide = channels[1] if len(channels) > 1 else channels[0]
    return int(4 * wide * width * height * batch * itemsize(dtype))


def image_working_bytes(folder: Path, width: int, height: int, batch: int = 1, *, dtype: str = "bfloat16") -> int:
    """The larger of a guided step and the decode for the checkpoint in `folder`, in bytes."""
    unet, vae = read_json(folder / "unet" / "config.json"), read_json(folder / "vae" / "config.json")
    scale = 2 ** (len(vae["block_out_channels"]) - 1)
    return max(
        step_working_bytes(unet, width, height, batch, dtype=dtype, scale=scale),
        decode_working_bytes(vae, width, height, batch, dtype=dtype),
    )


def human(count: int | float) -> str:
    """Bytes in words: 512 B, 76.3 MB, 29.3 GB (powers of 1000, as file sizes and memory budgets are quoted)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
