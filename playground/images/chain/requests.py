"""Steps that need a model as requests to the engine, and what can be checked of them before anything runs."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image

from playground.catalog import Catalog, ModelCard
from playground.errors import InvalidRequest, PlaygroundError
from playground.images.chain.document import Chain, at
from playground.images.chain.items import Item
from playground.images.chain.settings import picture_bytes
from playground.images.chain.steps import Generate, ImageToImage, Inpaint, SecondPass, Step, Style
from playground.images.pictures import open_picture, rgb_picture
from playground.images.pipelines import class_for
from playground.images.request import SIDE_STEP, checked_image, side_limits
from playground.protocol import ImageRequest

MOST_PICTURES = 64
PREVIEW_EVERY = 2


def check(chain: Chain, catalog: Catalog, pictures: int | None = None) -> None:
    """Checks a parsed chain against the models there are, and against how many pictures it is to begin with.

    Raises:
        InvalidRequest: a model, sampler or size does not fit; the sentence has the step's number and name.
    """
    for number, step in enumerate(chain.steps, 1):
        try:
            _check_step(step, catalog)
        except PlaygroundError as error:
            raise at(number, step.do, InvalidRequest(error.message, error.hint)) from None
    if pictures is None:
        return
    if pictures > MOST_PICTURES:
        raise InvalidRequest(f"A chain takes at most {MOST_PICTURES} pictures, got {pictures}.", "Run it in parts.")
    if chain.begins_with_pictures and not pictures:
        raise InvalidRequest(
            "The chain begins with a picture, and there is none.", "Add one, or put a Generate step first."
        )
    if not chain.begins_with_pictures and pictures:
        raise InvalidRequest(
            "The chain makes its own pictures, so that the ones handed in would not be used.",
            "Take them out, or the Generate step.",
        )


def request_for(step: Step, item: Item | None, card: ModelCard, owner: str) -> ImageRequest:
    """The request that a step comes to; `item` is the picture that it changes, None for a Generate step.

    Raises:
        InvalidRequest: a mask or style picture cannot be read, or the picture is too large for the model.
    """
    if isinstance(step, Generate):
        return ImageRequest(
            card.id, step.prompt, "text_to_image", step.negative_prompt, step.width, step.height, step.steps,
            step.guidance_scale, step.sampler, step.schedule, step.seed, step.count, preview_every=PREVIEW_EVERY,
            owner=owner, tiling=step.tiling,
        )  # fmt: skip
    assert item is not None
    seed: int | None = getattr(step, "seed", None)
    base = ImageRequest(
        card.id,
        getattr(step, "prompt", "") or item.prompt,
        step.kind,  # type: ignore[arg-type]  # one of the four
        getattr(step, "negative_prompt", "") or item.negative_prompt,
        seed=item.seed if seed is None else seed,
        image=item.png,
        preview_every=PREVIEW_EVERY,
        owner=owner,
    )
    if isinstance(step, ImageToImage | Inpaint):
        base = replace(
            base,
            strength=step.strength,
            steps=step.steps,
            guidance_scale=step.guidance_scale,
            sampler=step.sampler,
            schedule=step.schedule,
        )
    if isinstance(step, Inpaint):
        mask = fitted_mask(step.mask, item.png)
        return replace(base, mask=mask, feather=step.feather, masked_content=step.masked_content)
    if isinstance(step, Style):
        style = picture_bytes("style", step.style)
        return replace(base, style=style, strength=step.strength, style_strength=step.style_strength, steps=step.steps)
    if isinstance(step, SecondPass):
        width, height = _pass_size(item.png, card)
        return replace(
            base,
            width=width,
            height=height,
            strength=1.0,
            guidance_scale=step.guidance_scale,
            hires_scale=step.scale,
            hires_method=step.method,
            hires_steps=step.steps,
            hires_strength=step.strength,
            sampler=step.sampler,
            schedule=step.schedule,
        )
    return base


def card_for(step: Step, item: Item | None, catalog: Catalog) -> ModelCard:
    """The model of a step: its own, else the one that the picture has from before.

    Raises:
        InvalidRequest: neither names one.
        UnknownModel: there is none of this id.
    """
    model = getattr(step, "model", "") or (item.model if item is not None else "")
    if not model:
        raise InvalidRequest("no model is chosen, and the picture does not say which one made it.", "Choose one.")
    card = catalog[model]
    if card.kind != "image":
        raise InvalidRequest(f"{card.name} makes no pictures.", "Choose an image model.")
    return card


def fitted_mask(text: str, png: bytes) -> bytes:
    """The mask at the size of the picture, as PNG; all white where there is none."""
    size = rgb_picture(png).size
    data = picture_bytes("mask", text)
    if not data:
        mask = Image.new("L", size, 255)
    else:
        mask = open_picture(data, "mask").convert("L").resize(size, Image.Resampling.NEAREST)
    out = io.BytesIO()
    mask.save(out, "PNG")
    return out.getvalue()


def _pass_size(png: bytes, card: ModelCard) -> tuple[int, int]:
    """The picture's own size in whole latent cells."""
    low, high = side_limits(card)
    width, height = rgb_picture(png).size
    if max(width, height) > high:
        raise InvalidRequest(
            f"the picture is {width}x{height}, and {card.name} takes sides up to {high}.", "Upscale it later instead."
        )
    first, second = (max(round(side / SIDE_STEP) * SIDE_STEP, low) for side in (width, height))
    return first, second


def _check_step(step: Step, catalog: Catalog) -> None:
    if not step.kind:
        return
    if isinstance(step, Generate) and not step.prompt.strip():
        raise InvalidRequest("the prompt is empty.", "Describe the picture in a few words.")
    if isinstance(step, Inpaint) and step.mask:
        open_picture(picture_bytes("mask", step.mask), "mask")
    if isinstance(step, Style):
        if not step.style:
            raise InvalidRequest("there is no style picture.", "Add one.")
        rgb_picture(picture_bytes("style", step.style), "style picture")
    if not getattr(step, "model", ""):
        return
    card = card_for(step, None, catalog)
    if card.model_class:
        class_for(card.model_class, step.kind)
    # What is known of the request without its picture is checked as that of a picture from text is.
    blank = Item("", b"")
    known = request_for(step, blank, card, "") if not isinstance(step, Inpaint | Style | SecondPass) else None
    if known is None:
        known = ImageRequest(card.id, "-", steps=getattr(step, "steps", None))
        known = replace(
            known,
            guidance_scale=getattr(step, "guidance_scale", None),
            sampler=getattr(step, "sampler", None),
            schedule=getattr(step, "schedule", None),
        )
    checked_image(replace(known, kind="text_to_image", image=None, prompt=known.prompt or "-"), card)
