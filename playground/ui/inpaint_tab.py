"""The Inpaint tab: mark a part of a picture, say what should be there, and see that the rest stayed the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
from PIL import Image

from playground.catalog import ASSETS
from playground.errors import PlaygroundError
from playground.images.masks import MASKED_CONTENT
from playground.protocol import Failed, ImageRequest, ImageStats
from playground.ui.context import AppContext
from playground.ui.image_form import sampled, sampling_fold, seed_for, seed_row
from playground.ui.image_run import Picture, paint
from playground.ui.inpaint_mask import picture_and_mask, png
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, between, one_of, owner_in, text
from playground.ui.running import Running
from playground.ui.words import empty, problem, seconds

EXAMPLE = ASSETS / "examples" / "red-circle.png"
EXAMPLE_MASK = ASSETS / "examples" / "red-circle-mask.png"
EXAMPLE_PROMPT = "a blue star on a white background"
NOTHING = empty("No result yet", "Mark a part of the picture, say what should be there, and press Inpaint.")
NO_MODEL = Failed("No model is chosen.", "Choose one under Model.", "InvalidRequest")
WAIT_FOR_CANVAS = "() => window.playgroundCanvas('inpaint_editor')"
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SETTLED: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}


@dataclass(frozen=True)
class Inpaint:
    """What other tabs need to send a picture here."""

    model: gr.Dropdown
    editor: gr.ImageMask
    upload: gr.Image
    expected: gr.State

    def receive(self, trigger: Any, chosen: gr.State) -> None:
        """Puts the chosen picture on the canvas, once the canvas is there."""

        def put(picture: Picture | None) -> Any:
            if picture is None:
                return gr.skip(), gr.skip(), gr.skip()
            return _on_canvas(Image.open(picture.path))

        shown = trigger.then(fn=None, js=WAIT_FOR_CANVAS)
        shown.then(put, chosen, [self.editor, self.upload, self.expected], **QUICK)


def _on_canvas(picture: Image.Image) -> tuple[Any, None, tuple[int, int]]:
    picture = picture.convert("RGB")
    return {"background": picture, "layers": [], "composite": None}, None, picture.size


def build_inpaint(context: AppContext, running: Running, remember: Remember) -> Inpaint:
    """Adds the tab's contents."""
    able = [c for c in context.catalog.of_kind("image") if c.can("inpaint")] or context.catalog.of_kind("image")
    ids = [card.id for card in able]
    with gr.Row(elem_id="inpaint_row", elem_classes="pg-panes"):
        with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
            editor = gr.ImageMask(
                label="Picture: paint over what should change",
                type="pil",
                format="png",
                sources=["upload", "clipboard"],
                transforms=(),
                brush=gr.Brush(default_size=24, colors=["#0b7a6b"], default_color="#0b7a6b", color_mode="fixed"),
                height=440,
                canvas_size=(512, 512),
                buttons=["fullscreen"],
                elem_id="inpaint_editor",
            )
            with gr.Row(elem_classes="pg-pills"):
                example = gr.Button("Try the example", size="sm", elem_id="inpaint_example", min_width=40)
                onward = gr.Button(
                    "Go on with the result", size="sm", elem_id="inpaint_onward", min_width=40, interactive=False
                )
            with gr.Accordion("Mask picture", open=False, elem_id="inpaint_mask_fold") as fold:
                upload = gr.Image(
                    label="Mask: white is repainted",
                    type="pil",
                    format="png",
                    image_mode=None,
                    sources=["upload", "clipboard"],
                    height=200,
                    elem_id="inpaint_mask",
                )
            status = gr.HTML(NOTHING, elem_id="inpaint_status")
            result = gr.ImageSlider(
                label="Before and after",
                type="filepath",
                format="png",
                interactive=False,
                visible=False,
                buttons=["download", "fullscreen"],
                max_height=480,
                elem_id="inpaint_result",
            )
        with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
            prompt = gr.Textbox(
                label="Prompt",
                info="The whole picture as it should be afterwards.",
                placeholder="What should be there?",
                lines=2,
                max_length=8000,
                elem_id="inpaint_prompt",
            )
            model = gr.Dropdown(
                [(card.name, card.id) for card in able],
                value=ids[0] if ids else None,
                label="Model",
                elem_id="inpaint_model",
            )
            strength = gr.Slider(
                0.05,
                1,
                1,
                step=0.05,
                label="Strength",
                info="How far from what was there; 1 starts afresh.",
                elem_id="inpaint_strength",
            )
            content = gr.Radio(
                list(MASKED_CONTENT),
                value="fill",
                label="Masked content",
                info="What the model starts from under the mask.",
                elem_id="inpaint_content",
            )
            area = gr.Radio(
                [("Whole picture", "whole"), ("Only the mask, enlarged", "masked")],
                value="whole",
                label="Area",
                info="The mask alone gives more detail in large pictures.",
                elem_id="inpaint_area",
            )
            with gr.Row():
                padding = gr.Slider(
                    0,
                    256,
                    32,
                    step=4,
                    label="Padding",
                    info="Pixels around the mask.",
                    elem_id="inpaint_padding",
                    min_width=120,
                )
                feather = gr.Slider(
                    0,
                    64,
                    4,
                    step=1,
                    label="Feather",
                    info="Soft edge in pixels.",
                    elem_id="inpaint_feather",
                    min_width=120,
                )
            seed = seed_row("inpaint", remember)
            sampling = sampling_fold("inpaint", remember)
            with gr.Row(elem_classes="pg-run-row"):
                run = gr.Button("Inpaint", variant="primary", elem_id="inpaint_run", elem_classes="pg-run", scale=3)
                stop = gr.Button(
                    "Stop", elem_id="inpaint_stop", elem_classes="pg-stop", interactive=False, min_width=80
                )
    expected = gr.State(None)
    made = gr.State(None)
    remember.keep("inpaint.prompt", prompt, text)
    remember.keep("inpaint.model", model, one_of(ids))
    remember.keep("inpaint.strength", strength, between(0.05, 1))
    remember.keep("inpaint.content", content, one_of(MASKED_CONTENT))
    remember.keep("inpaint.area", area, one_of(["whole", "masked"]))
    remember.keep("inpaint.padding", padding, between(0, 256))
    remember.keep("inpaint.feather", feather, between(0, 64))

    async def start(
        drawn: dict[str, Any] | None,
        mask: Image.Image | None,
        size: tuple[int, int] | None,
        prompt: str,
        model: str,
        strength: float,
        content: str,
        area: str,
        padding: int,
        feather: int,
        seed: float | None,
        fresh: bool,
        own: bool,
        steps: int,
        guidance: float,
        sampler: str,
        schedule: str,
        state: Any,
        request: gr.Request,
    ) -> AsyncIterator[Any]:
        session = str(request.session_hash)
        skip = gr.skip()
        if not model:
            yield problem(NO_MODEL), gr.update(visible=False), skip, skip, skip, skip
            return
        try:
            picture, white = await asyncio.to_thread(picture_and_mask, drawn, mask, size)
        except PlaygroundError as error:
            yield problem(Failed.of(error)), gr.update(visible=False), skip, skip, skip, skip
            return
        used = seed_for(seed, fresh)
        wanted = ImageRequest(
            model,
            prompt,
            "inpaint",
            seed=used,
            image=png(picture),
            mask=png(white),
            strength=float(strength),
            masked_content=content,
            area=area,
            padding=int(padding),
            feather=int(feather),
            owner=owner_of(request, owner_in(state)),
            **sampled(own, steps, guidance, sampler, schedule),
        )
        token = running.start(session, "inpaint")
        done: Picture | None = None
        stats: ImageStats | None = None
        try:
            yield skip, gr.update(visible=False), None, used, gr.update(interactive=True), gr.update(interactive=False)
            async with aclosing(paint(context, [context.catalog[model]], wanted, token)) as updates:
                async for now in updates:
                    done, stats = (now.pictures[-1] if now.pictures else None), now.stats
                    yield now.status, skip, skip, skip, skip, skip
            stopped = token.cancelled
        finally:
            running.finish(session, "inpaint", token)
        idle, onwards = gr.update(interactive=False), gr.update(interactive=done is not None)
        if done is None:
            yield empty("Stopped", "No picture was finished.") if stopped else skip, skip, None, skip, idle, onwards
            return
        slider = gr.update(value=(picture, done.path), visible=True)
        yield now.status + verdict(done, stats), slider, done, skip, idle, onwards

    fields = [
        editor,
        upload,
        expected,
        prompt,
        model,
        strength,
        content,
        area,
        padding,
        feather,
        *seed.inputs,
        *sampling.inputs,
        remember.state,
    ]
    run.click(start, fields, [status, result, made, seed.number, stop, onward], **SETTLED)

    def stop_run(request: gr.Request) -> None:
        running.stop(str(request.session_hash), "inpaint")

    def show_example() -> Any:
        value, _, size = _on_canvas(Image.open(EXAMPLE))
        return value, Image.open(EXAMPLE_MASK).convert("L"), size, EXAMPLE_PROMPT, gr.update(open=True)

    stop.click(stop_run, **QUICK)
    example.click(fn=None, js=WAIT_FOR_CANVAS).then(
        show_example, None, [editor, upload, expected, prompt, fold], **QUICK
    )
    gr.on([editor.upload, editor.clear], lambda: None, None, expected, **QUICK)
    inpaint = Inpaint(model, editor, upload, expected)
    inpaint.receive(onward.click(fn=None, js="() => window.scrollTo({top: 0})"), made)
    return inpaint


def verdict(picture: Picture, stats: ImageStats | None) -> str:
    """The figures of the run, and what the check of the unmasked pixels found."""
    parts = [picture.caption]
    if stats is not None and stats.outside_identical is not None:
        parts.append("Outside the mask: identical" if stats.outside_identical else "Outside the mask: changed")
    if stats is not None and stats.load_s >= 0.1:
        parts.append(f"loaded in {seconds(stats.load_s)}")
    good = stats is not None and stats.outside_identical
    first, *rest = parts
    chips = "".join(
        f'<span class="pg-chip{" pg-good" if good and i == 0 else ""}">{escape(p)}</span>' for i, p in enumerate(rest)
    )
    return f'<div class="pg-verdict"><span class="pg-figures">{escape(first)}</span>{chips}</div>'
