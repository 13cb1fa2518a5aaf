"""The controls of the Grid section, in the order in which they stand. Knows no events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.images.grid.axes import AXES
from playground.images.grid.plan import PLACES
from playground.ui.context import AppContext
from playground.ui.grid_run import FORMS, image_models
from playground.ui.grid_view import NOTHING
from playground.ui.image_advanced import Advanced, advanced_fold
from playground.ui.image_form import OWN_SIZE, Sampling, Seed, sampling_fold, seed_row, size_choices
from playground.ui.remember import Remember
from playground.ui.scores_tab import DELEGATE

DEFAULTS = (("Steps", "2, 4, 8"), ("Guidance", "1-7 (+3)"), ("", ""))


@dataclass(frozen=True)
class AxisRow:
    """One axis: what it varies, its values, and the button that fills in all of them."""

    name: gr.Dropdown
    values: gr.Textbox
    all: gr.Button


class Layout:
    """Everything on the page of the section."""

    prompt: gr.Textbox
    negative: gr.Textbox
    models: gr.Dropdown
    size: gr.Dropdown
    seed: Seed
    sampling: Sampling
    advanced: Advanced
    axes: list[AxisRow]

    def __init__(self, context: AppContext, remember: Remember) -> None:
        with gr.Row(elem_id="grid_row", elem_classes="pg-panes"):
            with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
                self._form(context, remember)
            with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
                self._results()
        self.shown = gr.State("")  # the grid that the table shows
        self.opened = gr.State(None)  # the cell that is open

    @property
    def fields(self) -> list[Any]:
        """In the order in which `grid_tab` reads them."""
        axes = [part for row in self.axes for part in (row.name, row.values)]
        rest = [*self.seed.inputs, *self.sampling.inputs, *self.advanced.inputs]
        return [self.prompt, self.negative, self.models, self.size, *axes, *rest]

    def _form(self, context: AppContext, remember: Remember) -> None:
        models = image_models(context)
        first = [model for model in ("starter-sd",) if model in models] or list(models)[:1]
        self.prompt = gr.Textbox(
            label="Prompt", placeholder="What should be in every picture?", lines=2, max_length=8000,
            elem_id="grid_prompt",
        )  # fmt: skip
        with gr.Row(elem_classes="pg-pills"):
            self.example = gr.Button("Example", size="sm", min_width=40, elem_id="grid_example")
        self.negative = gr.Textbox(
            label="Negative prompt", info="What should not be in them.", lines=1, max_length=8000,
            elem_id="grid_negative",
        )  # fmt: skip
        self.models = gr.Dropdown(
            [(name, model) for model, name in models.items()], value=first, multiselect=True, label="Models",
            info="Several are an axis of their own.", elem_id="grid_models",
        )  # fmt: skip
        self.axes = [self._axis(place, *given) for place, given in zip(PLACES, DEFAULTS, strict=True)]
        self.line = gr.HTML("", elem_id="grid_line", elem_classes="pg-maybe")
        self.size = gr.Dropdown(size_choices(context.catalog), value=OWN_SIZE, label="Size", elem_id="grid_size")
        self.seed = seed_row("grid", remember)
        self.sampling = sampling_fold("grid", remember)
        self.advanced = advanced_fold("grid", self.sampling, remember)
        self.scored = gr.Checkbox(
            True, label="Measure CLIPScore", info="How well each picture fits its prompt, by the shipped CLIP model.",
            elem_id="grid_scored",
        )  # fmt: skip
        with gr.Row(elem_classes="pg-run-row"):
            self.run = gr.Button("Run", variant="primary", elem_id="grid_run", elem_classes="pg-run", scale=3)
            self.stop = gr.Button(
                "Stop", elem_id="grid_stop", elem_classes="pg-stop", interactive=False, min_width=80
            )  # fmt: skip
            self.resume = gr.Button("Resume", elem_id="grid_resume", interactive=False, min_width=80)

    def _axis(self, place: str, name: str, values: str) -> AxisRow:
        key = place.lower()
        with gr.Row(elem_classes="pg-axis-row"):
            dropdown = gr.Dropdown(
                [("Nothing", ""), *((axis, axis) for axis in AXES)], value=name, label=place, min_width=110, scale=3,
                elem_id=f"grid_{key}",
            )  # fmt: skip
            text = gr.Textbox(
                values, label=f"Values of {place}", placeholder=AXES[name].example if name else "",
                lines=1, max_lines=4, max_length=8000, min_width=110, scale=4, elem_id=f"grid_{key}_values",
            )  # fmt: skip
            fill = gr.Button(
                "All", size="sm", min_width=44, scale=0, interactive=False, elem_id=f"grid_{key}_all",
                elem_classes="pg-axis-all",
            )  # fmt: skip
        return AxisRow(dropdown, text, fill)

    def _results(self) -> None:
        small: dict[str, Any] = {"size": "sm", "min_width": 72}
        self.status = gr.HTML("", elem_id="grid_status", elem_classes="pg-maybe")
        self.table = gr.HTML(NOTHING, elem_id="grid_table", js_on_load=DELEGATE)
        with gr.Row(visible=False, elem_id="grid_files", elem_classes="pg-buttons") as self.files:
            self.download = [
                gr.Button(form.upper(), elem_id=f"grid_{form}", **small) for form in FORMS
            ]  # fmt: skip
        self.file = gr.File(label="Download", visible=False, interactive=False, elem_id="grid_download")
        with gr.Row(visible=False, elem_id="grid_cell", elem_classes="pg-panes pg-gallery-one") as self.cell:
            with gr.Column(scale=5, min_width=240):
                self.large = gr.Image(
                    label="Picture", show_label=False, type="filepath", interactive=False,
                    buttons=["download", "fullscreen"], elem_id="grid_large",
                )  # fmt: skip
            with gr.Column(scale=5, min_width=240, elem_classes="pg-results"):
                self.about = gr.HTML("", elem_id="grid_about")
                with gr.Row(elem_classes="pg-buttons"):
                    self.as_a = gr.Button("Compare as A", elem_id="grid_as_a", **small)
                    self.as_b = gr.Button("Compare as B", elem_id="grid_as_b", **small)
                    self.keep = gr.Button("Into the gallery", elem_id="grid_keep", **small)
                    self.close = gr.Button("Close", elem_id="grid_close", **small)
                self.said = gr.HTML("", elem_id="grid_said", elem_classes="pg-maybe")
        with gr.Column(visible=False, elem_id="grid_compare", elem_classes="pg-details") as self.compare:
            gr.HTML('<h2 class="pg-h2">Compare two cells</h2>', elem_id="grid_compare_title")
            with gr.Row():
                self.first = gr.Dropdown([], label="A", info="Left of the slider.", elem_id="grid_a", min_width=140)
                self.second = gr.Dropdown([], label="B", info="Right of the slider.", elem_id="grid_b", min_width=140)
            self.slider = gr.ImageSlider(
                label="A and B", show_label=False, type="filepath", format="png", interactive=False, visible=False,
                buttons=["fullscreen"], max_height=512, elem_id="grid_slider",
            )  # fmt: skip
            self.differs = gr.HTML("", elem_id="grid_differs", elem_classes="pg-maybe")
        gr.HTML('<h2 class="pg-h2">Earlier grids</h2>', elem_id="grid_past_title")
        self.past = gr.HTML("", elem_id="grid_past", elem_classes="pg-maybe", js_on_load=DELEGATE)
