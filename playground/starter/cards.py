"""Write the model card (README.md) of a starter image model from training.json and quality.json; no figure by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ABOUT = {
    "starter-sd": "A small Stable Diffusion of our own: text to 128x128 pictures of one or two coloured shapes.",
    "starter-sd-small": "The smaller, faster sibling of starter-sd, less exact: something to compare it with.",
    "starter-clip": "A small CLIP of our own for scenes of coloured shapes, 128x128.",
}
_DATA = """Scenes rendered by the code of this project (`playground/starter/scenes.py`, `render.py`, `captions.py`): one
or two of 10 shapes in 10 colours on a solid background, with captions of varying wording. One in ten (colour, shape,
background) triples is kept out of all training by a hash of its names. Nothing was downloaded, no other model used."""
_LIMITS = {
    "diffusion": "It knows the words of its captions and nothing else: no photographs, no counting beyond two, English "
    "only. Two objects and their relation are the hardest; thin outlines come out soft.",
    "clip": "It compares scenes of this world only, trained on rendered pictures and never on generated ones. It says "
    "nothing about photographs.",
}


def _table(rows: Mapping[str, object]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]


def _training_rows(training: Mapping[str, Any]) -> dict[str, str]:
    rows = {f"parameters, {part}": f"{count:,}" for part, count in training["parameters"].items()}
    rows["parameters, all"] = f"{sum(training['parameters'].values()):,}"
    for stage, facts in training["stages"].items():
        rows[f"training, {stage}"] = (
            f"{facts['steps']:,} steps, {facts['seconds']:,.0f} s, last loss {facts['loss']:.4f}"
        )
    return rows


def _diffusion_lines(quality: Mapping[str, Any]) -> list[str]:
    settings = quality["settings"]
    lines = [
        f"Measured {quality['date']} with {settings['sampler']}, {settings['steps']} steps, guidance "
        f"{settings['guidance_scale']}, float32, torch {quality['torch']}, CPU {quality['machine']}, "
        f"{quality['threads']} thread(s); pictures read back by `playground/starter/reader.py` from their pixels.",
        "",
        "| prompts | n | background right | colour right | both | shape right | place right |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, row in quality["shares"].items():
        shares = " | ".join(f"{row[key]:.0%}" for key in ("background", "colour", "both", "shape", "place"))
        lines.append(f"| {kind.replace('_', '-')} | {row['count']} | {shares} |")
    extra = {
        "autoencoder, held-out scenes": f"{quality['vae_db']} dB",
        "seconds a picture": quality["seconds_per_picture"],
    }
    return [*lines, "", *_table(extra)]


def _clip_lines(quality: Mapping[str, Any]) -> list[str]:
    rows = {
        "picture to caption, right of 100": f"{quality['image_to_text_of_100']:.1%}",
        "caption to picture, right of 100": f"{quality['text_to_image_of_100']:.1%}",
        "shape of held-out scenes, right of 10": f"{quality['held_out_shape_of_10']:.1%}",
    }
    return [f"Measured {quality['date']}, float32, torch {quality['torch']}.", "", *_table(rows)]


def _unlearned(kind: str, quality: Mapping[str, Any]) -> str:
    """Say in words which figures are so low that the thing counts as not learned."""
    if kind == "clip":
        weak = [("shapes", quality["held_out_shape_of_10"])]
    else:
        shares = quality["shares"]
        weak = [("shapes", shares["seen"]["shape"]), ("places away from the centre", shares["placed"]["place"])]
    names = [f"{name} ({share:.0%} right)" for name, share in weak if share < 0.5]
    return f"Not learned yet in this short training: {' and '.join(names)}. " if names else ""


def write_card(name: str, folder: Path) -> None:
    """Write README.md into a model folder; raises FileNotFoundError before training and measuring were done."""
    training = json.loads((folder / "training.json").read_text())
    quality = json.loads((folder / "quality.json").read_text())
    kind = "clip" if name == "starter-clip" else "diffusion"
    recipe = (
        "Symmetric contrastive loss, batches of 128 in pairs that differ in one shape or colour, slight blur and noise "
        "on the pictures, AdamW, bfloat16 autocast, averaged weights."
        if kind == "clip"
        else f"AutoencoderKL (factor 8, 4 channels, L1 + 2 MSE + small KL); UNet and text encoder trained together "
        f"from scratch with v-prediction on Stable Diffusion's noise schedule, pure noise from timestep 980 on, 10 % "
        f"empty captions, batches of {training['batch']}, Muon for matrices and AdamW for the rest, bfloat16 autocast "
        f"on CPU, averaged weights."
    )
    if name == "starter-sd-small":
        recipe += " The autoencoder is starter-sd's; the text encoder starts from starter-sd's and is trained on."
    if "history" in training:
        recipe += f" This run: {training['history']}."
    measured = _clip_lines(quality) if kind == "clip" else _diffusion_lines(quality)
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
        _DATA,
        "",
        "## Recipe",
        recipe + f" Weights are float16 safetensors. Made again by `python -m playground.starter train {name}`.",
        "",
        *_table(_training_rows(training)),
        "## Figures",
        *measured,
        "## Limits",
        _unlearned(kind, quality) + _LIMITS[kind],
        "",
        "## Licence",
        "Apache-2.0.",
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines))
