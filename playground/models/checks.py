"""What a model folder must and must not hold before anything is loaded from it. Reads JSON and names, no weights.

Refused: code that comes with a model (`auto_map`, custom pipelines), pickles, components of unknown libraries.
"""

from __future__ import annotations

import re
from pathlib import Path

from playground.catalog import Kind
from playground.errors import ModelUnavailable
from playground.models.headers import read_json
from playground.models.sizes import component_names, weight_files

CODE_CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
LIBRARIES = frozenset({"diffusers", "transformers", "stable_diffusion"})


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


def _check_pipeline(folder: Path, weights: bool) -> None:
    index_file = folder / "model_index.json"
    if not index_file.is_file():
        raise ModelUnavailable(
            f"{folder} holds no model_index.json, so it is no diffusers folder.",
            "Convert single-file checkpoints with diffusers first.",
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


def _refuse_code(folder: Path) -> None:
    for name in CODE_CONFIGS:
        if (folder / name).is_file() and "auto_map" in read_json(folder / name):
            raise _code(folder, f"auto_map in {name}")


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
