"""The one line on top: the name, what runs where, what waits, light or dark."""

from __future__ import annotations

from html import escape

import gradio as gr

from playground.protocol import Health
from playground.ui.context import AppContext
from playground.ui.words import size

REFRESH_S = 3.0
PRESSED = "element.addEventListener('click', (e) => { if (e.target.closest('button')) trigger('click'); });"


def build_header(context: AppContext, page: gr.Blocks) -> gr.HTML:
    """Adds the header line; returns the chips, whose click opens the Models tab."""
    with gr.Row(elem_id="header", equal_height=True):
        gr.HTML(
            "<h1>Playground</h1><p>Text and image models, side by side</p>",
            elem_id="brand",
            min_width=120,
        )
        chips = gr.HTML(
            chip_row(None),
            elem_id="chips",
            min_width=120,
            js_on_load=PRESSED,
        )
        theme = gr.Button("Light / dark", elem_id="theme_toggle", size="sm", min_width=96, scale=0)
    theme.click(fn=None, js="() => window.playgroundTheme()")

    async def refresh() -> str:
        return chip_row(await context.engine.health())

    timer = gr.Timer(REFRESH_S)
    gr.on(
        [page.load, timer.tick],
        refresh,
        outputs=chips,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="once",
    )
    return chips


def chip_row(health: Health | None) -> str:
    """The device chip and the queue chip."""
    if health is None:
        return '<span class="pg-chip">Starting</span>'
    live = " pg-live" if health.running else ""
    return (
        f'<button type="button" class="pg-chip" title="Open Models">{escape(device_words(health))}</button>'
        f'<span class="pg-chip{live}" id="queue_chip">{escape(queue_words(health))}</span>'
    )


def device_words(health: Health) -> str:
    """CPU, 2 cores, bfloat16; or H200, 12.0 GB of 141.0 GB."""
    if not health.ok:
        return f"{health.device or 'Device'}: not available"
    if health.device == "starting":
        return "Starting torch"
    parts = ["CPU" if health.device == "cpu" else health.device]
    if health.device == "cpu" and health.cores:
        parts.append(f"{health.cores} core{'s' if health.cores != 1 else ''}")
    if health.dtype:
        parts.append(health.dtype)
    if health.budget_bytes:
        parts.append(f"{size(health.used_bytes)} of {size(health.budget_bytes)}")
    return ", ".join(parts)


def queue_words(health: Health) -> str:
    """2 running, 1 waiting; or Idle."""
    if not health.running and not health.waiting:
        return "Idle"
    return f"{health.running} running" + (f", {health.waiting} waiting" if health.waiting else "")
