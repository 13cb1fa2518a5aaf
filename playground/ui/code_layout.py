"""The components of the Code section: a request on the left, plan, files and code on the right, one bar of buttons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.code.plan import Plan, PlannedFile, PlannedImport, plan_as_json
from playground.ui.code_html import EMPTY
from playground.ui.context import AppContext
from playground.ui.scores_tab import DELEGATE
from playground.ui.words import note

EXAMPLES = (
    "A command line tool that counts the words of a text file",
    "A to-do list with a file that keeps it, and its tests",
)
BY_HAND = "Count the words of a text file and print the ten that come most often."
EXAMPLE = plan_as_json(
    Plan(
        (
            PlannedFile("words.py", "Splits a text into words and counts them.", ("split", "count")),
            PlannedFile(
                "main.py",
                "Reads the file that the command line names and prints its ten most frequent words.",
                ("main",),
                (PlannedImport("words.py", ("count",)),),
            ),
        )
    )
)
MOST_REQUEST = 20_000


@dataclass(frozen=True)
class Layout:
    """The components; `form` are the inputs of a request in the order of `Form` in code_tab."""

    message: gr.Textbox
    model: gr.Dropdown
    project: gr.File
    seed: gr.Number
    most: gr.Number
    temperature: gr.Number
    circles: gr.Checkbox
    examples: list[gr.Button]
    by_hand: gr.Button
    earlier: gr.Dropdown
    new: gr.Button
    delete: gr.Button
    status: gr.HTML
    table: gr.HTML
    fold: gr.Accordion
    editor: gr.Code
    files: gr.HTML
    report: gr.HTML
    zip: gr.DownloadButton
    view: gr.Code
    plan: gr.Button
    write: gr.Button
    again: gr.Button
    stop: gr.Button
    id: gr.Textbox

    @property
    def form(self) -> list[Any]:
        return [self.message, self.model, self.project, self.seed, self.most, self.temperature, self.circles]


def lay_out(context: AppContext) -> Layout:
    """Adds the components, unwired."""
    cards = context.catalog.of_kind("chat")
    first = next((card.id for card in cards if card.id == "starter-phi"), cards[0].id if cards else None)
    with gr.Row(elem_id="code_row", elem_classes="pg-panes"):
        with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
            with gr.Row(elem_classes="pg-pills"):
                examples = [
                    gr.Button(text, size="sm", min_width=40, elem_id=f"code_example_{i}")
                    for i, text in enumerate(EXAMPLES)
                ]
                by_hand = gr.Button("Example plan", size="sm", min_width=40, elem_id="code_by_hand")
            message = gr.Textbox(
                label="What should be written?",
                info="The model plans the files first. You change the plan, then each file is written by itself.",
                placeholder="A command line tool that counts the words of a text file",
                lines=4,
                max_lines=14,
                max_length=MOST_REQUEST,
                elem_id="code_message",
            )
            model = gr.Dropdown(
                [(card.name, card.id) for card in cards],
                value=first,
                label="Model",
                info="Plans and writes. You may plan with one and write with another.",
                elem_id="code_model",
            )
            with gr.Accordion("Project it belongs to", open=False, elem_id="code_project_fold"):
                project = gr.File(
                    label="Zip of a project",
                    file_types=[".zip"],
                    type="filepath",
                    elem_id="code_project",
                )
                gr.HTML(note("The model sees its outline: the names of its files, and what its Python files offer."))
            with gr.Accordion("Settings", open=False, elem_id="code_settings"):
                with gr.Row():
                    seed = gr.Number(
                        None, label="Seed", info="Empty: a fresh one.", precision=0, minimum=0, min_width=110,
                        elem_id="code_seed",
                    )  # fmt: skip
                    temperature = gr.Number(
                        None, label="Temperature", info="Empty: the model's own.", minimum=0, maximum=5, step=0.1,
                        min_width=110, elem_id="code_temperature",
                    )  # fmt: skip
                most = gr.Number(
                    None, label="Max new tokens", precision=0, minimum=1, elem_id="code_most",
                    info="For the plan, and for each file. Empty: a quarter of the model's context, at most 4,096.",
                )  # fmt: skip
                circles = gr.Checkbox(
                    False, label="Files may take from each other in a circle",
                    info="Python files that do seldom run.", elem_id="code_circles",
                )  # fmt: skip
            with gr.Accordion("Earlier projects", open=False, elem_id="code_past"):
                earlier = gr.Dropdown(
                    [], value=None, label="Open", info="The last 20 are kept with their files.", elem_id="code_earlier",
                    interactive=True,
                )  # fmt: skip
                with gr.Row(elem_classes="pg-quiet"):
                    new = gr.Button("New project", size="sm", min_width=80, elem_id="code_new")
                    delete = gr.Button("Delete this one", size="sm", min_width=80, elem_id="code_delete")
        with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
            status = gr.HTML("", elem_id="code_status", elem_classes="pg-maybe")
            table = gr.HTML(EMPTY, elem_id="code_table")
            with gr.Accordion("Plan as JSON, to edit", open=True, elem_id="code_fold") as fold:
                editor = gr.Code(
                    "", language="json", label="Plan", lines=6, max_lines=18, wrap_lines=True, interactive=True,
                    buttons=["copy"], elem_id="code_editor",
                )  # fmt: skip
            files = gr.HTML("", elem_id="code_files", elem_classes="pg-maybe", js_on_load=DELEGATE)
            report = gr.HTML("", elem_id="code_report", elem_classes="pg-maybe")
            zip_file = gr.DownloadButton("Save as a zip", size="sm", visible=False, elem_id="code_zip")
            view = gr.Code(
                "", label="Code", lines=4, max_lines=36, interactive=False, visible=False, wrap_lines=True,
                buttons=["copy"], elem_id="code_view",
            )  # fmt: skip
    with gr.Row(elem_id="code_bar"):
        plan = gr.Button("Plan", variant="primary", elem_id="code_plan", elem_classes="pg-run", min_width=64, scale=3)
        write = gr.Button("Write", elem_id="code_write", interactive=False, min_width=64, scale=3)
        again = gr.Button("Write all again", elem_id="code_again", visible=False, min_width=120, scale=2)
        stop = gr.Button("Stop", elem_id="code_stop", elem_classes="pg-stop", interactive=False, min_width=64)
    project_id = gr.Textbox("", visible=False, elem_id="code_id")
    return Layout(
        message=message,
        model=model,
        project=project,
        seed=seed,
        most=most,
        temperature=temperature,
        circles=circles,
        examples=examples,
        by_hand=by_hand,
        earlier=earlier,
        new=new,
        delete=delete,
        status=status,
        table=table,
        fold=fold,
        editor=editor,
        files=files,
        report=report,
        zip=zip_file,
        view=view,
        plan=plan,
        write=write,
        again=again,
        stop=stop,
        id=project_id,
    )
