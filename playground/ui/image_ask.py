"""The form of Text to image as a request, from its controls' values by the names that recall and presets use, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playground.images.styles import styled
from playground.protocol import ImageRequest
from playground.ui.image_adapters import uses_of
from playground.ui.image_advanced import advanced
from playground.ui.image_form import sampled, seed_for, sized
from playground.ui.image_hires import refined


def asked(
    form: Mapping[str, Any], owner: str, data_path: Path, *, kept_seed: bool = False
) -> tuple[ImageRequest, tuple[str, ...]]:
    """The request of the form's values, and the models that it goes to. `kept_seed` takes the shown seed anyway.

    The styles that are chosen are read from their files below `data_path`.

    Raises:
        PlaygroundError: a style is not there or cannot be read, or the list of LoRAs is none.
    """

    def of(*names: str) -> list[Any]:
        return [form[name] for name in names]

    own, sampler, seed = of("own", "sampler", "seed")
    wanted = ImageRequest(
        "",
        form["prompt"],
        "text_to_image",
        form["negative"],
        seed=seed_for(seed, form["fresh"] and not (kept_seed and seed is not None)),
        batch_size=int(form["number"]),
        owner=owner,
        **sized(form["size"]),
        **sampled(own, *of("steps", "guidance", "sampler", "schedule")),
        **advanced(own, sampler, *of("rescale", "eta", "variation_seed", "variation_strength", "clip_skip")),
        **refined(*of("hires_scale", "hires_method", "hires_steps", "hires_strength", "hires_sampler", "tiling",
                      "vae_tiling")),
        adapters=uses_of(form["adapters"]),
    )  # fmt: skip
    return styled(wanted, list(form["styles"] or []), data_path), tuple(form["models"] or ())
