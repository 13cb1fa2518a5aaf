"""Weights of linear layers in 8 or 4 bits: what works on which device, and how many bytes it takes.

Doing it is in `packer`; this module needs no torch. Quantized are the `nn.Linear` layers of text models and of
denoisers (`QUANTIZED_COMPONENTS`). Embeddings, norms, convolutions and an output layer tied to the embedding stay, and
so do layers whose shape the kernel does not take; the report counts these.

Bytes of a layer of `out` x `in` weights, without its bias (`quantized_linear_bytes`):

- int8 on the processor: out * in + 2 * out (a bfloat16 scale a row); `in` must be a multiple of 16.
- int8 on CUDA: out * in + 5 * out (torchao's float32 scale and zero point a row; 4 * out through bitsandbytes).
- int4 on the processor: out * in / 2 + 4 * out * in / group (a bfloat16 scale and zero point a group), where group is
  the widest of 128, 64 and 32 that divides `in`, and `out` is a multiple of 16.
- int4 on CUDA: the same after `out` is rounded up to a multiple of 8 and `in` to one of 1024; any `out`.
- fp8: out * in + itemsize * out (a scale a row in the model's dtype).
- nf4: out * in / 2 + out * in / 64 + 4 * out * in / 16384 + 1088 (a scale for 64 weights in 8 bits, a scale for 256 of
  these, two tables).
- a layer that stays: out * in * itemsize.

On the processor, measured with torch 2.13, AVX512-BF16, one thread, 8192x3072, in milliseconds of processor time:

| rows | bfloat16 | int8 | int4 |
|---|---|---|---|
| 1 (decoding) | 4.4 | 2.1 | 1.3 |
| 4 | 4.3 | 3.2 | 2.4 |
| 32 | 10.5 | 14 | 19 |
| 256 (reading a prompt, a picture) | 60 | 70 | 151 |
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from playground.errors import ModelUnavailable
from playground.models.sizes import itemsize

if TYPE_CHECKING:
    from playground.catalog import ModelCard

QUANTIZATIONS = ("int8", "int4", "fp8", "nf4")
QUANTIZED_COMPONENTS = ("unet", "transformer", "transformer_2", "prior", "decoder")
GROUPS = (128, 64, 32)  # columns that share a scale and a zero point in int4: the widest that divides a row


@dataclass(frozen=True)
class Quantized:
    """What became of a model's linear layers.

    `method` names the code that runs them. `layers` were packed, `kept` are the names of those that stayed as they
    were. `bytes` is what the packed ones take with their scales, `float_bytes` what they would take unpacked.
    """

    quantization: str
    method: str
    layers: int
    kept: tuple[str, ...]
    bytes: int
    float_bytes: int


def quantizations(device: str) -> tuple[str, ...]:
    """The quantizations that work on `device` ("cpu", "cuda:1", …) with what is installed.

    On CUDA int8 and int4 need torchao (int8 also works with bitsandbytes), nf4 needs bitsandbytes; int4 needs compute
    capability 8.0 and fp8 8.9. On mps and xpu none has been tried, so none is offered.
    """
    if device == "cpu":
        return ("int8", "int4")
    if not device.startswith("cuda"):
        return ()
    import torch

    capability = torch.cuda.get_device_capability(device)
    torchao, bitsandbytes = find_spec("torchao") is not None, find_spec("bitsandbytes") is not None
    works = {
        "int8": torchao or bitsandbytes,
        "int4": torchao and capability >= (8, 0),
        "fp8": capability >= (8, 9),
        "nf4": bitsandbytes,
    }
    return tuple(name for name in QUANTIZATIONS if works[name])


def check_form(card: ModelCard, quantization: str, device: str) -> None:
    """Passes a quantization that this kind of model has, and that works on `device`.

    Raises:
        ModelUnavailable: says why not, and what does.
    """
    if card.format in ("gguf", "onnx"):
        raise ModelUnavailable(
            f"{card.name} is quantized as its file is, so it cannot become {quantization}.",
            "Leave the quantization away, or choose another file of the model.",
        )
    if card.kind == "clip":
        raise ModelUnavailable(
            f"{card.name} measures pictures and is not quantized, so it cannot become {quantization}.",
            "Leave the quantization away.",
        )
    if card.backend != "local":
        raise ModelUnavailable(
            f"{card.name} runs over an API, so it cannot become {quantization}.", "Choose a local model."
        )
    _check_device(card.name, quantization, device)


def check_quantization(card: ModelCard, quantization: str, device: str, dtype: str) -> None:
    """The same, for a model that computes in `dtype`."""
    check_form(card, quantization, device)
    if quantization == "int4" and device != "cpu" and dtype != "bfloat16":
        raise ModelUnavailable(
            f"{card.name} cannot be loaded as int4 in {dtype}: the kernel computes in bfloat16.",
            "Choose --dtype bfloat16.",
        )


def _check_device(name: str, quantization: str, device: str) -> None:
    here = quantizations(device)
    if quantization not in here:
        missing = "" if quantization not in QUANTIZATIONS or device == "cpu" else _missing(quantization, device)
        instead = f"Choose {' or '.join(here)}, or leave it away." if here else "Leave the quantization away."
        raise ModelUnavailable(
            f"{name} cannot be loaded as {quantization} on {device}: {missing or 'that does not work here'}.", instead
        )


def _missing(quantization: str, device: str) -> str:
    if not device.startswith("cuda"):
        return "no quantization has been tried on such a device"
    needs = {
        "int8": "it needs torchao (pip install torchao)",
        "int4": "it needs torchao (pip install torchao) and a card of compute capability 8.0",
        "fp8": "it needs a card of compute capability 8.9",
        "nf4": "it needs bitsandbytes (pip install bitsandbytes)",
    }
    return needs[quantization]


def int8_packs(out_features: int, in_features: int) -> bool:
    """Whether the processor's int8 kernel takes this shape: it reads rows 16 elements at a time, past their end too."""
    return out_features > 0 and in_features > 0 and in_features % 16 == 0


def int4_group(out_features: int, in_features: int, device: str = "cpu") -> int | None:
    """The group size for this shape, or None where the int4 kernel does not take it."""
    if out_features <= 0 or in_features <= 0 or (device == "cpu" and out_features % 16):
        return None
    return next((group for group in GROUPS if in_features % group == 0), None)


def quantized_linear_bytes(
    out_features: int, in_features: int, quantization: str, dtype: str, device: str = "cpu"
) -> int:
    """Bytes of one linear layer's weights after quantization in a model of `dtype`, by the formulas above.

    Raises:
        ModelUnavailable: the quantization is not known.
    """
    rows, columns, whole = out_features, in_features, out_features * in_features * int(itemsize(dtype))
    if quantization == "int8" and device != "cpu":
        return rows * columns + 5 * rows
    if quantization == "int8":
        return rows * columns + 2 * rows if int8_packs(rows, columns) else whole
    if quantization == "int4":
        group = int4_group(rows, columns, device)
        if group is None:
            return whole
        if device != "cpu":
            rows, columns = -(-rows // 8) * 8, -(-columns // 1024) * 1024
        return rows * columns // 2 + 4 * rows * columns // group
    if quantization == "fp8":
        return rows * columns + int(itemsize(dtype)) * rows
    if quantization == "nf4":
        return rows * columns // 2 + -(-rows * columns // 64) + 4 * -(-rows * columns // 16384) + 1088
    raise ModelUnavailable(
        f"quantization must be one of {', '.join(QUANTIZATIONS)}, got {quantization!r}.", "Choose one of these."
    )
