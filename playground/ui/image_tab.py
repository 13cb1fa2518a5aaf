"""The Text to image tab: one prompt and one seed on several models, live previews, and everything made before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.ui.api_image_jobs import register_image_jobs
from playground.ui.context import AppContext
from playground.ui.gallery_tab import GalleryTab, build_gallery
from playground.ui.image_adapters import AdapterFold
from playground.ui.image_advanced import advanced_fold
from playground.ui.image_drop import Drop
from playground.ui.image_form import OWN_SIZE, sampling_fold, seed_row, size_choices
from playground.ui.image_hires import refine_fold
from playground.ui.image_jobs import QUICK, Jobs, buttons, results
from playground.ui.image_run import Picture
from playground.ui.image_styles import Styles
from playground.ui.inpaint_tab import Inpaint
from playground.ui.prompt_count import wire_count
from playground.ui.remember import Remember, between, one_of, some_of, text
from playground.ui.running import Running
from playground.ui.words import empty

EXAMPLES = (
    "a red circle on a white background",
    "a blue star on a yellow background",
    "a big green triangle on a black background",
    "a purple heart left of an orange square on a white background",
)
NOTHING = empty("No pictures yet", "Write a prompt, or click one of the examples on the left: it runs at once.")


@dataclass(frozen=True)
class ImageTab:
    """What the page needs of this tab to connect it with the others."""

    models: gr.Dropdown
    chosen: gr.State
    inpaint_this: gr.Button
    kept: GalleryTab
    jobs: Jobs

    def wire(self, page: gr.Blocks, ready: Any, tabs: gr.Tabs, inpaint: Inpaint) -> None:
        """Fills the gallery and finds running jobs on load, and sends a chosen picture to the Inpaint tab."""
        self.kept.refresh(ready.then)
        self.jobs.resume(ready)
        for button, chosen in ((self.inpaint_this, self.chosen), (self.kept.inpaint_this, self.kept.picture)):
            opened = button.click(
                lambda picture: gr.update(selected="inpaint") if picture else gr.skip(), chosen, tabs, **QUICK
            )
            inpaint.receive(opened, chosen)


def build_images(context: AppContext, running: Running, remember: Remember) -> ImageTab:
    """Adds the tab's contents."""
    cards = context.catalog.of_kind("image")
    ids = [card.id for card in cards]
    first = [i for i in ("starter-sd", "starter-sd-small") if i in ids] or ids[:1]
    with gr.Row(elem_id="image_row", elem_classes="pg-panes"):
        with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
            prompt = gr.Textbox(
                label="Prompt",
                placeholder="What should be in the picture?",
                info="(word:1.3) weighs more, [word] less; BREAK, AND, [a:b:0.5] and {a|b} work too.",
                lines=2,
                max_length=8000,
                elem_id="image_prompt",
            )
            tokens = gr.HTML("", elem_id="image_tokens", elem_classes="pg-maybe")
            with gr.Row(elem_classes="pg-pills", elem_id="image_examples"):
                examples = [
                    gr.Button(e, size="sm", min_width=40, elem_id=f"image_example_{i}") for i, e in enumerate(EXAMPLES)
                ]
            negative = gr.Textbox(
                label="Negative prompt",
                info="What should not be in it.",
                lines=1,
                max_length=8000,
                elem_id="image_negative",
            )
            models = gr.Dropdown(
                [(card.name, card.id) for card in cards],
                value=first,
                multiselect=True,
                label="Models",
                info="All get the same prompt and seed.",
                elem_id="image_models",
            )
            with gr.Row():
                sizes = size_choices(context.catalog)
                size = gr.Dropdown(sizes, value=OWN_SIZE, label="Size", elem_id="image_size", min_width=140)
                number = gr.Slider(1, 8, 1, step=1, label="Count", elem_id="image_count", min_width=140)
            seed = seed_row("image", remember)
            sampling = sampling_fold("image", remember)
            more = advanced_fold("image", sampling, remember)
            loras = AdapterFold(context, prompt, models, remember)
            refine = refine_fold("image", remember)
            styling = Styles(context, remember)
            drop = Drop()
            row = buttons()
        with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
            shown = results(NOTHING, lambda: _gallery("image_gallery", "Pictures of this run", visible=False))
            chosen, inpaint_this = _details()
    form = {
        "prompt": prompt,
        "negative": negative,
        "models": models,
        "size": size,
        "number": number,
        "seed": seed.number,
        "fresh": seed.fresh,
        "own": sampling.own,
        "steps": sampling.steps,
        "guidance": sampling.guidance,
        "sampler": sampling.sampler,
        "schedule": sampling.schedule,
        "rescale": more.rescale,
        "eta": more.eta,
        "variation_seed": more.variation_seed,
        "variation_strength": more.variation_strength,
        "clip_skip": more.clip_skip,
        "adapters": loras.chosen,
        **refine.form,
    }
    styling.wire(form)
    form |= {"styles": styling.chosen}
    wire_count(context, prompt, models, tokens, remember.state)
    drop.wire(context, running, remember, form, sizes)
    kept = build_gallery(context, running, remember, form, sizes)
    _keep(remember, prompt, negative, models, size, number, ids, [value for _, value in sizes])

    # --- events ---

    jobs = Jobs(context, form, remember.state, row, shown)
    jobs.wire()
    for k, example in enumerate(examples):
        filled = example.click(fn=None, js=f"() => {EXAMPLES[k]!r}", outputs=prompt)
        jobs.starts(filled.then)
    kept.refresh(shown.finished.change)
    register_image_jobs(context, jobs.lines)
    shown.gallery.select(_choose, shown.rows, [chosen.state, chosen.box, chosen.parameters, chosen.download], **QUICK)
    return ImageTab(models, chosen.state, inpaint_this, kept, jobs)


@dataclass(frozen=True)
class Details:
    """What is said of the picture that was clicked."""

    state: gr.State
    box: gr.Column
    parameters: gr.Textbox
    download: gr.DownloadButton


def _details() -> tuple[Details, gr.Button]:
    with gr.Column(visible=False, elem_id="image_details", elem_classes="pg-details") as box:
        parameters = gr.Textbox(
            label="Parameters", lines=2, max_lines=8, interactive=False, buttons=["copy"], elem_id="image_parameters"
        )
        with gr.Row():
            inpaint_this = gr.Button("Inpaint this", size="sm", elem_id="image_inpaint_this", min_width=80)
            download = gr.DownloadButton("Download PNG", size="sm", elem_id="image_download", min_width=80)
    return Details(gr.State(None), box, parameters, download), inpaint_this


def _choose(pictures: list[Picture], event: gr.SelectData) -> Any:
    index = event.index if isinstance(event.index, int) else -1
    if not 0 <= index < len(pictures):
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()
    picture = pictures[index]
    return picture, gr.update(visible=True), picture.parameters, gr.update(value=picture.path)


def _gallery(elem_id: str, label: str, visible: bool, columns: int = 3) -> gr.Gallery:
    return gr.Gallery(
        label=label,
        show_label=False,
        elem_id=elem_id,
        columns=columns,
        height="auto",
        fit_columns=False,
        object_fit="contain",
        format="png",
        interactive=False,
        visible=visible,
        buttons=["download", "fullscreen"],
    )


def _keep(
    remember: Remember,
    prompt: Any,
    negative: Any,
    models: Any,
    size: Any,
    number: Any,
    ids: list[str],
    sizes: list[str],
) -> None:
    remember.keep("image.prompt", prompt, text)
    remember.keep("image.negative", negative, text)
    remember.keep("image.models", models, some_of(ids))
    remember.keep("image.size", size, one_of(sizes))
    remember.keep("image.count", number, between(1, 8))
