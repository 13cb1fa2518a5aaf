"""Whether an adapter file fits a card, from the card's class and its small config files. Loads nothing.

What passes here can still be refused by the loaded model, whose layers are known; what is refused here never fits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.adapter_files import WIDTHS, InversionFile, LoraFile
from playground.models.headers import read_json

XL, SD3, FLUX = "Stable Diffusion XL", "Stable Diffusion 3", "FLUX.1"
FAMILIES = (
    ("StableDiffusionXL", XL),
    ("StableDiffusion3", SD3),
    ("Flux", FLUX),
    ("StableDiffusion", "Stable Diffusion 1 or 2"),
)
SHORT = {"Stable Diffusion 1": "SD 1.x", "Stable Diffusion 2": "SD 2.x", XL: "SDXL", SD3: "SD3", FLUX: "FLUX"}
_XL_WIDTHS = {"text_encoder": 768, "text_encoder_2": 1280}


def short_family(file: LoraFile | InversionFile) -> str:
    """The family as users write it; where it is unknown, the width of the texts that it is for."""
    width = file.width if isinstance(file, LoraFile) else next(iter(file.widths.values()))
    return SHORT.get(file.family, f"own base, {width} wide" if width else "unknown")


def misfit(card: ModelCard, file: LoraFile | InversionFile) -> str:
    """Why the file cannot work on the card's model, as half a sentence; empty where nothing speaks against it."""
    family = next((name for start, name in FAMILIES if card.model_class.startswith(start)), "")
    if not family:
        return f"{card.name} takes no adapters" if card.model_class else ""
    if isinstance(file, InversionFile):
        return _words_misfit(card, family, file)
    if card.quantization:
        return f"{card.name} is quantized"
    theirs = file.family if "transformer" in file.parts else ""
    if (theirs or family in (SD3, FLUX)) and theirs != family:
        return f"it is for {file.family if theirs else 'a UNet'}, and {card.name} is {family}"
    if "text_encoder_2" in file.parts and family != XL and not theirs:
        return f"it changes a second text encoder, and {card.name} has one"
    return _width_misfit(card, "unet", "cross_attention_dim", file.width, 2048 if family == XL else None)


def _width_misfit(card: ModelCard, part: str, key: str, width: int | None, known: int | None) -> str:
    own = _config(card, part).get(key, known)
    if width is None or not isinstance(own, int) or own == width:
        return ""
    theirs, ours = (f"{WIDTHS[w]} ({w} wide)" if w in WIDTHS else f"texts {w} wide" for w in (width, own))
    return f"it is for {theirs}, and {card.name} reads {ours}"


def _words_misfit(card: ModelCard, family: str, file: InversionFile) -> str:
    if family in (SD3, FLUX):
        return f"{card.name} takes no textual inversions"
    encoders = ("text_encoder", "text_encoder_2") if family == XL else ("text_encoder",)
    for name in encoders:
        if name not in file.widths:
            return f"it has no vectors for the second text encoder of {card.name}"
    for name, width in file.widths.items():
        if name not in encoders:
            return f"it has vectors for a second text encoder, and {card.name} has one"
        known = _XL_WIDTHS[name] if family == XL else None
        own = _config(card, name).get("hidden_size", known)
        if isinstance(own, int) and own != width:
            return f"its vectors are {width} wide, and those of {card.name} {own}"
    return ""


def _config(card: ModelCard, part: str) -> dict[str, Any]:
    """The config of a component, where it lies on disk; else nothing."""
    path: str | Path | None
    if card.folder is not None:
        path = card.folder / part / "config.json"
    else:
        from huggingface_hub import try_to_load_from_cache

        try:
            found = try_to_load_from_cache(card.source, f"{part}/config.json", revision=card.revision)
        except ValueError:  # no name that the hub could have
            return {}
        path = found if isinstance(found, str) else None
    if path is None or not Path(path).is_file():
        return {}
    try:
        return dict(read_json(Path(path)))
    except ModelUnavailable:  # the load itself says what is wrong with it
        return {}
