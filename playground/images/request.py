"""Checks a picture request before anything is loaded: defaults from the card, ranges, names and pictures.

Knows limits and words, no torch. What comes in may be raw API input of any type.
"""

from __future__ import annotations

import math
from dataclasses import replace

from playground.catalog import ModelCard
from playground.errors import InvalidRequest
from playground.images import masks, pipelines, samplers
from playground.images.adapter_use import checked_uses
from playground.images.advanced import check_advanced
from playground.images.hires import checked_hires
from playground.images.pictures import open_picture
from playground.protocol import ImageRequest

STEPS = (1, 150)
GUIDANCE = (0.0, 30.0)
BATCH = (1, 8)
SEED = (0, 2**32 - 1)
SIDE = (64, 2048)
STARTER_SIDE = (64, 512)  # a model trained on 128 pixels only repeats itself on larger ones
SIDE_STEP = 8
MAX_PROMPT = 20_000
CLIP_SKIP = (1, 12)
KINDS = ("text_to_image", "image_to_image", "inpaint", "style_transfer")
AREAS = ("whole", "masked")


def side_limits(card: ModelCard) -> tuple[int, int]:
    """The smallest and largest side in pixels that the card's model is asked for."""
    return STARTER_SIDE if card.native_size is not None and card.native_size <= 128 else SIDE


def checked_image(request: ImageRequest, card: ModelCard) -> ImageRequest:
    """The request with the card's defaults filled in; seed -1 becomes None (a fresh one).

    For kinds that start from a picture, an unset width or height stays None: the picture's own size decides.

    Raises:
        InvalidRequest: one value is wrong; the sentence has the value and the range.
        ModelUnavailable: the card's model cannot do this kind of request.
    """
    if request.kind not in KINDS:
        raise InvalidRequest(f"There is no kind of request {request.kind!r}.", f"Use one of {', '.join(KINDS)}.")
    if card.model_class:
        pipelines.class_for(card.model_class, request.kind)
    steps = _whole("steps", _or(request.steps, card.defaults.steps, 20), STEPS)
    sampler, schedule = _sampler(request, card, steps)
    width, height = _size(request, card)
    checked = replace(
        request,
        prompt=_text("prompt", request.prompt, required=request.kind in ("text_to_image", "inpaint")),
        negative_prompt=_text("negative prompt", request.negative_prompt, required=False),
        steps=steps,
        guidance_scale=_number(
            "guidance_scale", _or(request.guidance_scale, card.defaults.guidance_scale, 5), GUIDANCE
        ),
        sampler=sampler,
        schedule=schedule,
        width=width,
        height=height,
        seed=_seed("seed", request.seed),
        batch_size=_whole("batch_size", request.batch_size, BATCH),
        strength=_number("strength", request.strength, (0.0, 1.0)),
        style_strength=_number("style_strength", request.style_strength, (0.0, 1.0)),
        feather=_whole("feather", request.feather, (0, 64)),
        padding=_whole("padding", request.padding, (0, 256)),
        preview_every=_whole("preview_every", request.preview_every, (0, STEPS[1])),
        guidance_rescale=_number("guidance_rescale", request.guidance_rescale, (0.0, 1.0)),
        eta=None if request.eta is None else _number("eta", request.eta, (0.0, 1.0)),
        variation_seed=_seed("variation_seed", request.variation_seed),
        variation_strength=_number("variation_strength", request.variation_strength, (0.0, 1.0)),
        clip_skip=_whole("clip_skip", request.clip_skip, CLIP_SKIP),
        adapters=checked_uses(request.adapters),
    )
    check_advanced(checked, card.model_class)
    checked = checked_hires(checked, card, side_limits(card))
    check_tiling(checked, card.model_class)
    if checked.kind != "text_to_image":
        _check_pictures(checked)
        if int(steps * checked.strength) < 1:
            raise InvalidRequest(
                f"strength {checked.strength:g} of {steps} steps leaves no step to run.",
                f"Use a strength of at least {math.ceil(1000 / steps) / 1000:g}, or more steps.",
            )
    return checked


def _seed(name: str, value: object) -> int | None:
    return None if value is None or value == -1 else _whole(name, value, SEED)


def _sampler(request: ImageRequest, card: ModelCard, steps: int) -> tuple[str, str]:
    names = samplers.samplers(card.model_class)
    sampler = _or(request.sampler, card.defaults.sampler, names[0] if len(names) == 1 else "DPM++ 2M")
    sampler = samplers.SYNONYMS.get(str(sampler), sampler)
    if sampler not in names:
        fits = "" if len(names) > 1 else f" for {card.name}"
        near = ", ".join(samplers.closest(sampler, names))
        raise InvalidRequest(f"There is no sampler {sampler!r}{fits}.", f"Try {near}.")
    limit = samplers.sampler_row(sampler).max_steps
    if steps > limit:
        raise InvalidRequest(f"steps must be {STEPS[0]} to {limit} with sampler {sampler}, got {steps}.")
    schedules = samplers.schedules_of(sampler, card.model_class)
    # The card's own schedule belongs to the card's own sampler; another sampler may not have it.
    card_schedule = card.defaults.schedule if card.defaults.schedule in schedules else None
    schedule = _or(request.schedule, card_schedule, "Automatic")
    every = tuple(dict.fromkeys(s for name in samplers.samplers() for s in samplers.schedules_of(name)))
    if schedule not in every:
        near = ", ".join(samplers.closest(schedule, schedules))
        raise InvalidRequest(f"There is no schedule {schedule!r}.", f"Try {near}.")
    if schedule not in schedules:
        raise InvalidRequest(
            f"{sampler} has no schedule {schedule!r}.", f"It has {', '.join(schedules)}; choose one of these."
        )
    return sampler, schedule


def _size(request: ImageRequest, card: ModelCard) -> tuple[int | None, int | None]:
    from_text = request.kind == "text_to_image"
    native = card.native_size or 512
    width = _or(request.width, card.defaults.width if from_text else None, native if from_text else None)
    height = _or(request.height, card.defaults.height if from_text else None, native if from_text else None)
    return _side("width", width, card), _side("height", height, card)


def _side(name: str, value: object, card: ModelCard) -> int | None:
    if value is None:
        return None
    limits = side_limits(card)
    side = _whole(name, value, limits, unit=f" pixels for {card.name}")
    if side % SIDE_STEP:
        near = min(max(round(side / SIDE_STEP) * SIDE_STEP, limits[0]), limits[1])
        raise InvalidRequest(f"{name} must be a multiple of {SIDE_STEP}, got {side}.", f"Try {near}.")
    return side


def check_tiling(request: ImageRequest, model_class: str) -> None:
    """Refuses tiling where it would change nothing, and styles that are no names."""
    for name in ("tiling", "vae_tiling"):
        value = getattr(request, name)
        if not isinstance(value, bool):
            raise InvalidRequest(f"{name} must be true or false, got {value!r}.")
        if value and model_class and not pipelines.is_latent_family(model_class):
            raise InvalidRequest(f"{name} is not possible for a {model_class}.", f"Switch {name} off.")
    if request.tiling and request.kind == "inpaint":
        raise InvalidRequest("A repainted part cannot tile, since the rest stays as it is.", "Switch tiling off.")
    if not isinstance(request.styles, tuple) or not all(isinstance(name, str) for name in request.styles):
        raise InvalidRequest(f"styles must be a list of names, got {request.styles!r}.")
    _text("prompt without its styles", request.typed_prompt, required=False)
    _text("negative prompt without its styles", request.typed_negative_prompt, required=False)


def _check_pictures(request: ImageRequest) -> None:
    if request.image is None:
        raise InvalidRequest("There is no picture to start from.", "Add a picture.")
    image = open_picture(request.image)
    if request.kind == "style_transfer":
        if request.style is None:
            raise InvalidRequest("There is no style picture.", "Add a picture whose style should be taken over.")
        open_picture(request.style, "style picture")
    if request.kind == "inpaint":
        _check_mask(request, _upright_size(image))


def _check_mask(request: ImageRequest, size: tuple[int, int]) -> None:
    if request.mask is None:
        raise InvalidRequest("There is no mask.", "Paint over the part that should change, or add a black-white mask.")
    mask = masks.mask_from_picture(open_picture(request.mask, "mask"))
    if mask.size != size:
        raise InvalidRequest(
            f"The mask is {mask.width}x{mask.height}, but the picture is {size[0]}x{size[1]}.",
            "Use a mask of the picture's size.",
        )
    if masks.is_empty(mask):
        raise InvalidRequest("The mask is all black: nothing to repaint.", "Paint the part to change white.")
    if request.masked_content not in masks.MASKED_CONTENT:
        near = ", ".join(masks.MASKED_CONTENT)
        raise InvalidRequest(f"masked_content must be one of {near}, got {request.masked_content!r}.")
    if request.area not in AREAS:
        raise InvalidRequest(f"area must be {' or '.join(AREAS)}, got {request.area!r}.")


def _upright_size(picture: object) -> tuple[int, int]:
    """The size after the EXIF turn that `rgb_picture` makes."""
    from PIL import Image

    assert isinstance(picture, Image.Image)
    turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (picture.height, picture.width) if turned else picture.size


def _or(*values: object) -> object:
    return next((v for v in values if v is not None), None)


def _text(name: str, value: object, *, required: bool) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"The {name} must be text, got {value!r}.")
    if required and not value.strip():
        raise InvalidRequest(f"The {name} is empty.", "Describe the picture in a few words.")
    if len(value) > MAX_PROMPT:
        raise InvalidRequest(f"The {name} has {len(value)} characters; at most {MAX_PROMPT} are taken.")
    return value


def _number(name: str, value: object, limits: tuple[float, float]) -> float:
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidRequest(f"{name} must be {low:g} to {high:g}, got {value!r}.")
    return float(value)


def _whole(name: str, value: object, limits: tuple[int, int], unit: str = "") -> int:
    low, high = limits
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or value != int(value):  # type: ignore[call-overload]
        raise InvalidRequest(f"{name} must be {low} to {high}{unit}, got {value!r}.")
    return int(value)  # type: ignore[call-overload]
