"""Builds modules without memory and puts their weights straight on the device, in the dtype asked for.

Knows torch modules and how the libraries build them; nothing of cards, folders or pipelines. Whoever calls it holds the
lock `building` of `load`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from playground.errors import ModelUnavailable
from playground.models.headers import read_header
from playground.models.packer import Packer, forget, transformers_config
from playground.models.sizes import DTYPE_NAMES, weight_files

# Attention weights of old Stable Diffusion checkpoints, as diffusers renames them.
OLD_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}

_SIZED = frozenset({torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.empty_strided, torch.eye})
_EXPLICIT = frozenset({torch.Tensor.float, torch.Tensor.type, torch.from_numpy})


class Building(TorchFunctionMode):
    """While it is entered, tensors that this thread makes without naming a dtype are of `dtype`; none is initialised.

    What `torch.set_default_dtype` does for the whole process, and so for every thread that generates at that moment,
    this does for the building thread alone.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _SIZED:
            return func(*args, **kwargs) if kwargs.get("dtype") else func(*args, **{**kwargs, "dtype": self._dtype})
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        out = func(*args, **kwargs)
        if self._dtype == torch.float32 or not isinstance(out, torch.Tensor) or out.dtype != torch.float32:
            return out
        # float32 although neither a dtype nor a float came in: it was the default.
        given = (*args, *kwargs.values())
        chosen = func in _EXPLICIT or any(isinstance(a, torch.dtype) or _is_float(a) for a in given)
        return out if chosen else out.to(self._dtype)


def _is_float(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_is_float(v) for v in value)
    dtype = getattr(value, "dtype", None)  # of a tensor, or of a numpy array
    return dtype is not None and "float" in str(dtype)


@cache
def quiet(cls: Any) -> Any:
    """`cls` of transformers, made to build in a dtype without changing torch's default for other threads.

    The model that its `from_pretrained` returns is turned back into a `cls` by `loud`.
    """

    def get_init_context(built: Any, dtype: torch.dtype, *args: Any, **kwargs: Any) -> list[Any]:
        return [*cls.get_init_context(torch.get_default_dtype(), *args, **kwargs), Building(dtype)]

    same = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(cls.__name__, (cls,), {**same, "get_init_context": classmethod(get_init_context)})


def loud(model: Any) -> Any:
    """Undoes `quiet` on a model."""
    model.__class__ = type(model).__mro__[1]
    return model


def skeleton(cls: type[Any], config: dict[str, Any], dtype: torch.dtype) -> Any:
    """A module of diffusers' `cls` whose parameters have shapes and dtypes, and no memory yet."""
    from accelerate import init_empty_weights

    with init_empty_weights(), Building(dtype):
        return cls.from_config(config)  # type: ignore[attr-defined]


def fill(
    module: Any,
    tensors: Iterable[tuple[str, torch.Tensor]],
    device: str,
    dtype: torch.dtype,
    *,
    name: str,
    packer: Packer | None = None,
) -> Any:
    """Gives a skeleton its weights, one at a time, so that only the tensor in hand is there twice.

    Args:
        name: what to call the module in errors.
        packer: quantizes the weights that it wants as soon as they are here.

    Raises:
        ModelUnavailable: a weight is missing or has another shape than the module.
    """
    wanted = {n: tuple(t.shape) for n, t in module.state_dict().items()}
    owners = dict(module.named_modules())
    single = set(module._keep_in_fp32_modules or ())
    if packer is not None:
        packer.choose(module)
    for stored, tensor in tensors:
        key = stored if stored in wanted else _renamed(stored)
        if key not in wanted:
            continue  # of a part that is not used here, or a buffer that newer versions compute
        shape = wanted.pop(key)
        if tuple(tensor.shape) != shape:
            raise ModelUnavailable(
                f"{name} has {key} in the shape {list(tensor.shape)}, and its config says {list(shape)}.",
                "Fetch the model again.",
            )
        target = torch.float32 if single & set(key.split(".")) else dtype
        if packer is not None and packer.wants(key):
            packer.pack(module, key, tensor.to(device, target))
        else:
            path, _, leaf = key.rpartition(".")
            own = tensor.to(device, target) if tensor.is_floating_point() else tensor.to(device)
            if packer is not None and own is tensor:
                own = tensor.clone()  # lets the file go, with all that was packed from it
            _put(owners[path], leaf, own)
    if wanted:
        raise lacks(name, sorted(wanted))
    if device != "cpu":
        module.to(device)  # buffers that no file holds
    return module.eval()


def lacks(name: str, missing: list[str]) -> ModelUnavailable:
    """The error for a model whose files lack weights: the libraries would fill them with random ones."""
    return ModelUnavailable(
        f"{name} lacks {len(missing)} of its weights, for instance {missing[0]}.", "Fetch the model again."
    )


def _renamed(name: str) -> str:
    for old, new in OLD_NAMES.items():
        name = name.replace(old, new)
    return name


def _put(owner: Any, name: str, tensor: torch.Tensor) -> None:
    if name in owner._parameters:
        owner._parameters[name] = torch.nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[name] = tensor


def transformers_model(
    cls: Any,
    device: str,
    dtype: torch.dtype,
    *,
    name: str,
    folder: Path | None = None,
    variant: str | None = None,
    config: Any = None,
    state: dict[str, torch.Tensor] | None = None,
    packer: Packer | None = None,
    shares: Mapping[str, int] | None = None,
) -> Any:
    """A model of transformers' `cls` with its weights from `folder`, or from `state` under the names of its class.

    Args:
        packer: quantizes the weights that it wants as soon as they are here.
        shares: bytes by card, for a model that is cut over several.

    Raises:
        ModelUnavailable: weights are missing or of another shape than the config says.
    """
    options: dict[str, Any] = {"config": config} if config is not None else {}
    if packer is not None:
        options["quantization_config"] = transformers_config(packer)
    if shares:
        options |= {"device_map": "auto", "max_memory": {int(d.partition(":")[2]): b for d, b in shares.items()}}
    elif device != "cpu":
        options["device_map"] = {"": device}
    if state is not None:
        options["state_dict"] = state
    model, info = quiet(cls).from_pretrained(
        folder,
        dtype=dtype,
        variant=variant,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
        **options,
    )
    loud(model)
    missing = sorted(info["missing_keys"])
    if missing or info["mismatched_keys"]:
        raise lacks(name, missing or sorted(str(row) for row in info["mismatched_keys"]))
    if packer is not None:
        forget(model)
        if device == "cpu" and folder is not None and _is_mapped(folder, variant, dtype):
            for parameter in model.parameters():
                parameter.data = parameter.data.clone()  # lets the files go, with all that was packed from them
    return model.eval().requires_grad_(False)


def _is_mapped(folder: Path, variant: str | None, dtype: torch.dtype) -> bool:
    """Whether a load as `dtype` takes weights as they are mapped from the files of `folder`."""
    name = str(dtype).removeprefix("torch.")
    return any(DTYPE_NAMES.get(t.dtype) == name for file in weight_files(folder, variant) for t in read_header(file))
