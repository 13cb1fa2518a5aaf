"""Weights of linear layers in 8 or 4 bits: what works on which device, how many bytes it takes, and doing it.

A layer is quantized the moment its weights are there, so a load never holds the float model beside the packed one.
Quantized are the `nn.Linear` layers of text models and of denoisers (`QUANTIZED_COMPONENTS`). Embeddings, norms,
convolutions and an output layer tied to the embedding stay, and so do layers whose shape the kernel does not take; the
report counts these.

Bytes of a layer of `out` x `in` weights, without its bias (`quantized_linear_bytes`):

- int8 on the processor: out * in + 2 * out (a bfloat16 scale a row); `in` must be a multiple of 16.
- int8 on CUDA: out * in + 5 * out (torchao's float32 scale and zero point a row; 4 * out through bitsandbytes).
- int4 on the processor: out * in / 2 + 4 * out * in / group (a bfloat16 scale and zero point a group), where group is
  the widest of 128, 64 and 32 that divides `in`, and `out` is a multiple of 16.
- int4 on CUDA: the same with group 128, `out` rounded up to a multiple of 8 and `in` of 1024.
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
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from playground.errors import ModelUnavailable
from playground.models.sizes import itemsize

if TYPE_CHECKING:
    import torch

QUANTIZATIONS = ("int8", "int4", "fp8", "nf4")
QUANTIZED_COMPONENTS = ("unet", "transformer", "transformer_2", "prior", "decoder")
GPU_GROUP = 128  # of torchao's int4


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


def check_quantization(name: str, quantization: str, device: str, dtype: str) -> None:
    """Passes a quantization that works on `device`; `name` is the model's, for the error.

    Raises:
        ModelUnavailable: it does not; names what does.
    """
    here = quantizations(device)
    if quantization not in here:
        missing = "" if quantization not in QUANTIZATIONS or device == "cpu" else _missing(quantization, device)
        instead = f"Choose {' or '.join(here)}, or leave it away." if here else "Leave the quantization away."
        raise ModelUnavailable(
            f"{name} cannot be loaded as {quantization} on {device}: {missing or 'that does not work here'}.", instead
        )
    if quantization == "int4" and device != "cpu" and dtype != "bfloat16":
        raise ModelUnavailable(
            f"{name} cannot be loaded as int4 in {dtype}: the kernel computes in bfloat16.", "Choose --dtype bfloat16."
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


def quantized_linear_bytes(
    out_features: int, in_features: int, quantization: str, dtype: str, device: str = "cpu"
) -> int:
    """Bytes of one linear layer's weights after quantization in a model of `dtype`, by the formulas above.

    Raises:
        ModelUnavailable: the quantization is not known.
    """
    from playground.models.packed import int4_group, int8_packs

    rows, columns, item = out_features, in_features, int(itemsize(dtype))
    on_cpu = device == "cpu"
    if quantization == "int8":
        if not on_cpu:
            return rows * columns + 5 * rows
        return rows * columns + 2 * rows if int8_packs(rows, columns) else rows * columns * item
    if quantization == "int4" and on_cpu:
        group = int4_group(rows, columns)
        return rows * columns * item if group is None else rows * columns // 2 + 4 * rows * columns // group
    if quantization == "int4":
        rows, columns = -(-rows // 8) * 8, -(-columns // 1024) * 1024
        return rows * columns // 2 + 4 * rows * columns // GPU_GROUP
    if quantization == "fp8":
        return rows * columns + item * rows
    if quantization == "nf4":
        return rows * columns // 2 + -(-rows * columns // 64) + 4 * -(-rows * columns // 16384) + 1088
    raise ModelUnavailable(
        f"quantization must be one of {', '.join(QUANTIZATIONS)}, got {quantization!r}.", "Choose one of these."
    )


class Packer:
    """Quantizes the linear layers of one model while its weights come in, and keeps count.

    `choose` looks at the empty model; then every weight that `wants` names goes to `pack` instead of into its layer.
    """

    def __init__(self, quantization: str, device: str) -> None:
        self._quantization = quantization
        self._device = device
        self._chosen: set[str] = set()
        self._kept: list[str] = []
        self._layers = self._bytes = self._float_bytes = 0
        self.method = _method(quantization, device)

    def choose(self, model: Any) -> None:
        """Decides by type, name and shape which layers are quantized."""
        from torch import nn

        tied = getattr(model, "all_tied_weights_keys", None) or {}
        shared = {*tied.keys(), *tied.values()}
        single = set(getattr(model, "_keep_in_fp32_modules", None) or ())
        single |= set(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
        self._chosen = set()
        for name, module in model.named_modules():
            if type(module) is not nn.Linear:
                continue
            weight = f"{name}.weight"
            stays = weight in shared or single & set(name.split("."))
            if stays or not self._takes(module.out_features, module.in_features):
                self._kept.append(name)
            else:
                self._chosen.add(weight)

    def _takes(self, rows: int, columns: int) -> bool:
        from playground.models.packed import int4_group, int8_packs

        if self._device != "cpu":
            return True
        return int8_packs(rows, columns) if self._quantization == "int8" else int4_group(rows, columns) is not None

    def wants(self, name: str) -> bool:
        return name in self._chosen

    def pack(self, model: Any, name: str, weight: torch.Tensor) -> None:
        """Puts `weight`, which is on the device in the model's dtype, into its layer in packed form."""
        from torch import nn

        from playground.models.loaded import weight_bytes

        path = name.removesuffix(".weight")
        linear = model.get_submodule(path)
        packed = _packed(linear, weight.detach(), self.method)
        if packed is not linear:
            model.set_submodule(path, packed)
        # Else transformers would initialise what it did not set itself.
        packed._is_hf_initialized = packed.weight._is_hf_initialized = True
        bias = packed.bias
        packed.bias = None  # not here yet, and not packed
        self._bytes += weight_bytes(packed)
        packed.bias = bias if bias is None or isinstance(bias, nn.Parameter) else nn.Parameter(bias)
        self._float_bytes += weight.numel() * weight.element_size()
        self._layers += 1

    def report(self) -> Quantized:
        return Quantized(
            self._quantization, self.method, self._layers, tuple(self._kept), self._bytes, self._float_bytes
        )


def _method(quantization: str, device: str) -> str:
    """The code that runs a quantization on a device."""
    if quantization == "fp8":
        return "float8 weights, unpacked to multiply"
    if device == "cpu":
        return {"int8": "torch int8 kernel", "int4": "torch int4 kernel"}[quantization]
    if quantization == "nf4":
        return "bitsandbytes nf4"
    if quantization == "int8" and find_spec("torchao") is None:
        return "bitsandbytes int8"
    return f"torchao {quantization}"


def _packed(linear: Any, weight: torch.Tensor, method: str) -> Any:
    """The layer that takes `linear`'s place; `linear` itself where only its weight changes."""
    from torch import nn

    from playground.models.packed import Fp8Linear, Int4Linear, Int8Linear

    own = {
        "torch int8 kernel": Int8Linear,
        "torch int4 kernel": Int4Linear,
        "float8 weights, unpacked to multiply": Fp8Linear,
    }
    if method in own:
        return own[method](weight, linear.bias)
    if method.startswith("torchao"):
        from torchao.quantization import quantize_

        linear.weight = nn.Parameter(weight, requires_grad=False)
        quantize_(linear, _torchao_config(method.removeprefix("torchao ")))
        return linear
    import bitsandbytes as bnb

    sizes = (linear.in_features, linear.out_features, linear.bias is not None)
    if method == "bitsandbytes nf4":
        layer = bnb.nn.Linear4bit(*sizes, compute_dtype=weight.dtype, quant_type="nf4", device="meta")
        layer.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", module=layer).to(weight.device)
    else:
        layer = bnb.nn.Linear8bitLt(*sizes, has_fp16_weights=False, device="meta")
        layer.weight = bnb.nn.Int8Params(weight.cpu(), requires_grad=False, has_fp16_weights=False).to(weight.device)
    layer.bias = linear.bias
    return layer


def _torchao_config(quantization: str) -> Any:
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig
    from torchao.quantization.quantize_.workflows.int4.int4_packing_format import Int4PackingFormat

    # Inductor's settings are for the whole process, and nothing is compiled here.
    if quantization == "int8":
        return Int8WeightOnlyConfig(set_inductor_config=False)
    tiles = Int4PackingFormat.TILE_PACKED_TO_4D  # torch's own kernel; the others need further packages
    return Int4WeightOnlyConfig(group_size=GPU_GROUP, int4_packing_format=tiles, set_inductor_config=False)


@cache
def _hook() -> type[Any]:
    """The class of configs that make transformers' `from_pretrained` hand its weights to a Packer."""
    from transformers.core_model_loading import ConversionOps
    from transformers.quantizers.auto import register_quantizer
    from transformers.quantizers.base import HfQuantizer
    from transformers.utils.quantization_config import QuantizationConfigMixin

    class Config(QuantizationConfigMixin):
        def __init__(self, packer: Packer) -> None:
            self.quant_method = "playground"  # type: ignore[assignment]
            self.packer = packer

        def __deepcopy__(self, memo: Any) -> Any:
            return self  # configs are copied on the way, and the count belongs to one load

        def to_dict(self) -> dict[str, Any]:
            return {"quant_method": self.quant_method}

    class Pack(ConversionOps):
        def __init__(self, packer: Packer) -> None:
            self.packer = packer

        def convert(self, input_dict: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
            rest = {}
            for name, value in input_dict.items():
                if not self.packer.wants(name):  # a fused weight may be taken apart into several
                    rest[name] = value
                    continue
                self.packer.pack(kwargs["model"], name, value[0] if isinstance(value, list) else value)
                kwargs["missing_keys"].discard(name)
            return rest

    @register_quantizer("playground")
    class Quantizer(HfQuantizer):
        quantization_config: Config

        def _process_model_before_weight_loading(self, model: Any, **kwargs: Any) -> Any:
            self.quantization_config.packer.choose(model)
            return model

        def param_needs_quantization(self, model: Any, param_name: str, **kwargs: Any) -> bool:
            return self.quantization_config.packer.wants(param_name)

        def get_quantize_ops(self) -> Pack:
            return Pack(self.quantization_config.packer)

        def is_serializable(self) -> bool:
            return False

        @property
        def is_trainable(self) -> bool:
            return False

    return Config


def transformers_config(packer: Packer) -> Any:
    """What to pass as `quantization_config` to transformers' `from_pretrained`, under the lock `building`."""
    return _hook()(packer)


def forget(model: Any) -> Any:
    """Takes the loading machinery off a model of transformers, whose layers are packed now."""
    model.hf_quantizer.remove_quantization_config(model)
    for part in model.modules():
        config = getattr(part, "config", None)
        if config is not None and getattr(config, "_is_quantized", False):
            del config._is_quantized
    return model
