"""What a chat column is made of; knows no events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.catalog import ModelCard

LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
    {"left": "\\(", "right": "\\)", "display": False},
    {"left": "\\[", "right": "\\]", "display": True},
]
OFF = {"interactive": False}


@dataclass(frozen=True)
class ColumnParts:
    """The components of one column, and the bar that acts on one of its turns."""

    box: gr.Column
    model: gr.Dropdown
    stop: gr.Button
    log: gr.Chatbot
    asking: gr.Group
    wish: gr.HTML
    allow: gr.Button
    refuse: gr.Button
    figures: gr.HTML
    bar: gr.Row
    before: gr.Button
    version: gr.HTML
    after: gr.Button
    again: gr.Button
    go_on: gr.Button
    undo: gr.Button
    branch: gr.Button
    hurry: gr.Button

    @property
    def shown(self) -> list[Any]:
        """What every step of a column may change, in the order of `chat_tab.Page.column`."""
        return [self.log, self.figures, self.stop, self.hurry, self.asking, self.wish, self.bar, self.before,
                self.version, self.after, self.go_on, self.branch]  # fmt: skip


def placeholder(card: ModelCard | None) -> str:
    """What an empty column says: whose it is, and what happens to a message."""
    if card is None:
        return "Choose a model above."
    return f"**{card.name}**\n\n{card.summary}\n\nYour message goes to every column at once."


def build_column(i: int, cards: Sequence[ModelCard], card: ModelCard | None) -> ColumnParts:
    """Adds column number `i`, with this model chosen; the first two are shown at first."""
    with gr.Column(visible=i < 2, min_width=300, elem_id=f"chat_column_{i}", elem_classes="pg-column") as box:
        with gr.Row(elem_classes="pg-column-head", equal_height=True):
            pick = gr.Dropdown(
                [(c.name, c.id) for c in cards],
                value=card.id if card else None,
                label=f"Model of column {i + 1}",
                show_label=False,
                container=False,
                elem_id=f"chat_model_{i}",
                scale=5,
                min_width=160,
            )
            hurry = gr.Button(
                "Answer now", size="sm", elem_id=f"chat_hurry_{i}", scale=0, min_width=104, visible=False,
                elem_classes="pg-quiet-button",
            )  # fmt: skip
            stop = gr.Button(
                "Stop", size="sm", elem_id=f"chat_stop_{i}", scale=0, min_width=64, elem_classes="pg-quiet-button",
                interactive=False,
            )  # fmt: skip
        log = gr.Chatbot(
            [],
            label=f"Conversation in column {i + 1}",
            show_label=False,
            elem_id=f"chat_log_{i}",
            height="52vh",
            placeholder=placeholder(card),
            buttons=["copy"],
            feedback_options=None,
            allow_tags=False,
            latex_delimiters=LATEX,
            layout="bubble",
            editable="all",
        )
        with gr.Group(visible=False, elem_id=f"chat_asking_{i}", elem_classes="pg-asking") as asking:
            wish = gr.HTML("", elem_id=f"chat_wish_{i}")
            with gr.Row():
                allow = gr.Button("Allow", size="sm", variant="primary", elem_id=f"chat_allow_{i}", min_width=80)
                refuse = gr.Button("Refuse", size="sm", elem_id=f"chat_refuse_{i}", min_width=80)
        with gr.Row(elem_id=f"chat_bar_{i}", elem_classes="pg-turn-bar", visible=False) as bar:
            small: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 32, "elem_classes": "pg-quiet-button"}
            before = gr.Button("‹", elem_id=f"chat_before_{i}", visible=False, **small)
            version = gr.HTML("", elem_id=f"chat_version_{i}", elem_classes="pg-version", visible=False)
            after = gr.Button("›", elem_id=f"chat_after_{i}", visible=False, **small)
            again = gr.Button("Regenerate", elem_id=f"chat_again_{i}", **small)
            go_on = gr.Button("Continue", elem_id=f"chat_go_on_{i}", **small)
            undo = gr.Button("Undo", elem_id=f"chat_undo_{i}", **small)
            branch = gr.Button("Branch", elem_id=f"chat_branch_{i}", **small)
        figures = gr.HTML("", elem_id=f"chat_figures_{i}", elem_classes="pg-under")
    return ColumnParts(
        box, pick, stop, log, asking, wish, allow, refuse, figures, bar, before, version, after, again, go_on, undo,
        branch, hurry,
    )  # fmt: skip
