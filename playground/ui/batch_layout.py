"""What the Batches section is made of: its fields on the left, its results on the right. Knows no events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.batches.exporting import FORMS
from playground.batches.records import MAX_SEED, MOST_MODELS
from playground.batches.running import AT_ONCE, MOST_AT_ONCE
from playground.batches.similar import THRESHOLD
from playground.ui.context import AppContext
from playground.ui.scores_tab import DELEGATE
from playground.ui.words import empty

NOTHING = empty(
    "No answers yet",
    "Paste prompts, one a line, or upload a CSV or JSONL file, choose models, and run. The example on the left shows "
    "a table with right answers.",
)


@dataclass(frozen=True)
class Layout:
    """The components. `own_groups`: as they were split and merged, empty for those that similarity makes; `shown`: the
    id of the batch on the right.
    """

    pasted: gr.Textbox
    example: gr.Button
    upload: gr.File
    form: gr.Radio
    column: gr.Dropdown
    truth: gr.Dropdown
    template: gr.Textbox
    prefix: gr.Textbox
    models: gr.Dropdown
    most: gr.Number
    temperature: gr.Number
    seed: gr.Number
    at_once: gr.Number
    match: gr.Radio
    once: gr.Checkbox
    compare: gr.Checkbox
    reasoner: gr.Dropdown
    similarity: gr.Slider
    group: gr.Button
    shown_groups: gr.HTML
    numbers: gr.Textbox
    lines: gr.Textbox
    split_it: gr.Button
    merge_them: gr.Button
    start: gr.Button
    stop: gr.Button
    resume: gr.Button
    preview: gr.HTML
    progress: gr.HTML
    totals: gr.HTML
    rows: gr.HTML
    files: gr.Row
    download: list[gr.Button]
    file: gr.File
    past: gr.HTML
    own_groups: gr.State
    shown: gr.State

    @property
    def source(self) -> list[Any]:
        """Where the prompts come from, in the order of `batch_run.Form`."""
        return [self.pasted, self.upload, self.form, self.column, self.truth, self.template]

    @property
    def filled(self) -> list[Any]:
        """Everything that a batch depends on."""
        return [
            *self.source,
            self.prefix,
            self.models,
            self.most,
            self.temperature,
            self.seed,
            self.match,
            self.once,
            self.reasoner,
            self.similarity,
            self.own_groups,
        ]


def lay_out(context: AppContext) -> Layout:
    """Adds the components."""
    cards = context.catalog.of_kind("chat")
    ids = [card.id for card in cards]
    thinkers = [(card.name, card.id) for card in cards if card.can("thinking")]
    with gr.Row(elem_id="batch_row", elem_classes="pg-panes"):
        with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
            pasted = gr.Textbox(
                label="Prompts", placeholder="One a line, or a table as CSV or JSON Lines", lines=6, max_lines=14,
                elem_id="batch_prompts",
            )  # fmt: skip
            with gr.Row(elem_classes="pg-pills"):
                example = gr.Button("A table with answers", size="sm", min_width=40, elem_id="batch_example")
            upload = gr.File(
                label="Or a file", file_types=[".txt", ".csv", ".tsv", ".jsonl"], type="filepath", height=110,
                elem_id="batch_file",
            )  # fmt: skip
            form = gr.Radio(
                [("Found out", ""), ("Lines", "lines"), ("CSV", "csv"), ("JSON Lines", "jsonl")], value="",
                label="Form", elem_id="batch_form",
            )  # fmt: skip
            with gr.Row():
                column = gr.Dropdown(
                    [("First", "")],
                    value="",
                    label="Prompt column",
                    allow_custom_value=True,
                    elem_id="batch_column",
                    min_width=140,
                )
                truth = gr.Dropdown(
                    [("None", "")], value="", label="Right answers", info="Answers are compared with this column.",
                    allow_custom_value=True, elem_id="batch_truth", min_width=140,
                )  # fmt: skip
            template = gr.Textbox(
                label="Template", info="A text with columns in it, such as: Translate {{question}}. Empty: the column.",
                lines=1, max_lines=6, elem_id="batch_template",
            )  # fmt: skip
            prefix = gr.Textbox(
                label="Shared beginning",
                info="A system prompt or a document for all prompts. On this machine it is read once.",
                lines=2, max_lines=8, elem_id="batch_prefix",
            )  # fmt: skip
            models = gr.Dropdown(
                [(card.name, card.id) for card in cards], value=ids[:1], multiselect=True, label="Models",
                max_choices=MOST_MODELS, info="Every prompt goes to each.", elem_id="batch_models",
            )  # fmt: skip
            with gr.Accordion("Options", open=False, elem_id="batch_options"):
                with gr.Row():
                    most = gr.Number(None, label="Max new tokens", precision=0, minimum=1, elem_id="batch_tokens")
                    temperature = gr.Number(None, label="Temperature", minimum=0, maximum=5, elem_id="batch_heat")
                with gr.Row():
                    seed = gr.Number(
                        None, label="Seed", info="Empty: a fresh one. The same one resumes the same batch.",
                        precision=0, minimum=0, maximum=MAX_SEED, elem_id="batch_seed",
                    )  # fmt: skip
                    at_once = gr.Number(
                        AT_ONCE, label="At once", info="Requests to a model behind an API.", precision=0, minimum=1,
                        maximum=MOST_AT_ONCE, elem_id="batch_at_once",
                    )  # fmt: skip
                match = gr.Radio(
                    [("Contains it", "contains"), ("Is it", "exact"), ("Last number", "number")], value="contains",
                    label="An answer is right if it", elem_id="batch_match",
                )  # fmt: skip
            with gr.Accordion("Reason once", open=False, elem_id="batch_once_fold"):
                once = gr.Checkbox(
                    False, label="Reason once for prompts that are much alike",
                    info="One thinks about the first of a group; that thought is given to all of it.",
                    elem_id="batch_once",
                )  # fmt: skip
                compare = gr.Checkbox(
                    False,
                    label="One by one too, to compare",
                    info="The same prompts are thought about each by itself first.",
                    elem_id="batch_compare",
                )
                reasoner = gr.Dropdown(
                    [("The first chosen model that thinks", ""), *thinkers], value="", label="Who thinks",
                    elem_id="batch_reasoner",
                )  # fmt: skip
                similarity = gr.Slider(
                    0.05, 1.0, THRESHOLD, step=0.05, label="Similarity",
                    info="How alike a prompt is to the first of its group: cosine of weighted letter triples.",
                    elem_id="batch_similarity",
                )  # fmt: skip
                group = gr.Button("Show the groups", size="sm", elem_id="batch_group")
                shown_groups = gr.HTML("", elem_id="batch_groups", elem_classes="pg-maybe")
                with gr.Row():
                    numbers = gr.Textbox(
                        label="Groups", info="One to split, two to merge: 3 or 1, 2.", elem_id="batch_numbers",
                        min_width=120,
                    )  # fmt: skip
                    lines = gr.Textbox(
                        label="Lines to take out", info="Empty: each becomes a group.", elem_id="batch_lines",
                        min_width=120,
                    )  # fmt: skip
                with gr.Row():
                    split_it = gr.Button("Split", size="sm", elem_id="batch_split", min_width=80)
                    merge_them = gr.Button("Merge", size="sm", elem_id="batch_merge", min_width=80)
            with gr.Row(elem_classes="pg-run-row"):
                start = gr.Button("Run", variant="primary", elem_id="batch_run", elem_classes="pg-run", scale=3)
                stop = gr.Button("Stop", elem_id="batch_stop", elem_classes="pg-stop", interactive=False, min_width=80)
                resume = gr.Button("Resume", elem_id="batch_resume", interactive=False, min_width=80)
        with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
            preview = gr.HTML("", elem_id="batch_preview", elem_classes="pg-maybe")
            progress = gr.HTML("", elem_id="batch_progress", elem_classes="pg-maybe")
            totals = gr.HTML("", elem_id="batch_totals", elem_classes="pg-maybe")
            rows = gr.HTML(NOTHING, elem_id="batch_rows")
            with gr.Row(visible=False, elem_id="batch_files") as files:
                download = [
                    gr.Button(label, size="sm", min_width=80, elem_id=f"batch_{kind}")
                    for kind, label in zip(FORMS, ("CSV", "JSON Lines", "Parquet"), strict=True)
                ]
            file = gr.File(label="Download", visible=False, interactive=False, elem_id="batch_download")
            gr.HTML('<h2 class="pg-h2">Earlier batches</h2>', elem_id="batch_past_title")
            past = gr.HTML("", elem_id="batch_past", elem_classes="pg-maybe", js_on_load=DELEGATE)
    own_groups = gr.State(())
    shown = gr.State("")
    return Layout(
        pasted=pasted,
        example=example,
        upload=upload,
        form=form,
        column=column,
        truth=truth,
        template=template,
        prefix=prefix,
        models=models,
        most=most,
        temperature=temperature,
        seed=seed,
        at_once=at_once,
        match=match,
        once=once,
        compare=compare,
        reasoner=reasoner,
        similarity=similarity,
        group=group,
        shown_groups=shown_groups,
        numbers=numbers,
        lines=lines,
        split_it=split_it,
        merge_them=merge_them,
        start=start,
        stop=stop,
        resume=resume,
        preview=preview,
        progress=progress,
        totals=totals,
        rows=rows,
        files=files,
        download=download,
        file=file,
        past=past,
        own_groups=own_groups,
        shown=shown,
    )
