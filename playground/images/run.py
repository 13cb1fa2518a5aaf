"""Runs one checked picture request on a loaded model and emits what happens. Knows nothing of pools or pages.

The shared components are only read: each run has a pipeline object and a scheduler of its own, works in latents, and
decodes pictures one by one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from playground.errors import ModelUnavailable, OutOfMemory
from playground.images import latents as lat
from playground.images import masks, noise
from playground.images.adapters import NONE, Picked, Used, Worn
from playground.images.advanced import call_options, stride, varied, with_variation
from playground.images.canvas import Canvas, canvas_for
from playground.images.hires import final_size
from playground.images.memory import Plan, smaller, tiled
from playground.images.metadata import text_of, write_png
from playground.images.pictures import rgb_picture
from playground.images.pipelines import class_for, is_latent_family
from playground.images.preview_kept import previewer
from playground.images.prompts.prepared import Prepared, notices, prepared
from playground.images.prompts.told import condition, model_text
from playground.images.record import record_of
from playground.images.request import side_limits
from playground.images.samplers import build_scheduler
from playground.images.second_pass import SecondPass, after, following
from playground.images.tiling import decoded, seamless
from playground.images.watch import Skipped, Span, Watch, check
from playground.models.loaded import LoadedImage
from playground.models.loads import is_out_of_memory
from playground.protocol import CancelToken, Event, ImageRequest, ImageStats, Notice
from playground.protocol import Image as Picture

Emit = Callable[[Event], None]


def paint(
    loaded: LoadedImage,
    request: ImageRequest,
    cancel: CancelToken,
    emit: Emit,
    plan: Plan | None = None,
    relieve: Callable[[], bool] = lambda: False,
    wildcards: Path | None = None,
    picked: Picked = NONE,
    previews: Path | None = None,
) -> ImageStats:
    """Pictures for a checked request: Step events, then one Image event per picture, in order.

    Picture i has seed + i and the same noise as a single picture with that seed, however many are made at once; of
    variations it has the same seed and variation_seed + i. Style transfer is image-to-image from latents moved towards
    the style picture's mean and spread per channel (AdaIN, arXiv 1703.06868). `ImageStats.steps` counts sampler steps,
    Step events count model calls, of which some samplers need more. Where memory runs out, `relieve` is called and the
    rest made once more with the smallest plan; what was finished is kept. Variants in a prompt are chosen by each
    picture's own seed; `wildcards` is the folder of wildcard files, `previews` that of preview maps. `picked` are each
    picture's adapters, for which the model must be leased alone.

    Raises:
        Cancelled: within one model call of the user's stop.
        ModelUnavailable: this pipeline class cannot do this kind of request.
        OutOfMemory: the device has no room even then.
        PlaygroundError: the model produced numbers that are not finite.
    """
    started = time.perf_counter()
    request = with_variation(request)
    assert request.steps is not None, "the request must come from checked_image"
    seed = secrets.randbelow(2**32 - 8) if request.seed is None else request.seed
    apart = stride(request)
    prompts = prepared(request.prompt, request.negative_prompt, seed, request.batch_size, wildcards, apart)
    picked.check(prompts)
    for text in notices(prompts, loaded.card.name, reads_syntax=is_latent_family(loaded.pipeline_class.__name__)):
        emit(Notice(text))
    check(cancel)
    canvas = None if request.kind == "text_to_image" else canvas_for(request, loaded.card)
    if canvas is not None and request.hires_scale:
        canvas = replace(canvas, output=final_size(canvas.work, request.hires_scale, side_limits(loaded.card)))
    plan = plan or Plan(request.batch_size)
    plan = replace(plan, tiled=plan.tiled or request.vae_tiling)
    used: list[Any] = []  # the schedulers of the parts so far
    same: list[bool] = []  # whether each picture is as it was outside the mask
    done, short, again = 0, False, False
    tiles = seamless(loaded.components["unet"]) if request.tiling else nullcontext()
    with torch.inference_mode(), tiles, Worn(loaded, picked, emit) as worn:
        while done < request.batch_size:
            try:
                own = worn.put_on(prompts, done, plan.batch)
                count = len(own)
                part = varied(replace(request, batch_size=count), done)
                span = Span(done, count, request.batch_size)
                for painted in _painted(
                    loaded, part, own, canvas, seed + apart * done, cancel, emit, plan, span, used, previews
                ):
                    check(cancel)
                    result = painted if canvas is None else canvas.finished(painted, request.feather)
                    same.append(canvas is None or _same_outside(canvas, result))
                    emit(_event(loaded, request, prompts[done], canvas, result, done, seed, used[-1], worn.now))
                    done += 1
            except Skipped:
                done += count
                emit(Notice("One picture was skipped." if count == 1 else f"{count} pictures were skipped."))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                short = True
            if short:  # outside the handler, whose traceback would keep the tensors alive
                less = smaller(plan)
                if again or less is None:
                    raise _no_room(loaded, request, plan)
                relieve()
                plan, short, again = less, False, True
                emit(Notice(f"Memory ran out, so the rest is made {less.way}."))
    seconds = time.perf_counter() - started
    steps = request.steps if canvas is None else int(request.steps * request.strength)
    if request.hires_scale:
        steps = (request.hires_steps or 0) + (steps if canvas is None else 0)
    identical = all(same) if same and canvas is not None and canvas.mask is not None else None
    return ImageStats(seconds, seconds / max(1, len(same)), steps, seed, outside_identical=identical)


def _same_outside(canvas: Canvas, result: Image.Image) -> bool:
    return canvas.mask is None or masks.outside_is_identical(canvas.picture, result, canvas.mask)


def _event(
    loaded: LoadedImage,
    request: ImageRequest,
    prompts: Prepared,
    canvas: Canvas | None,
    result: Image.Image,
    index: int,
    seed: int,
    scheduler: Any,
    adapters: tuple[Used, ...],
) -> Picture:
    """A finished picture as a PNG that tells how it was made."""
    work = None if canvas is None else canvas.work
    own = replace(varied(request, index), prompt=prompts.prompt, negative_prompt=prompts.negative)
    seed += stride(request) * index
    size = result.size
    if request.hires_scale and work is None:  # as A1111 has it: the size that the first pass was asked for
        size = (request.width or result.width, request.height or result.height)
    record = record_of(loaded, own, seed, index, size, work, scheduler, adapters)
    record |= prompts.templates(request.prompt, request.negative_prompt)
    text = text_of(record)
    return Picture(index, write_png(result, text, record), seed, result.width, result.height, text)


def _no_room(loaded: LoadedImage, request: ImageRequest, plan: Plan) -> OutOfMemory:
    size = f"{request.width}x{request.height}" if request.width and request.height else "its picture"
    return OutOfMemory(
        f"{loaded.card.name} ran out of memory on {loaded.device} at {size}, {plan.in_words()}.",
        "Choose a smaller size, or unload another model.",
    )


def _pipeline(loaded: LoadedImage, request: ImageRequest) -> Any:
    import diffusers

    own = loaded.pipeline_class
    wanted = class_for(own.__name__, request.kind)
    pipeline: Any = loaded.pipeline(own if wanted == own.__name__ else getattr(diffusers, wanted))
    pipeline.scheduler = build_scheduler(request.sampler or "", request.schedule or "", pipeline.scheduler)
    return pipeline


def _painted(
    loaded: LoadedImage,
    request: ImageRequest,
    prompts: tuple[Prepared, ...],
    canvas: Canvas | None,
    seed: int,
    cancel: CancelToken,
    emit: Emit,
    plan: Plan,
    span: Span,
    used: list[Any],
    previews: Path | None,
) -> Iterator[Image.Image]:
    """Yields the model's own pictures, one by one, at the size that it worked at; tells its scheduler to `used`."""
    pipeline = _pipeline(loaded, request)
    used.append(pipeline.scheduler)
    if plan.tiled:
        pipeline.vae = tiled(pipeline.vae)
    width, height = (request.width or 0, request.height or 0) if canvas is None else canvas.work
    family = is_latent_family(type(pipeline).__name__)
    sources = noise.generators(seed, request.batch_size, stride(request))
    options: dict[str, Any] = {
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance_scale,
        "generator": sources,
    }
    options |= call_options(request, pipeline)
    colours = previewer(pipeline.vae, previews) if family and request.preview_every else None
    second = None
    if request.hires_scale:
        final = final_size((width, height), request.hires_scale, side_limits(loaded.card))
        second = SecondPass(_pipeline, loaded, request, prompts, final, plan)
        if canvas is not None:
            latents = _start(pipeline, request, canvas, seed)["image"]
            latents = second.run(latents, seed, cancel, emit, span, colours)
            yield from _decoded(second.pipeline, request, plan, latents, emit)
            return
        span = after(span, second.calls)
    if family:
        options |= condition(pipeline, loaded, request, prompts, cancel)
    else:
        options |= model_text(pipeline, loaded.card.name, request, prompts, emit)
    if canvas is None or canvas.mask is not None:
        options |= {"width": width, "height": height}
    if canvas is not None:
        options |= {"strength": request.strength} | _start(pipeline, request, canvas, seed)
    elif family:
        shape = (pipeline.unet.config.in_channels, height // _factor(pipeline), width // _factor(pipeline))
        options["latents"] = _noise(request, shape, sources, pipeline.unet.dtype, loaded.device)
    watch = Watch(emit, cancel, request.preview_every, colours, (width, height), span)
    watch.attach(pipeline)
    if not family:
        yield from pipeline(**options, output_type="pil").images
        return
    latents = pipeline(**options, output_type="latent").images
    if second is not None:
        latents = second.run(latents, seed, cancel, emit, following(span, watch.calls), colours)
        pipeline = second.pipeline
    yield from _decoded(pipeline, request, plan, latents, emit)


def _decoded(
    pipeline: Any, request: ImageRequest, plan: Plan, latents: torch.Tensor, emit: Emit
) -> Iterator[Image.Image]:
    """The pictures of latents, one by one."""
    for one in latents.split(1):
        pixels = decoded(pipeline.vae, one, tiling=request.tiling, in_tiles=plan.tiled)
        yield _checked_safe(pipeline, pixels, emit)


def _noise(request: ImageRequest, shape: tuple[int, int, int], sources: Any, dtype: Any, device: str) -> torch.Tensor:
    if not request.variation_strength:
        return noise.initial_latents(shape, sources, dtype, device)
    seed = request.variation_seed or 0
    return noise.varied_latents(shape, sources, dtype, device, seed, request.variation_strength)


def _start(pipeline: Any, request: ImageRequest, canvas: Canvas, seed: int) -> dict[str, Any]:
    """What an image-to-image or inpainting pipeline starts from, as latents, so that the shared VAE stays as it is."""
    vae, count = pipeline.vae, request.batch_size
    dtype = pipeline.unet.dtype

    def encoded(picture: Image.Image) -> torch.Tensor:
        return lat.to_latents(vae, [picture]).to(dtype)

    first = encoded(canvas.work_picture(fill=request.masked_content == "fill"))
    if canvas.mask is None:
        if request.kind == "style_transfer" and request.style is not None:
            style = rgb_picture(request.style, "style picture").resize(canvas.work, Image.Resampling.LANCZOS)
            first = lat.moved_towards(first, encoded(style), request.style_strength)
        return {"image": first.repeat(count, 1, 1, 1)}
    if pipeline.unet.config.in_channels not in (4, 9):
        raise ModelUnavailable(
            f"A network of {pipeline.unet.config.in_channels} input channels cannot inpaint.", "Choose another model."
        )
    factor = _factor(pipeline)
    mask = canvas.work_mask(factor)
    latent_mask = torch.from_numpy(_coarse(mask, factor)).to(first.device, dtype)  # (h, w), 1 = repaint
    first = first.repeat(count, 1, 1, 1)
    if request.masked_content == "latent nothing":
        first = first * (1 - latent_mask)
    elif request.masked_content == "latent noise":
        # From generators of its own, so that the sampler's noise is the same whatever the masked content.
        sources = noise.generators(seed + 2**32, count)
        shape = (first.shape[1], first.shape[2], first.shape[3])
        drawn = noise.initial_latents(shape, sources, dtype, str(first.device))
        first = first * (1 - latent_mask) + drawn * latent_mask
    hidden = first
    if pipeline.unet.config.in_channels == 9:
        grey = Image.new("RGB", canvas.work, (127, 127, 127))
        hidden = encoded(Image.composite(grey, canvas.work_picture(), mask)).repeat(count, 1, 1, 1)
    return {"image": first, "mask_image": mask, "masked_image_latents": hidden}


def _coarse(mask: Image.Image, factor: int) -> Any:
    import numpy as np

    return (np.asarray(mask)[::factor, ::factor] > 127).astype(np.float32)


def _factor(pipeline: Any) -> int:
    return int(pipeline.vae_scale_factor)


def _checked_safe(pipeline: Any, pixels: torch.Tensor, emit: Emit) -> Image.Image:
    """The picture, through the checkpoint's own safety checker where it has one."""
    flagged = False
    if getattr(pipeline, "safety_checker", None) is not None:
        pixels, found = pipeline.run_safety_checker(pixels, pixels.device, pixels.dtype)
        flagged = bool(found and any(found))
    if flagged:
        emit(Notice("The model's own safety checker took this picture out; it is black."))
    return pipeline.image_processor.postprocess(pixels, output_type="pil", do_denormalize=[not flagged])[0]
