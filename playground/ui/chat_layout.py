"""What a chat column and the settings fold are made of; knows no event but those inside the fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.catalog import ModelCard
from playground.ui.remember import Remember, between, flag, text

LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
    {"left": "\\[", "right": "\\]", "display": True},
]


@dataclass(frozen=True)
class Column:
    """The components of one column; `finished` counts what changed its conversation, so that it is saved then."""

    box: gr.Column
    model: gr.Dropdown
    stop: gr.Button
    log: gr.Chatbot
    figures: gr.HTML
    finished: gr.Number


def placeholder(card: ModelCard | None) -> str:
    """What an empty column says: whose it is, and what happens to a message."""
    if card is None:
        return "Choose a model above."
    return f"**{card.name}**\n\n{card.summary}\n\nYour message goes to every column at once."


def build_column(i: int, cards: Sequence[ModelCard], card: ModelCard | None) -> Column:
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
            stop = gr.Button(
                "Stop",
                size="sm",
                elem_id=f"chat_stop_{i}",
                scale=0,
                min_width=64,
                interactive=False,
                elem_classes="pg-quiet-button",
            )
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
        )
        figures = gr.HTML("", elem_id=f"chat_figures_{i}", elem_classes="pg-under")
        finished = gr.Number(0, visible=False, elem_id=f"chat_finished_{i}")
    return Column(box, pick, stop, log, figures, finished)


def settings_fold(remember: Remember) -> list[Any]:
    """The settings fold; the order is that of the runner's parameters."""
    with gr.Accordion("Settings", open=False, elem_id="chat_settings"):
        system = gr.Textbox(
            "",
            label="System prompt",
            info="Instructions that stand before every conversation.",
            lines=2,
            max_length=8000,
            elem_id="chat_system",
        )
        own = gr.Checkbox(
            True,
            label="Each model's own settings",
            info="Off: the sliders below hold for all columns.",
            elem_id="chat_own",
        )
        with gr.Row():
            temperature = gr.Slider(
                0,
                2,
                0.7,
                step=0.05,
                label="Temperature",
                info="0 always takes the likeliest word.",
                elem_id="chat_temperature",
                interactive=False,
            )
            top_p = gr.Slider(
                0.05,
                1,
                0.95,
                step=0.05,
                label="Top p",
                info="Only words within this share of probability.",
                elem_id="chat_top_p",
                interactive=False,
            )
            length = gr.Slider(
                16,
                4096,
                512,
                step=16,
                label="Max new tokens",
                info="Where an answer is cut at the latest.",
                elem_id="chat_max_new_tokens",
                interactive=False,
            )
            seed = gr.Number(
                None,
                label="Seed",
                info="The same seed gives the same answer. Empty: a fresh one.",
                precision=0,
                minimum=0,
                maximum=2**31 - 1,
                elem_id="chat_seed",
            )
    sliders = [temperature, top_p, length]
    lock = "(own) => [0, 1, 2].map(() => ({__type__: 'update', interactive: !own}))"
    own.change(fn=None, js=lock, inputs=own, outputs=sliders)
    remember.keep("chat.system", system, text)
    remember.keep("chat.own", own, flag)
    remember.keep("chat.temperature", temperature, between(0, 2))
    remember.keep("chat.top_p", top_p, between(0.05, 1))
    remember.keep("chat.max_new_tokens", length, between(16, 4096))
    remember.keep("chat.seed", seed, between(0, 2**31 - 1, empty=True))
    return [system, own, temperature, top_p, length, seed]
