"""The second pass at a higher resolution: its settings, their checks and the request that it comes to. No torch.

A first pass at the size that the model was trained on makes the composition; its result is enlarged, as latents or as
pixels, and denoised for a part of the way once more. Other programs call it "hires fix".
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest
from playground.images import samplers
from playground.images.pipelines import is_latent_family
from playground.protocol import ImageRequest

if TYPE_CHECKING:
    from playground.catalog import ModelCard

# Our word and A1111's name of it.
METHODS = {"latent": "Latent", "lanczos": "Lanczos", "bicubic": "Bicubic", "nearest": "Nearest"}
SCALE = (1.0, 4.0)
STEPS = (1, 150)
STRENGTH = (0.05, 1.0)
_MOST_TIMESTEPS = 1000  # that the models were trained on, and a scheduler can divide
_FIELDS = tuple(f for f in fields(ImageRequest) if f.name.startswith("hires_"))


def final_size(size: tuple[int, int], scale: float, limits: tuple[int, int], step: int = 8) -> tuple[int, int]:
    """(width, height) in pixels after a second pass over a picture of `size`, rounded to whole latent cells.

    Raises:
        InvalidRequest: a side is over the larger of `limits`.
    """
    width, height = (round(side * scale / step) * step for side in size)
    if max(width, height) > limits[1]:
        most = math.floor(limits[1] / max(size) * 100) / 100
        raise InvalidRequest(
            f"hires_scale {scale:g} of {size[0]}x{size[1]} is {width}x{height}; a side may have {limits[1]} pixels.",
            f"Use a hires_scale of at most {most:g}, or a smaller picture." if most >= 1 else "Use a smaller picture.",
        )
    return width, height


def last_size(request: ImageRequest) -> tuple[int | None, int | None]:
    """The (width, height) of the request's largest pass, which decides what memory it takes; None as in the request."""
    if not request.hires_scale or request.width is None or request.height is None:
        return request.width, request.height
    return final_size((request.width, request.height), request.hires_scale, (0, 2**31))


def checked_hires(request: ImageRequest, card: ModelCard, limits: tuple[int, int]) -> ImageRequest:
    """The request with the second pass's own defaults filled in; with all of its fields at theirs where it is off.

    Steps default to the first pass's; so does the sampler, and the schedule where the sampler honours it.

    Raises:
        InvalidRequest: a value is out of range, or the kind of request or the model has no second pass.
    """
    scale = _number("hires_scale", request.hires_scale, (0.0, SCALE[1]))
    if not scale:
        unset: dict[str, Any] = {f.name: f.default for f in _FIELDS}
        return replace(request, **unset)
    if scale < SCALE[0]:
        raise InvalidRequest(f"hires_scale must be {SCALE[0]:g} to {SCALE[1]:g}, or 0 for none, got {scale:g}.")
    if request.kind not in ("text_to_image", "image_to_image"):
        raise InvalidRequest(f"A request of kind {request.kind} has no second pass.", "Set hires_scale to 0.")
    if card.model_class and not is_latent_family(card.model_class):
        raise InvalidRequest(
            f"{card.name} is a {card.model_class}, which has no second pass here.",
            "Set hires_scale to 0, or choose a Stable Diffusion 1.x, 2.x or XL model.",
        )
    if request.hires_method not in METHODS:
        raise InvalidRequest(f"hires_method must be one of {', '.join(METHODS)}, got {request.hires_method!r}.")
    if request.width is not None and request.height is not None:
        final_size((request.width, request.height), scale, limits)
    steps = _number("hires_steps", request.steps if request.hires_steps is None else request.hires_steps, STEPS)
    if steps != int(steps):
        raise InvalidRequest(f"hires_steps must be a whole number, got {steps:g}.")
    sampler, schedule = _sampler(request, card)
    checked = replace(
        request,
        hires_scale=scale,
        hires_steps=int(steps),
        hires_strength=_number("hires_strength", request.hires_strength, STRENGTH),
        hires_sampler=sampler,
        hires_schedule=schedule,
    )
    divided = pass_request(checked).steps or 0
    most = min(samplers.sampler_row(sampler).max_steps, _MOST_TIMESTEPS)
    most = _MOST_TIMESTEPS if most == STEPS[1] else most
    if divided > most:
        raise InvalidRequest(
            f"hires_steps {int(steps)} at hires_strength {checked.hires_strength:g} divides the way into {divided} "
            f"steps; {sampler} takes {most}.",
            "Use fewer hires_steps, or a greater hires_strength.",
        )
    return checked


def pass_request(request: ImageRequest) -> ImageRequest:
    """The second pass of a checked request as an image-to-image request, which runs exactly `hires_steps` steps."""
    assert request.hires_steps is not None, "the request must come from checked_hires"
    strength = request.hires_strength
    steps = math.ceil(request.hires_steps / strength)
    while int(steps * strength) < request.hires_steps:  # the product may fall short by a rounding error
        steps += 1
    return replace(
        request,
        kind="image_to_image",
        steps=steps,
        strength=strength,
        sampler=request.hires_sampler,
        schedule=request.hires_schedule,
        eta=request.eta if samplers.takes_eta(request.hires_sampler or "") else None,
    )


def _sampler(request: ImageRequest, card: ModelCard) -> tuple[str, str]:
    names = samplers.samplers(card.model_class)
    asked: Any = request.sampler if request.hires_sampler is None else request.hires_sampler
    name = samplers.SYNONYMS.get(str(asked), str(asked))
    if name not in names:
        raise InvalidRequest(
            f"There is no hires_sampler {asked!r}.", f"Try {', '.join(samplers.closest(name, names))}."
        )
    schedules = samplers.schedules_of(name, card.model_class)
    if request.hires_schedule is None:
        return name, str(request.schedule) if request.schedule in schedules else "Automatic"
    if request.hires_schedule not in schedules:
        raise InvalidRequest(
            f"{name} has no hires_schedule {request.hires_schedule!r}.", f"It has {', '.join(schedules)}; choose one."
        )
    return name, request.hires_schedule


def _number(name: str, value: object, limits: tuple[float, float]) -> float:
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidRequest(f"{name} must be {low:g} to {high:g}, got {value!r}.")
    return float(value)
