"""Quantizes linear layers while a model's weights come in, each the moment its weights are there.

So a load never holds the float model beside the packed one. Which quantization works where is told in `quantize`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from playground.models.loaded import weight_bytes
from playground.models.packed import Fp8Linear, Int4Linear, Int8Linear
from playground.models.quantize import Quantized, int4_group, int8_packs


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
        if self._quantization == "int4":
            return int4_group(rows, columns, self._device) is not None
        return self._device != "cpu" or int8_packs(rows, columns)

    def wants(self, name: str) -> bool:
        return name in self._chosen

    def pack(self, model: Any, name: str, weight: torch.Tensor) -> None:
        """Puts `weight`, which is on the device in the model's dtype, into its layer in packed form."""
        path = name.removesuffix(".weight")
        linear = model.get_submodule(path)
        if weight.shape != linear.weight.shape:
            raise ValueError(f"{name} is {list(weight.shape)}, and the config says {list(linear.weight.shape)}")
        packed = _packed(linear, weight.detach(), self.method)
        if packed is not linear:
            model.set_submodule(path, packed)
        # Else transformers would initialise what it did not set itself.
        packed._is_hf_initialized = packed.weight._is_hf_initialized = True
        bias = packed.bias
        packed.bias = None  # not here yet, and not packed
        self._bytes += weight_bytes(packed)
        packed.bias = bias
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
    own: dict[str, Callable[[torch.Tensor, nn.Parameter | None], nn.Module]] = {
        "torch int8 kernel": Int8Linear,
        "torch int4 kernel": Int4Linear,
        "float8 weights, unpacked to multiply": Fp8Linear,
    }
    if method in own:
        return own[method](weight, linear.bias)
    if method.startswith("torchao"):
        from torchao.quantization import quantize_

        linear.weight = nn.Parameter(weight, requires_grad=False)
        group = int4_group(weight.shape[0], weight.shape[1], weight.device.type)
        quantize_(linear, _torchao_config(method.removeprefix("torchao "), group))
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


def _torchao_config(quantization: str, group: int | None) -> Any:
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig
    from torchao.quantization.quantize_.workflows.int4.int4_packing_format import Int4PackingFormat

    # Inductor's settings are for the whole process, and nothing is compiled here.
    if quantization == "int8":
        return Int8WeightOnlyConfig(set_inductor_config=False)
    tiles = Int4PackingFormat.TILE_PACKED_TO_4D  # torch's own kernel; the others need further packages
    return Int4WeightOnlyConfig(group_size=group, int4_packing_format=tiles, set_inductor_config=False)


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
