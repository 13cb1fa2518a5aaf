"""The advanced settings of pictures from text: guidance rescale, eta, CLIP skip, and variations of one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.images.samplers import samplers, takes_eta
from playground.ui.image_form import MOST_SEED, Sampling
from playground.ui.remember import Remember, between


@dataclass(frozen=True)
class Advanced:
    """The fold's controls; eta can be moved only while the chosen sampler has it."""

    rescale: gr.Slider
    eta: gr.Slider
    variation_seed: gr.Number
    variation_strength: gr.Slider
    clip_skip: gr.Slider

    @property
    def inputs(self) -> list[Any]:
        """In the order that `advanced` takes their values."""
        return [self.rescale, self.eta, self.variation_seed, self.variation_strength, self.clip_skip]


def advanced_fold(prefix: str, sampling: Sampling, remember: Remember) -> Advanced:
    """Adds the fold; `prefix` begins its elem_ids and keys."""
    taking = " and ".join(name for name in samplers() if takes_eta(name))
    with gr.Accordion("Variations, rescale, eta and CLIP skip", open=False, elem_id=f"{prefix}_advanced"):
        strength = gr.Slider(
            0,
            1,
            0,
            step=0.05,
            label="Variation strength",
            info="0: the seed's own picture. A little more: close relatives of it, one for each of Count.",
            elem_id=f"{prefix}_variation_strength",
        )
        seed = gr.Number(
            None,
            label="Variation seed",
            info="Which relative. Empty: a new one each time.",
            precision=0,
            minimum=0,
            maximum=MOST_SEED,
            elem_id=f"{prefix}_variation_seed",
        )
        rescale = gr.Slider(
            0,
            1,
            0,
            step=0.05,
            label="Guidance rescale",
            info="Takes back the burnt colours of a high guidance scale; 0.7 is usual.",
            elem_id=f"{prefix}_rescale",
        )
        eta = gr.Slider(
            0,
            1,
            0,
            step=0.05,
            label="Eta",
            info=f"Fresh noise in each step, for {taking} only.",
            elem_id=f"{prefix}_eta",
            interactive=False,
        )
        clip_skip = gr.Slider(
            1,
            12,
            1,
            step=1,
            label="CLIP skip",
            info="1: the text encoder's last layer. 2, as some checkpoints were trained: the one before it.",
            elem_id=f"{prefix}_clip_skip",
        )

    def fit(own: bool, sampler: str) -> Any:
        return gr.update(interactive=not own and takes_eta(sampler))

    gr.on(
        [sampling.own.change, sampling.sampler.change],
        fit,
        [sampling.own, sampling.sampler],
        eta,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    for key, part in (("rescale", rescale), ("eta", eta), ("variation_strength", strength)):
        remember.keep(f"{prefix}.{key}", part, between(0, 1))
    remember.keep(f"{prefix}.variation_seed", seed, between(0, MOST_SEED, empty=True))
    remember.keep(f"{prefix}.clip_skip", clip_skip, between(1, 12))
    return Advanced(rescale, eta, seed, strength, clip_skip)


def advanced(
    own: bool,
    sampler: str,
    rescale: float,
    eta: float,
    variation_seed: float | None,
    variation_strength: float,
    clip_skip: int,
) -> dict[str, Any]:
    """The fields of an ImageRequest that the fold sets; eta only where it can be moved."""
    return {
        "guidance_rescale": float(rescale),
        "eta": float(eta) if eta and not own and takes_eta(sampler) else None,
        "variation_seed": None if variation_seed is None else int(variation_seed),
        "variation_strength": float(variation_strength),
        "clip_skip": int(clip_skip),
    }
