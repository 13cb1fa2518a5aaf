"""The picture functions of the public API, and blind battles.

Each returns the gallery, model by model, and a list of rows in the same order. Annotations are live here, since gradio
reads the return hint of each function as an object.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.images.adapter_use import checked_uses
from playground.protocol import AdapterUse, CancelToken, Done, Failed, Image, ImageRequest, ImageStats
from playground.ui.api_files import downloadable, uploaded
from playground.ui.api_shared import model_ids, sentence, told
from playground.ui.context import AppContext
from playground.ui.outputs import keep_image
from playground.ui.owner import owner_of

DEFAULT_IMAGE = ["starter-sd"]


def register_images(context: AppContext) -> None:
    """Adds the picture functions to the Blocks that are being built."""

    async def text_to_image(  # type: ignore[misc]  # gradio wants the hint of one yield
        prompt: str = "",
        models: list[str] = DEFAULT_IMAGE,
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        seed: int | None = None,
        batch_size: int = 1,
        guidance_rescale: float = 0.0,
        eta: float | None = None,
        variation_seed: int | None = None,
        variation_strength: float = 0.0,
        clip_skip: int = 1,
        adapters: list | None = None,
        hires_scale: float = 0.0,
        hires_method: str = "latent",
        hires_steps: int | None = None,
        hires_strength: float = 0.6,
        hires_sampler: str | None = None,
        hires_schedule: str | None = None,
        tiling: bool = False,
        vae_tiling: bool = False,
        styles: list[str] | None = None,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> tuple[list[dict], list[dict]]:
        """Pictures from a sentence: the gallery, and a list with model, seed, size, seconds and parameters of each.

        `adapters`: LoRAs of /adapters, as "name:0.8" or {"name", "unet", "text_encoder"}.
        """
        wanted = ImageRequest(
            "", prompt, "text_to_image", negative_prompt, width, height, steps, guidance_scale, sampler, schedule, seed
        )
        wanted = replace(
            wanted,
            batch_size=batch_size,
            guidance_rescale=guidance_rescale,
            eta=eta,
            variation_seed=variation_seed,
            variation_strength=variation_strength,
            clip_skip=clip_skip,
            adapters=_uses(adapters),
            hires_scale=hires_scale,
            hires_method=hires_method,
            hires_steps=hires_steps,
            hires_strength=hires_strength,
            hires_sampler=hires_sampler,
            hires_schedule=hires_schedule,
            tiling=tiling,
            vae_tiling=vae_tiling,
        )
        if styles:
            wanted = await asyncio.to_thread(_styled, context, wanted, styles)
        async for result in paint_all(context, models, wanted, request):
            yield result

    async def image_to_image(  # type: ignore[misc]  # gradio wants the hint of one yield
        prompt: str = "",
        models: list[str] = DEFAULT_IMAGE,
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        seed: int | None = None,
        batch_size: int = 1,
        image: dict | None = None,
        strength: float = 0.75,
        guidance_rescale: float = 0.0,
        eta: float | None = None,
        clip_skip: int = 1,
        adapters: list | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> tuple[list[dict], list[dict]]:
        """Pictures made over from a picture: `strength` 0 keeps it, 1 starts anew."""
        wanted = ImageRequest(
            "", prompt, "image_to_image", negative_prompt, width, height, steps, guidance_scale, sampler, schedule, seed
        )
        wanted = _with_files(wanted, image=image)
        wanted = replace(wanted, batch_size=batch_size, strength=strength, guidance_rescale=guidance_rescale, eta=eta)
        wanted = replace(wanted, clip_skip=clip_skip, adapters=_uses(adapters))
        async for result in paint_all(context, models, wanted, request):
            yield result

    async def inpaint(  # type: ignore[misc]  # gradio wants the hint of one yield
        prompt: str = "",
        models: list[str] = DEFAULT_IMAGE,
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        seed: int | None = None,
        batch_size: int = 1,
        image: dict | None = None,
        mask: dict | None = None,
        strength: float = 1.0,
        feather: int = 4,
        masked_content: str = "original",
        area: str = "whole",
        padding: int = 32,
        guidance_rescale: float = 0.0,
        eta: float | None = None,
        clip_skip: int = 1,
        adapters: list | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> tuple[list[dict], list[dict]]:
        """Repaints the white part of `mask`; pixels outside it come back bit-identical."""
        wanted = ImageRequest(
            "", prompt, "inpaint", negative_prompt, width, height, steps, guidance_scale, sampler, schedule, seed
        )
        wanted = _with_files(wanted, image=image, mask=mask)
        wanted = replace(
            wanted,
            batch_size=batch_size,
            strength=strength,
            feather=feather,
            masked_content=masked_content,
            area=area,
            padding=padding,
            guidance_rescale=guidance_rescale,
            eta=eta,
            clip_skip=clip_skip,
            adapters=_uses(adapters),
        )
        async for result in paint_all(context, models, wanted, request):
            yield result

    async def style_transfer(  # type: ignore[misc]  # gradio wants the hint of one yield
        content: dict | None = None,
        style: dict | None = None,
        prompt: str = "",
        models: list[str] = DEFAULT_IMAGE,
        strength: float = 0.5,
        style_strength: float = 0.6,
        seed: int | None = None,
        steps: int | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> tuple[list[dict], list[dict]]:
        """The content picture in the colours and contrasts of the style picture."""
        wanted = ImageRequest("", prompt, "style_transfer", steps=steps, seed=seed)
        wanted = replace(_with_files(wanted, image=content, style=style), strength=strength)
        wanted = replace(wanted, style_strength=style_strength)
        async for result in paint_all(context, models, wanted, request):
            yield result

    async def read_metadata(image: dict | None = None) -> dict:
        """The generation parameters that a picture carries, as JSON; empty where it carries none."""
        from playground.images.metadata import read_metadata as read

        try:
            data = uploaded(image, "picture")
            return await asyncio.to_thread(read, data) if data is not None else {}
        except PlaygroundError as error:
            raise told(error) from None

    for function in (text_to_image, image_to_image, inpaint, style_transfer, read_metadata):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _styled(context: AppContext, wanted: ImageRequest, names: Any) -> ImageRequest:
    from playground.images.styles import styled

    try:
        return styled(wanted, names, context.settings.data_path)
    except PlaygroundError as error:
        raise told(error) from None


async def paint_all(
    context: AppContext, models: Any, wanted: ImageRequest, request: gr.Request | None
) -> AsyncIterator[tuple[list[dict], list[dict]]]:
    """Runs one picture request on each model with one seed; yields (gallery, rows) after each model."""
    ids = model_ids(models, context, "image")
    owner = owner_of(request, "")
    gallery: list[dict] = []
    rows: list[dict] = []
    seed = wanted.seed
    cancel = CancelToken()
    try:
        for model in ids:
            # A fresh seed is drawn by the first model and kept for the rest, so that they can be compared.
            asked = replace(wanted, model=model, owner=owner, seed=seed, preview_every=0)
            made: list[Image] = []
            async for event in context.engine.submit(asked, cancel):
                if isinstance(event, Image):
                    made.append(event)
                    seed = made[0].seed if seed is None else seed
                elif isinstance(event, Failed):
                    rows.append(_row(model, error=sentence(event)))
                elif isinstance(event, Done) and isinstance(event.stats, ImageStats):
                    for image in made:
                        try:
                            path = await asyncio.to_thread(keep_image, context, owner, asked, image, event.stats)
                        except PlaygroundError as error:
                            rows.append(_row(model, error=str(error)))
                            continue
                        gallery.append({"image": downloadable(path), "caption": f"{model}, seed {image.seed}"})
                        rows.append(_row(model, image, event.stats))
            yield gallery, rows
    finally:
        cancel.cancel()


def _row(model: str, image: Image | None = None, stats: ImageStats | None = None, error: str = "") -> dict[str, Any]:
    return {
        "model": model,
        "seed": image.seed if image else None,
        "width": image.width if image else None,
        "height": image.height if image else None,
        "seconds": stats.seconds_per_image if stats else None,
        "parameters": image.parameters if image else "",
        "outside_identical": stats.outside_identical if stats else None,
        "error": error,
    }


def _uses(adapters: Any) -> tuple[AdapterUse, ...]:
    try:
        return checked_uses(adapters)
    except PlaygroundError as error:
        raise told(error) from None


def _with_files(wanted: ImageRequest, **files: Any) -> ImageRequest:
    names = {"image": "picture", "mask": "mask", "style": "style picture"}
    try:
        return replace(wanted, **{key: uploaded(value, names[key]) for key, value in files.items()})  # type: ignore[arg-type]
    except PlaygroundError as error:
        raise told(error) from None
