"""Write the model card (README.md) of a starter image model from training.json and quality.json; no figure by hand.

`data` and `recipe` in training.json stand in for today's, for weights that were made with earlier ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playground.starter.figures import table
from playground.starter.quality import read_quality
from playground.starter.world import SHAPES, STYLES, WORLD

_ABOUT = {
    "starter-sd": "A small Stable Diffusion of our own: text to 128x128 pictures of coloured shapes.",
    "starter-sd-small": "The smaller, faster sibling of starter-sd, less exact: something to compare it with.",
    "starter-clip": "A small CLIP of our own for scenes of coloured shapes, 128x128.",
}
_DATA = (
    "Scenes rendered by the code of this project (`playground/starter/scenes.py`, `styles.py`, `captions.py`): one to "
    f"four of {len(SHAPES)} shapes in {len(WORLD.colours)} colours, filled or outlined, in nine positions and five "
    "relations, on solid, graded, striped, dotted and checkered backgrounds, drawn "
    f"{', '.join(STYLES[:-1])} or {STYLES[-1]}, with captions of varying wording. One in ten (colour, shape, "
    "background) triples is kept out of all training by a hash of its names. Nothing was downloaded, no other model "
    "was used."
)
_LIMITS = {
    "diffusion": "It knows the words of its captions and nothing else: no photographs, no people, English only. "
    "Several objects at once are the hardest. Figures below a half mean: not learned.",
    "clip": "It compares scenes of this world only, trained on rendered pictures and never on generated ones. It says "
    "nothing about photographs.",
}


def _training_rows(training: Mapping[str, Any]) -> list[str]:
    rows = {f"parameters, {part}": f"{count:,}" for part, count in training["parameters"].items()}
    rows["parameters, all"] = f"{sum(training['parameters'].values()):,}"
    for stage, facts in training["stages"].items():
        rows[f"training, {stage}"] = (
            f"{facts['steps']:,} steps, {facts['seconds']:,.0f} s, last loss {facts['loss']:.4f}"
        )
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]


def _recipe(name: str, training: Mapping[str, Any]) -> str:
    if "recipe" in training:
        return str(training["recipe"])
    if name == "starter-clip":
        return (
            "Symmetric contrastive loss, batches of 128 in pairs that differ in one fact, slight blur and noise on the "
            "pictures, AdamW, bfloat16 autocast, averaged weights."
        )
    text = (
        "AutoencoderKL (factor 8, 4 channels, L1 + 2 MSE + small KL); UNet and text encoder trained together with "
        "v-prediction on Stable Diffusion's noise schedule, pure noise from timestep 980 on, 10 % empty captions, "
        f"batches of {training['batch']}, first large single objects, then the whole world, one step in eight at "
        "another size from 64 to 192 pixels; Muon for matrices and AdamW for the rest, bfloat16 autocast, averaged "
        "weights."
    )
    if name == "starter-sd-small":
        text += " The autoencoder is starter-sd's; the text encoder starts from starter-sd's and is trained on."
    return text


def write_card(name: str, folder: Path) -> None:
    """Write README.md into a model folder; raises FileNotFoundError before training and measuring were done."""
    training = json.loads((folder / "training.json").read_text())
    quality, figures = read_quality(folder)
    kind = "clip" if name == "starter-clip" else "diffusion"
    how = f"Measured {quality['date']} on held-out scenes, float32, torch {quality['torch']}, {quality['machine']} CPU."
    if kind == "diffusion":
        settings = quality["settings"]
        how += (
            f" {settings['sampler']}, {settings['steps']} steps, guidance {settings['guidance_scale']}; pictures read "
            "back by `playground/scores/scene_reader.py`."
        )
    lines = [
        "---",
        "license: apache-2.0",
        "language: en",
        f"pipeline_tag: {'zero-shot-image-classification' if kind == 'clip' else 'text-to-image'}",
        "---",
        f"# {name}",
        "",
        _ABOUT[name],
        "",
        "## Data",
        training.get("data", _DATA),
        "",
        "## Recipe",
        f"{_recipe(name, training)} Weights are float16 safetensors. "
        f"`python -m playground.starter train {name}` makes the model anew, with today's data and recipe.",
        "",
        *_training_rows(training),
        "## Figures",
        how,
        "",
        *table(figures),
        "",
        "## Limits",
        _LIMITS[kind],
        "",
        "## Licence",
        "Apache-2.0.",
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines))
