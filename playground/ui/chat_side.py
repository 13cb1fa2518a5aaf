"""The panel beside the columns: kept conversations with search, their files, and the prompt library. Layout alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import gradio as gr

from playground.talks.kept import Found, Summary
from playground.ui.words import ago, empty

MOST_TITLE = 48


@dataclass(frozen=True)
class Side:
    """The panel's components; `listed` holds ids of conversations."""

    box: gr.Column
    new: gr.Button
    search: gr.Textbox
    listed: gr.Radio
    none: gr.HTML
    title: gr.Textbox
    rename: gr.Button
    copy: gr.Button
    delete: gr.Button
    restore: gr.Button
    as_json: gr.DownloadButton
    as_markdown: gr.DownloadButton
    load: gr.UploadButton
    note: gr.HTML
    prompt: gr.Dropdown
    variables: gr.Textbox
    use: gr.Button
    prompt_name: gr.Textbox
    keep_prompt: gr.Button
    drop_prompt: gr.Button


def label(found: Summary | Found) -> str:
    """A title with its time, and what a search found in it."""
    summary = found.summary if isinstance(found, Found) else found
    age = ago((datetime.now(UTC) - summary.updated).total_seconds())
    title = summary.title if len(summary.title) <= MOST_TITLE else summary.title[: MOST_TITLE - 1] + "…"
    snippet = f"\n{found.snippet}" if isinstance(found, Found) and found.snippet else ""
    return f"{title}  ·  {age}{snippet}"


def nothing(searched: bool) -> str:
    """What stands where no conversation is listed."""
    if searched:
        return empty("Nothing found.", "Titles, questions and answers are searched.")
    return empty("No conversations yet.", "Each one is kept here as soon as you ask something.")


def build_side() -> Side:
    """Adds the panel, hidden until its button is pressed."""
    with gr.Column(visible=False, scale=0, min_width=280, elem_id="chat_side", elem_classes="pg-side") as box:
        new = gr.Button("New conversation", variant="primary", size="sm", elem_id="chat_new")
        search = gr.Textbox(
            "", label="Search conversations", show_label=False, placeholder="Search titles and texts", container=False,
            max_length=200, elem_id="chat_search",
        )  # fmt: skip
        listed = gr.Radio([], label="Conversations", show_label=False, container=False, elem_id="chat_list")
        none = gr.HTML(nothing(False), elem_id="chat_list_none")
        with gr.Accordion("This conversation", open=False, elem_id="chat_this"):
            title = gr.Textbox("", label="Title", max_length=200, elem_id="chat_title")
            with gr.Row():
                rename = gr.Button("Rename", size="sm", min_width=60, elem_id="chat_rename")
                copy = gr.Button("Copy", size="sm", min_width=60, elem_id="chat_copy")
                delete = gr.Button("Delete", size="sm", min_width=60, elem_id="chat_delete")
            restore = gr.Button("Bring back the deleted one", size="sm", visible=False, elem_id="chat_restore")
            with gr.Row():
                as_json = gr.DownloadButton("Export JSON", size="sm", min_width=60, elem_id="chat_export_json")
                as_markdown = gr.DownloadButton("Export text", size="sm", min_width=60, elem_id="chat_export_markdown")
        load = gr.UploadButton(
            "Import a conversation", size="sm", file_types=[".json", ".md", ".txt"], elem_id="chat_import"
        )
        note = gr.HTML("", elem_id="chat_side_note")
        with gr.Accordion("Prompt library", open=False, elem_id="chat_library"):
            prompt = gr.Dropdown([], label="Prompt", value=None, elem_id="chat_prompt")
            variables = gr.Textbox(
                "", label="Its variables", info="One a line, as name: value.", lines=3, visible=False,
                max_length=100_000, elem_id="chat_variables",
            )  # fmt: skip
            use = gr.Button("Put into the message", size="sm", elem_id="chat_use_prompt")
            prompt_name = gr.Textbox(
                "", label="Keep the message as a prompt", info="Its name; write {{topic}} for a variable.",
                max_length=80, elem_id="chat_prompt_name",
            )  # fmt: skip
            with gr.Row():
                keep_prompt = gr.Button("Keep", size="sm", min_width=60, elem_id="chat_keep_prompt")
                drop_prompt = gr.Button("Delete the chosen", size="sm", min_width=60, elem_id="chat_drop_prompt")
    return Side(
        box, new, search, listed, none, title, rename, copy, delete, restore, as_json, as_markdown, load, note, prompt,
        variables, use, prompt_name, keep_prompt, drop_prompt,
    )  # fmt: skip


def choices(found: list[Any]) -> list[tuple[str, str]]:
    """Conversations as choices."""
    return [(label(one), (one.summary if isinstance(one, Found) else one).id) for one in found]
