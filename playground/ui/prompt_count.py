"""What is said below a picture prompt while it is typed: its tokens on the chosen models, and its surprises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from playground.images.count import count_in_words
from playground.images.prompts.prepared import notices, prepared
from playground.protocol import CancelToken, Counted, CountRequest
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import owner_in
from playground.ui.words import note

MOST_MODELS = 4
MOST_HINTS = 5
MOST_COUNTED = 8_000  # characters


def wire_count(context: AppContext, prompt: gr.Textbox, models: gr.Dropdown, shown: gr.HTML, state: Any) -> None:
    """Counts anew whenever the text or the models change; of changes that come fast, the last one."""

    async def count(text: str | None, chosen: list[str] | None, state: Any, request: gr.Request) -> str:
        # A page that has just opened, whose fields are still being filled, has neither.
        return await counted(context, text or "", chosen or [], owner_of(request, owner_in(state)))

    gr.on(
        [prompt.change, models.change],
        count,
        [prompt, models, state],
        shown,
        trigger_mode="always_last",
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )


async def counted(context: AppContext, text: str, models: Sequence[str], owner: str) -> str:
    """The tokens of a prompt on each model, and its hints, as HTML; empty for an empty prompt.

    A model that is not on this machine, or that an API runs, is left out.
    """
    if not text.strip() or len(text) > MOST_COUNTED:
        return ""
    (one,) = await asyncio.to_thread(prepared, text, "", 0, 1)
    said: dict[str, list[str]] = {}
    for card in [context.catalog[i] for i in models[:MOST_MODELS] if i in context.catalog]:
        found = await _count(context, card.id, text, owner)
        if found is not None:
            said.setdefault(in_words(found), []).append(card.name)
    counts = " · ".join(
        escape(words) if len(said) == 1 else f"{escape(', '.join(names))}: {escape(words)}"
        for words, names in said.items()
    )
    line = f'<span class="pg-count">{counts}</span>' if counts else ""
    return line + "".join(map(note, notices((one,), "", reads_syntax=True)[:MOST_HINTS]))


def in_words(found: Counted) -> str:
    """Reads "43/75 tokens", "118 tokens: 43/75, 2 chunks", or "12 tokens" for a model without a limit."""
    if len(found.chunks) > 1:
        return f"{found.tokens} tokens: {count_in_words(found.chunks, found.size or 0)}"
    if found.size is None:
        return f"{found.tokens} tokens"
    over = "; what is over is cut off" if not found.chunks and found.tokens > found.size else ""
    return f"{found.tokens}/{found.size} tokens{over}"


async def _count(context: AppContext, model: str, text: str, owner: str) -> Counted | None:
    async for event in context.engine.submit(CountRequest(model, text, owner), CancelToken()):
        if isinstance(event, Counted):
            return event
    return None
