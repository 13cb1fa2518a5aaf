"""The Models tab: what fills the memory, every model with its state, and loading and unloading them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from html import escape
from typing import Any

import gradio as gr

from playground.catalog import Catalog, ModelCard
from playground.protocol import Done, Failed, Health, Loading, LoadRequest, ModelState, Queued, UnloadRequest
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in
from playground.ui.running import Running
from playground.ui.scores_tab import DELEGATE
from playground.ui.scores_table import KINDS
from playground.ui.stream import batches
from playground.ui.words import count, loading, note, problem, queued, size, waiting

REFRESH_S = 2.0
SHADES = 5
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build_models(context: AppContext, running: Running, remember: Remember, tab: gr.Tab, tabs: gr.Tabs) -> None:
    """Adds the tab's contents, which are read while the tab is open."""
    memory = gr.HTML(waiting("Looking at the models"), elem_id="models_memory")
    progress = gr.HTML("", elem_id="models_progress", elem_classes="pg-maybe")
    with gr.Row(elem_id="models_stop_row", visible=False) as stop_row:
        stop = gr.Button(
            "Stop loading", size="sm", elem_id="models_stop", elem_classes="pg-stop", scale=0, min_width=120
        )
    cards = gr.HTML("", elem_id="models_cards", js_on_load=DELEGATE)
    timer = gr.Timer(REFRESH_S, active=False)

    async def refresh() -> tuple[str, str]:
        states, health = await context.engine.models(), await context.engine.health()
        return memory_html(states, health, context.catalog), cards_html(states, context.catalog)

    async def act(state: Any, request: gr.Request, event: gr.EventData) -> AsyncIterator[Any]:
        action, key = str(event._data.get("act", "")), str(event._data.get("key", ""))
        if key not in context.catalog or action not in ("load", "unload"):
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return
        card, session, owner = context.catalog[key], str(request.session_hash), owner_of(request, owner_in(state))
        token = running.start(session, f"load-{key}")
        wanted = LoadRequest(key, owner) if action == "load" else UnloadRequest(key, owner)
        line, last = f"{'Loading' if action == 'load' else 'Unloading'} {card.name}", ""
        try:
            yield waiting(line), gr.update(visible=True), *await refresh()
            async with aclosing(batches(context.engine, wanted, token)) as found:
                async for batch in found:
                    fraction: float | None = None
                    for item in batch:
                        if isinstance(item, Loading):
                            line, fraction = loading(item), item.fraction
                        elif isinstance(item, Queued):
                            line = queued(item)
                        elif isinstance(item, Failed):
                            last = problem(item, card.name)
                        elif isinstance(item, Done) and not last:
                            done = "is ready" if action == "load" else "is unloaded"
                            last = note(f"{card.name} {done}." if not token.cancelled else "Stopped.")
                    yield last or waiting(line, fraction), gr.skip(), gr.skip(), gr.skip()
        finally:
            running.finish(session, f"load-{key}", token)
        busy = running.any(session, "load-")
        yield last or note("Stopped."), gr.update(visible=busy), *await refresh()

    def stop_all(request: gr.Request) -> None:
        running.stop(str(request.session_hash), "load-")

    opened = tab.select(refresh, None, [memory, cards], **QUICK)
    opened.then(lambda: gr.Timer(active=True), None, timer, **QUICK)
    _sleep_elsewhere(tabs, timer)
    timer.tick(refresh, None, [memory, cards], trigger_mode="once", **QUICK)
    cards.click(
        act,
        remember.state,
        [progress, stop_row, memory, cards],
        trigger_mode="multiple",
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )
    stop.click(stop_all, **QUICK)


def _sleep_elsewhere(tabs: gr.Tabs, timer: gr.Timer) -> None:
    """The timer runs only while its tab is open."""

    def selected(event: gr.SelectData) -> Any:
        return gr.Timer(active=event.value == "Models")

    tabs.select(selected, None, timer, **QUICK)


def memory_html(states: Sequence[ModelState], health: Health, catalog: Catalog) -> str:
    """One bar: which model takes how much of the budget, and what is free."""
    if not health.budget_bytes:
        return note("The memory budget is known once the first model is asked for.")
    loaded = [s for s in states if s.state == "ready" and s.bytes]
    parts, legend = "", ""
    for i, state in enumerate(sorted(loaded, key=lambda s: -(s.bytes or 0))):
        share = 100 * (state.bytes or 0) / health.budget_bytes
        name = escape(catalog[state.id].name if state.id in catalog else state.id)
        shade = f"pg-shade-{i % SHADES}"
        parts += f'<i class="{shade}" style="width:{share:.2f}%" title="{name}, {size(state.bytes or 0)}"></i>'
        legend += f'<span><i class="{shade}"></i>{name} <b>{size(state.bytes or 0)}</b></span>'
    free = max(0, health.budget_bytes - health.used_bytes)
    device = "CPU memory" if health.device == "cpu" else escape(health.device)
    summary = f"{size(health.used_bytes)} of {size(health.budget_bytes)} in use, {size(free)} free"
    return (
        f'<div class="pg-memory"><div class="pg-memory-head"><b>{device}</b><span>{summary}</span></div>'
        f'<div class="pg-memory-bar" role="img" aria-label="{summary}">{parts}</div>'
        f'<div class="pg-legend">{legend or "<span>No model is loaded.</span>"}</div></div>'
    )


def cards_html(states: Sequence[ModelState], catalog: Catalog) -> str:
    """Every model as a card, those that can run here first."""
    rank = {"ready": 0, "loading": 1, "not loaded": 2, "unavailable": 3}
    known = [s for s in sorted(states, key=lambda s: rank[s.state]) if s.id in catalog]
    here = "".join(_card(s, catalog[s.id]) for s in known if s.state != "unavailable")
    away = "".join(_card(s, catalog[s.id]) for s in known if s.state == "unavailable")
    number = sum(1 for s in known if s.state == "unavailable")
    more = (
        f'<details class="pg-more"><summary>{number} more models, not available here</summary>'
        f'<div class="pg-cards">{away}</div></details>'
        if away
        else ""
    )
    return f'<div class="pg-cards">{here}</div>{more}'


def _card(state: ModelState, card: ModelCard) -> str:
    facts = [KINDS[state.kind]]
    parameters = state.parameters or card.parameters
    if parameters:
        facts.append(f"{count(parameters)} parameters")
    if state.bytes:
        facts.append(size(state.bytes))
    facts += [fact for fact in (state.dtype, state.device if state.state == "ready" else "") if fact]
    if state.users:
        facts.append(f"in use by {state.users}")
    licence = escape(card.licence)
    if card.licence_url.startswith("https://"):
        licence = f'<a href="{escape(card.licence_url)}" target="_blank" rel="noopener noreferrer">{licence}</a>'
    lines = [card.summary, card.warning] if state.state != "unavailable" else [state.reason, card.summary]
    text = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    return (
        f'<article class="pg-card" id="model-{escape(state.id)}"><header><b>{escape(card.name)}</b>'
        f'<span class="pg-state pg-state-{state.state.replace(" ", "-")}">{state.state}</span></header>'
        f'<div class="pg-facts">{escape(" · ".join(facts))} · {licence}</div>{text}{_button(state)}</article>'
    )


def _button(state: ModelState) -> str:
    action = {"ready": "unload", "not loaded": "load"}.get(state.state)
    if action is None:
        return ""
    return (
        f'<footer><button type="button" class="pg-button" data-act="{action}" data-key="{escape(state.id)}">'
        f"{action.capitalize()}</button></footer>"
    )
