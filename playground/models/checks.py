"""What a model folder or file must and must not hold before anything is loaded. Reads JSON and names, no weights.

Refused: code that comes with a model (`auto_map`, custom pipelines, kernels), pickles, components of unknown libraries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from playground.catalog import Kind
from playground.errors import ModelUnavailable
from playground.models.headers import read_json
from playground.models.sizes import component_names, weight_files

CODE_CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
LIBRARIES = frozenset({"diffusers", "transformers", "stable_diffusion"})
SINGLE_FILE = ".safetensors"
PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle"})


def check_folder(folder: Path, kind: Kind, *, weights: bool = True) -> None:
    """Passes a folder that may be loaded.

    Args:
        weights: whether the weight files have to be there already.

    Raises:
        ModelUnavailable: names what is missing or refused.
    """
    if kind == "image":
        _check_pipeline(folder, weights)
        return
    config = folder / "config.json"
    if not config.is_file():
        raise ModelUnavailable(
            f"{folder} holds no config.json, so it is no model folder.", "Correct the card's source."
        )
    _refuse_code(folder)
    if weights:
        _whole(weight_files(folder, find_variant(folder)))


def check_file(path: Path, what: str = "checkpoint") -> None:
    """Passes one weight file that may be read; `what` it is ("LoRA") is for the error.

    Raises:
        ModelUnavailable: it is a pickle or of another format, or is not there.
    """
    if path.suffix in PICKLES:
        raise ModelUnavailable(
            f"{path.name} is a pickle, which can run code while it is read, so this {what} is not opened.",
            'Take its .safetensors version, or convert it once: python -c "import torch, safetensors.torch as s; '
            f"d = torch.load('{path.name}', weights_only=True); d = d.get('state_dict', d); "
            "s.save_file({k: v.contiguous() for k, v in d.items() if torch.is_tensor(v)}, "
            f"'{path.stem}.safetensors')\"",
        )
    if path.suffix != SINGLE_FILE:
        raise ModelUnavailable(
            f"{path.name} is no {what} that can be read here: its name ends in {path.suffix or 'nothing'!r}.",
            f"Name a {SINGLE_FILE} file.",
        )
    if not path.is_file():
        raise ModelUnavailable(f"The {what} {path} is not there.", "Correct its path.")


def _check_pipeline(folder: Path, weights: bool) -> None:
    index_file = folder / "model_index.json"
    if not index_file.is_file():
        raise ModelUnavailable(
            f"{folder} holds no model_index.json, so it is no diffusers folder.",
            "Name a diffusers folder, or one .safetensors checkpoint.",
        )
    index = read_json(index_file)
    if not isinstance(index.get("_class_name"), str):
        raise _code(folder, "a pipeline class of its own")
    for name in component_names(folder):
        library, cls = index[name]
        if library not in LIBRARIES:
            raise _code(folder, f"{name} from {library}.{cls}")
        if Path(name).name != name or not (folder / name).is_dir():
            raise ModelUnavailable(f"{folder} lacks its component {name!r}.", "Fetch the model again.")
        _refuse_code(folder / name)
        if weights and (folder / name / "config.json").is_file():
            _whole(weight_files(folder / name, find_variant(folder / name)))


def _is_native(folder: Path) -> bool:
    """Whether transformers has a class of its own for the model, and so leaves the code that comes with it alone.

    Phi-3.5-mini and others were published with code before transformers had their class, and still name it.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    config = folder / "config.json"
    return config.is_file() and read_json(config).get("model_type") in CONFIG_MAPPING_NAMES


def _refuse_code(folder: Path) -> None:
    for name in CODE_CONFIGS:
        if not (folder / name).is_file():
            continue
        config = read_json(folder / name)
        if "auto_map" in config and not _is_native(folder):
            raise _code(folder, f"auto_map in {name}")
        kernels = [k for k in _attention(config) if "/" in k]
        if kernels:
            raise _code(folder, f"the attention kernel {kernels[0]} in {name}")
    if (folder / "adapter_config.json").is_file():
        raise ModelUnavailable(
            f"{folder} holds an adapter (adapter_config.json) that transformers would load with it unasked.",
            "Move the adapter to a folder of its own.",
        )


def _attention(config: Mapping[str, Any]) -> Iterator[str]:
    """The attention implementations that a config names, at any depth; one with a slash is code on the hub."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _attention(value)
        elif key.endswith("attn_implementation") and isinstance(value, str):
            yield value


def _code(folder: Path, what: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"{folder} wants to run code of its own ({what}), which this app never does.",
        "Choose a model whose class is part of transformers or diffusers.",
    )


def _whole(files: list[Path]) -> None:
    for file in files:
        if not file.is_file():
            raise ModelUnavailable(f"{file.name} is missing from {file.parent}.", "Fetch the model again.")


def variant_of(name: str) -> str:
    """The variant in a weight file's name: "" for `model.safetensors`, "fp16" for `model.fp16-00001-of-00002…`."""
    stem = re.sub(r"-\d{5}-of-\d{5}", "", Path(name).name.removesuffix(".safetensors"))
    return stem.partition(".")[2]


def find_variant(folder: Path) -> str | None:
    """ "fp16" where a component has no plain safetensors but that variant, else None."""
    found = {variant_of(p.name) for p in folder.glob("*.safetensors")}
    return "fp16" if "fp16" in found and "" not in found else None
