"""Makes a card of a model that a user names: a folder, a file, or something on the hub. Reads no weights."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.facts import Facts
from playground.models.fits import native_side
from playground.models.quantize import check_form

# Licences are on the model's page or in its folder, in no form that could be read reliably.
LICENCE = "see its source"
# What models of a type can, as `senses.senses_of` knows them.
SENSES = {"phi4_multimodal": ("vision", "audio"), "mistral3": ("vision",)}


def card_of(name: str, facts: Facts, taken: Container[str] = ()) -> ModelCard:
    """The card of what `name` says and `facts` tell, with an id that is not in `taken`.

    Raises:
        ModelUnavailable: the model is of a kind that cannot be run here.
    """
    source, file = _where(name)
    kind = facts.kind
    if kind == "image" and not file and facts.image is None and "unet" not in facts.configs:
        raise ModelUnavailable(
            f"{name} has no UNet or transformer that this app knows.", "Add a Stable Diffusion, SD 3 or FLUX model."
        )
    fields: dict[str, Any] = {}
    if file:
        fields |= {"format": "gguf" if file.endswith(".gguf") else "single-file", "file": file}
        if fields["format"] == "single-file" and kind != "image":
            raise ModelUnavailable(
                f"{name} is a single file that holds no Stable Diffusion checkpoint.",
                "Name the model's folder instead.",
            )
    elif facts.packed:
        raise ModelUnavailable(
            f'{name} is an ONNX folder: add it through a catalog file, with format = "onnx".', "See --catalog."
        )
    if kind == "image":
        fields |= {"native_size": native_side(facts) if facts.image is not None else None}
        fields |= {"capabilities": ("text-to-image", "image-to-image", "inpaint", "negative-prompt")}
    else:
        senses = SENSES.get(str(facts.configs.get("", {}).get("model_type")), ())
        able = ("system-prompt", "multi-turn", *senses) if kind == "chat" else ()
        fields |= {"context": facts.context, "capabilities": able}
    counted = facts.gguf.parameters if facts.gguf is not None else facts.size.parameters
    label = Path(file).stem if file else source.rstrip("/").rpartition("/")[2]
    return ModelCard(
        id=_free_id(label, taken),
        name=label,
        kind=kind,
        source=source,
        licence=LICENCE,
        licence_url="" if Path(source).is_absolute() else f"https://huggingface.co/{source}",
        parameters=counted or None,
        summary="Added here.",
        **fields,
    )


def quantized_card(card: ModelCard, quantization: str, device: str, taken: Container[str] = ()) -> ModelCard:
    """A card of `card`'s model whose weights are turned into `quantization` while loading, with an id of its own.

    Raises:
        ModelUnavailable: this model, or this device, has no such form.
    """
    check_form(card, quantization, device)
    # What was measured or published of the model is not true of this form of it.
    fields = card.model_dump(exclude={"published", "builds", "memory"})
    name = f"{card.name}, {quantization}"
    fields |= {"id": _free_id(f"{card.id}-{quantization}", taken), "name": name, "quantization": quantization}
    return ModelCard(**fields)


def _where(name: str) -> tuple[str, str]:
    """(source, file) of a path, of owner/name, or of owner/name/path/to/file."""
    path = Path(name).expanduser()
    if path.exists() or path.is_absolute() or name.startswith("."):
        path = path.resolve()
        return (str(path), "") if path.is_dir() else (str(path.parent), path.name)
    owner, _, rest = name.partition("/")
    model, _, file = rest.partition("/")
    return f"{owner}/{model}", file


def _free_id(label: str, taken: Container[str]) -> str:
    plain = re.sub(r"[^a-z0-9._-]+", "-", label.lower()).strip("-._") or "model"
    number, found = 2, plain
    while found in taken:
        found, number = f"{plain}-{number}", number + 1
    return found
