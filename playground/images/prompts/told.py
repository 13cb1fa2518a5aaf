"""Tells a pipeline what to paint: embeddings for the Stable Diffusion families, plain text for all others."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from playground.images.prompts.composed import ComposedUnet
from playground.images.prompts.conditioning import Conditioning
from playground.images.prompts.encode import Encoder
from playground.images.prompts.prepared import Prepared
from playground.images.prompts.steps import plain_text
from playground.images.watch import check
from playground.models.loaded import LoadedImage
from playground.protocol import CancelToken, Event, ImageRequest, Notice


def condition(
    pipeline: Any, loaded: LoadedImage, request: ImageRequest, prompts: tuple[Prepared, ...], cancel: CancelToken
) -> dict[str, Any]:
    """Arguments of the pipeline's call, one row of embeddings a picture.

    Where embeddings change from step to step or parts are joined, the pipeline's UNet is put behind a `ComposedUnet`.

    Raises:
        InvalidRequest: a prompt is too long, or `clip_skip` too large for the model.
    """
    assert request.steps is not None, "the request must come from checked_image"
    steps = request.steps if request.kind == "text_to_image" else int(request.steps * request.strength)
    zeros = bool(pipeline.config.get("force_zeros_for_empty_prompt", False))
    encoder = Encoder(pipeline, loaded.device, request.clip_skip)
    found = Conditioning(encoder, prompts, steps, zero_negative=zeros, check=lambda: check(cancel))
    if found.needs_wrapper:
        pipeline.unet = ComposedUnet(pipeline.unet, found, pipeline, steps)
    return found.options()


def model_text(
    pipeline: Any, name: str, request: ImageRequest, prompts: tuple[Prepared, ...], emit: Callable[[Event], None]
) -> dict[str, Any]:
    """The same for a pipeline that reads plain text; says what of the request it cannot take."""
    texts = [plain_text(one.positive) for one in prompts]
    negatives = [plain_text(one.unwanted) for one in prompts]
    alike = len(set(zip(texts, negatives, strict=True))) == 1
    options: dict[str, Any] = {
        "prompt": texts[0] if alike else texts,
        "num_images_per_prompt": request.batch_size if alike else 1,
    }
    if any(negatives):
        if "negative_prompt" in inspect.signature(pipeline.__call__).parameters:
            options["negative_prompt"] = negatives[0] if alike else negatives
        else:
            emit(Notice(f"{name} takes no negative prompt, so it was left out."))
    if request.clip_skip != 1:
        emit(Notice(f"clip_skip {request.clip_skip} does not apply to {name} and is left out."))
    return options
