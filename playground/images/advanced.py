"""The advanced settings of sampling: guidance rescale, eta and variations; their checks, and who takes them.

No torch at import; knows no page.
"""

from __future__ import annotations

import inspect
import secrets
from dataclasses import replace
from typing import Any

from playground.errors import InvalidRequest
from playground.images.pipelines import is_latent_family
from playground.images.samplers import samplers, takes_eta
from playground.protocol import ImageRequest


def check_advanced(request: ImageRequest, model_class: str) -> None:
    """Refuses what the request's sampler, guidance or kind would silently leave out; values are in range already.

    Raises:
        InvalidRequest: the setting would change nothing.
    """
    if request.eta is not None and not takes_eta(request.sampler or ""):
        taking = ", ".join(name for name in samplers() if takes_eta(name))
        raise InvalidRequest(
            f"{request.sampler} takes no eta, got {request.eta:g}.", f"Leave eta empty, or use one of {taking}."
        )
    if request.guidance_rescale and (request.guidance_scale or 0) <= 1:
        raise InvalidRequest(
            f"guidance_rescale {request.guidance_rescale:g} does nothing at guidance_scale "
            f"{request.guidance_scale or 0:g}, which is not guided.",
            "Use a guidance_scale above 1, or a guidance_rescale of 0.",
        )
    if request.variation_strength and request.kind != "text_to_image":
        raise InvalidRequest(
            f"variation_strength {request.variation_strength:g} is for pictures from text alone.",
            "Set it to 0, or change strength or seed instead.",
        )
    if request.variation_strength and model_class and not is_latent_family(model_class):
        raise InvalidRequest(
            f"variation_strength {request.variation_strength:g} is not possible for a {model_class}, which draws its "
            "own noise.",
            "Set it to 0.",
        )


def with_variation(request: ImageRequest) -> ImageRequest:
    """The request with a variation seed drawn where one is needed and none is given."""
    if not request.variation_strength or request.variation_seed is not None:
        return request
    return replace(request, variation_seed=secrets.randbelow(2**32 - 8))


def stride(request: ImageRequest) -> int:
    """By how much the seed grows from one picture of a request to the next.

    0 for variations, of which each has the same seed and a variation seed one higher than the last, as A1111 has it:
    four pictures are then four relatives of one.
    """
    return 0 if request.variation_strength else 1


def varied(request: ImageRequest, index: int) -> ImageRequest:
    """The request of pictures from `index` on, by their own variation seed."""
    if not request.variation_strength:
        return request
    return replace(request, variation_seed=(request.variation_seed or 0) + index)


def call_options(request: ImageRequest, pipeline: Any) -> dict[str, Any]:
    """Arguments of the pipeline's call for eta and guidance rescale; none where they are not set.

    Raises:
        InvalidRequest: this pipeline does not have one that is set.
    """
    accepted = inspect.signature(pipeline.__call__).parameters
    options: dict[str, Any] = {}
    if request.eta is not None:
        options["eta"] = request.eta
    if request.guidance_rescale:
        options["guidance_rescale"] = request.guidance_rescale
    for name, value in options.items():
        if name not in accepted:
            raise InvalidRequest(
                f"A {type(pipeline).__name__} takes no {name}, got {value:g}.",
                f"Leave {name} out, or choose another model or kind of picture.",
            )
    return options
