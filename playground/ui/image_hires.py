"""The settings of the second pass and of tiling on the form of Text to image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.images.hires import METHODS
from playground.images.samplers import samplers
from playground.ui.remember import Remember, between, flag, one_of

SAME = "As in the first pass"


@dataclass(frozen=True)
class Refine:
    """The fold's controls; a scale of 1 means that there is no second pass."""

    scale: gr.Slider
    method: gr.Dropdown
    steps: gr.Slider
    strength: gr.Slider
    sampler: gr.Dropdown
    tiling: gr.Checkbox
    vae_tiling: gr.Checkbox

    @property
    def inputs(self) -> list[Any]:
        """In the order that `refined` takes their values."""
        return [self.scale, self.method, self.steps, self.strength, self.sampler, self.tiling, self.vae_tiling]

    @property
    def form(self) -> dict[str, Any]:
        """By the names that `image_recall.filled` and presets call them."""
        names = ("hires_scale", "hires_method", "hires_steps", "hires_strength", "hires_sampler")
        return dict(zip((*names, "tiling", "vae_tiling"), self.inputs, strict=True))


def refine_fold(prefix: str, remember: Remember) -> Refine:
    """Adds the fold; `prefix` begins its elem_ids and keys."""
    names = [SAME, *samplers()]
    with gr.Accordion("Second pass and tiling", open=False, elem_id=f"{prefix}_refine"):
        scale = gr.Slider(
            1,
            4,
            1,
            step=0.25,
            label="Second pass, scale",
            info="1: none. The model draws the enlarged picture out once more.",
            elem_id=f"{prefix}_hires_scale",
        )
        strength = gr.Slider(
            0.05,
            1,
            0.6,
            step=0.05,
            label="Its strength",
            info="0.3 keeps the composition; latent needs 0.5 or more.",
            elem_id=f"{prefix}_hires_strength",
        )
        method = gr.Dropdown(list(METHODS), value="latent", label="Enlarged as", elem_id=f"{prefix}_hires_method")
        steps = gr.Slider(
            0,
            150,
            0,
            step=1,
            label="Its steps",
            info="0: as many as the first.",
            elem_id=f"{prefix}_hires_steps",
        )
        sampler = gr.Dropdown(names, value=SAME, label="Its sampler", elem_id=f"{prefix}_hires_sampler")
        with gr.Row():
            tiling = gr.Checkbox(
                False, label="Tiling", info="The picture continues over its edges.", elem_id=f"{prefix}_tiling"
            )
            vae_tiling = gr.Checkbox(
                False, label="Decode in tiles", info="Less memory for large pictures.", elem_id=f"{prefix}_vae_tiling"
            )
    remember.keep(f"{prefix}.hires_scale", scale, between(1, 4))
    remember.keep(f"{prefix}.hires_strength", strength, between(0.05, 1))
    remember.keep(f"{prefix}.hires_method", method, one_of(METHODS))
    remember.keep(f"{prefix}.hires_steps", steps, between(0, 150))
    remember.keep(f"{prefix}.hires_sampler", sampler, one_of(names))
    remember.keep(f"{prefix}.tiling", tiling, flag)
    remember.keep(f"{prefix}.vae_tiling", vae_tiling, flag)
    return Refine(scale, method, steps, strength, sampler, tiling, vae_tiling)


def refined(
    scale: float, method: str, steps: int, strength: float, sampler: str, tiling: bool, vae_tiling: bool
) -> dict[str, Any]:
    """The fields of an ImageRequest that the fold sets."""
    found: dict[str, Any] = {"tiling": bool(tiling), "vae_tiling": bool(vae_tiling)}
    if not scale or scale <= 1:
        return found
    return found | {
        "hires_scale": float(scale),
        "hires_method": method,
        "hires_steps": int(steps) or None,
        "hires_strength": float(strength),
        "hires_sampler": None if sampler == SAME else sampler,
    }
