"""What the Chain section is made of: the steps on the left, the pictures on the right. Knows no events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from playground.catalog import Catalog
from playground.images.chain.steps import STEPS
from playground.ui.chain_form import StepForm, step_form
from playground.ui.chain_view import NOTHING


@dataclass(frozen=True)
class Layout:
    """The components; `document` is the chain as JSON, unseen, for the browser to remember."""

    examples: list[gr.Button]
    files: gr.File
    list: gr.Radio
    up: gr.Button
    down: gr.Button
    remove: gr.Button
    kind: gr.Dropdown
    add: gr.Button
    form: StepForm
    run: gr.Button
    stop: gr.Button
    kept: gr.Dropdown
    name: gr.Textbox
    load: gr.Button
    save: gr.Button
    rename: gr.Button
    delete: gr.Button
    export: gr.Button
    file: gr.DownloadButton
    bring: gr.UploadButton
    said: gr.HTML
    document: gr.Textbox
    status: gr.HTML
    rows: gr.HTML


def lay_out(catalog: Catalog, examples: Sequence[str]) -> Layout:
    """Adds the components."""
    with gr.Row(elem_id="chain_row", elem_classes="pg-panes"):
        with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
            with gr.Row(elem_classes="pg-pills", elem_id="chain_examples"):
                pills = [
                    gr.Button(name, size="sm", min_width=40, elem_id=f"chain_example_{i}")
                    for i, name in enumerate(examples)
                ]
            files = gr.File(
                label="Pictures in, where the chain needs any",
                file_types=["image"],
                file_count="multiple",
                type="filepath",
                height=150,
                elem_id="chain_files",
            )
            steps = gr.Radio(
                [], label="Steps", info="Choose one to see its settings.", elem_id="chain_list", elem_classes="pg-list"
            )
            with gr.Row(elem_classes="pg-quiet"):
                up = gr.Button("Move up", size="sm", min_width=40, elem_id="chain_up")
                down = gr.Button("Move down", size="sm", min_width=40, elem_id="chain_down")
                remove = gr.Button("Remove", size="sm", min_width=40, elem_id="chain_remove")
            with gr.Row(elem_classes="pg-chain-add"):
                kind = gr.Dropdown(
                    [(cls.title, do) for do, cls in STEPS.items()],
                    value="upscale",
                    label="Another step, after the chosen one",
                    elem_id="chain_kind",
                    min_width=160,
                    scale=3,
                )
                add = gr.Button("Add", size="sm", min_width=60, elem_id="chain_add", scale=1)
            form = step_form(catalog)
            document = gr.Textbox("", label="Document", elem_id="chain_document", elem_classes="pg-unseen")
            with gr.Accordion("Kept chains and files", open=False, elem_id="chain_keep"):
                kept = gr.Dropdown([], value=None, label="Kept chains", elem_id="chain_kept", allow_custom_value=True)
                name = gr.Textbox(label="Name", max_length=80, lines=1, elem_id="chain_name")
                with gr.Row(elem_classes="pg-quiet"):
                    load = gr.Button("Load", size="sm", min_width=40, elem_id="chain_load")
                    save = gr.Button("Save", size="sm", min_width=40, elem_id="chain_save")
                    rename = gr.Button("Rename", size="sm", min_width=40, elem_id="chain_rename")
                    delete = gr.Button("Delete", size="sm", min_width=40, elem_id="chain_delete")
                with gr.Row(elem_classes="pg-quiet"):
                    export = gr.Button("Export as JSON", size="sm", min_width=40, elem_id="chain_export")
                    bring = gr.UploadButton(
                        "Import JSON or a picture",
                        size="sm",
                        min_width=40,
                        file_types=[".json", ".png", ".jpg", ".jpeg", ".webp"],
                        type="filepath",
                        elem_id="chain_import",
                    )
                file = gr.DownloadButton("Download chain.json", size="sm", visible=False, elem_id="chain_file")
            said = gr.HTML("", elem_id="chain_said", elem_classes="pg-maybe")
            with gr.Row(elem_classes="pg-run-row"):
                run = gr.Button("Run", variant="primary", elem_id="chain_run", elem_classes="pg-run", scale=3)
                stop = gr.Button("Stop", elem_id="chain_stop", elem_classes="pg-stop", interactive=False, min_width=80)
        with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
            status = gr.HTML(NOTHING, elem_id="chain_status")
            rows = gr.HTML("", elem_id="chain_rows", elem_classes="pg-maybe")
    return Layout(
        examples=pills,
        files=files,
        list=steps,
        up=up,
        down=down,
        remove=remove,
        kind=kind,
        add=add,
        form=form,
        run=run,
        stop=stop,
        kept=kept,
        name=name,
        load=load,
        save=save,
        rename=rename,
        delete=delete,
        export=export,
        file=file,
        bring=bring,
        said=said,
        document=document,
        status=status,
        rows=rows,
    )
