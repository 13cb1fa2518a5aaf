"""The Models tab's HTML: what fills the memory, and every model as a card with its state and buttons."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from playground.catalog import Catalog, ModelCard
from playground.protocol import Health, ModelState
from playground.ui.scores_table import KINDS
from playground.ui.words import ago, count, note, size

SHADES = 5


def memory_html(states: Sequence[ModelState], health: Health, catalog: Catalog) -> str:
    """One bar: which model takes how much of the budget, what its work has reserved, and what is free."""
    if not health.budget_bytes:
        return note("The memory budget is known once the first model is asked for.")
    there = sorted((s for s in states if s.bytes and s.tier != "ram"), key=lambda s: -(s.bytes or 0))
    parts, legend = "", ""
    for i, state in enumerate(there):
        name = _name(state, catalog)
        parts += _part(f"pg-shade-{i % SHADES}", state.bytes or 0, health.budget_bytes, name)
        legend += _legend(f"pg-shade-{i % SHADES}", name, size(state.bytes or 0))
    working = sum(s.working_bytes for s in states)
    if working:
        parts += _part("pg-shade-work", working, health.budget_bytes, "Running requests")
        legend += _legend("pg-shade-work", "Running requests", size(working))
    other = health.used_bytes - working - sum(s.bytes or 0 for s in there)
    if other > health.budget_bytes / 200:
        parts += _part("pg-shade-work", other, health.budget_bytes, "Other work")
        legend += _legend("pg-shade-work", "Other work", size(other))
    free = max(0, health.budget_bytes - health.used_bytes)
    device = "CPU memory" if health.device == "cpu" else escape(health.device)
    summary = f"{size(health.used_bytes)} of {size(health.budget_bytes)} in use, {size(free)} free"
    return (
        f'<div class="pg-memory"><div class="pg-memory-head"><b>{device}</b><span>{summary}</span></div>'
        f'<div class="pg-memory-bar" role="img" aria-label="{summary}">{parts}</div>'
        f'<div class="pg-legend">{legend or "<span>No model is loaded.</span>"}</div></div>'
    )


def cards_html(states: Sequence[ModelState], health: Health, catalog: Catalog) -> str:
    """Every model that can run here as a card, the loaded ones first."""
    rank = {"ready": 0, "loading": 1, "not loaded": 2}
    known = [s for s in states if s.id in catalog and s.state in rank]
    cards = (_card(s, health, catalog) for s in sorted(known, key=lambda s: (rank[s.state], not s.on_disk)))
    return f'<div class="pg-cards">{"".join(cards)}</div>'


def away_html(states: Sequence[ModelState], health: Health, catalog: Catalog) -> str:
    """Every other model, folded away, with the reason."""
    away = [s for s in states if s.id in catalog and s.state == "unavailable"]
    if not away:
        return ""
    cards = "".join(_card(s, health, catalog) for s in away)
    title = f"{len(away)} more models, not available here"
    return f'<details class="pg-more"><summary>{title}</summary><div class="pg-cards">{cards}</div></details>'


def _name(state: ModelState, catalog: Catalog) -> str:
    return escape(catalog[state.id].name if state.id in catalog else state.id)


def _part(shade: str, bytes_: int, budget: int, name: str) -> str:
    share = min(100.0, 100 * bytes_ / budget)
    return f'<i class="{shade}" style="width:{share:.2f}%" title="{name}, {size(bytes_)}"></i>'


def _legend(shade: str, name: str, text: str) -> str:
    return f'<span><i class="{shade}"></i>{name} <b>{text}</b></span>'


def _card(state: ModelState, health: Health, catalog: Catalog) -> str:
    card = catalog[state.id]
    facts = [KINDS[state.kind]]
    parameters = state.parameters or card.parameters
    if parameters:
        facts.append(f"{count(parameters)} parameters")
    if state.state == "ready":
        facts += [fact for fact in (state.quantization or state.dtype, state.device, state.runtime) if fact]
    licence = escape(card.licence)
    if card.licence_url.startswith("https://"):
        licence = f'<a href="{escape(card.licence_url)}" target="_blank" rel="noopener noreferrer">{licence}</a>'
    lines = [card.summary, card.warning] if state.state != "unavailable" else [state.reason, card.summary]
    text = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    word = "in RAM" if state.tier == "ram" and state.state == "not loaded" else state.state
    pinned = '<span class="pg-pin" title="Stays until it is unloaded or unpinned">pinned</span>' if state.pinned else ""
    return (
        f'<article class="pg-card" id="model-{escape(state.id)}"><header><b>{escape(card.name)}</b>'
        f'{pinned}<span class="pg-state pg-state-{state.state.replace(" ", "-")}">{word}</span></header>'
        f'<div class="pg-facts">{escape(" · ".join(facts))} · {licence}</div>{_share(state, health)}{text}'
        f"{_buttons(state, card, catalog.is_own(card.id))}</article>"
    )


def _share(state: ModelState, health: Health) -> str:
    """How much of the budget a loaded model takes, who uses it and since when nobody does."""
    if not state.bytes:
        return ""
    use = f"in use by {state.users}" if state.users else ""
    if not state.users and state.idle_s is not None and state.state == "ready":
        use = f"last used {ago(state.idle_s)}"
    work = f" + {size(state.working_bytes)} of work" if state.working_bytes else ""
    share = state.bytes / health.budget_bytes if health.budget_bytes else 0.0
    line = f"{size(state.bytes)}{work}" + (f", {use}" if use else "")
    return (
        f'<div class="pg-share"><span class="pg-share-bar" role="img" aria-label="{share:.0%} of the memory budget">'
        f'<i style="width:{min(100, max(1, 100 * share)):.1f}%"></i></span><span>{line}</span></div>'
    )


def _buttons(state: ModelState, card: ModelCard, own: bool) -> str:
    able: list[tuple[str, str]] = []
    if card.backend != "local":
        return ""  # nothing of it lies here
    if state.state == "ready":
        able = [("unload", "Unload"), ("unpin", "Unpin") if state.pinned else ("pin", "Pin")]
    elif state.state == "not loaded":
        able = [("load", "Load")] if state.on_disk else [("download", "Download"), ("load", "Download and load")]
        able += [("pin", "Load and pin")] if state.on_disk else []
    able.append(("size", "What it takes"))
    if own:
        able.append(("remove", "Remove"))
    buttons = "".join(
        f'<button type="button" class="pg-button" data-act="{act}" data-key="{escape(state.id)}" '
        f'aria-label="{label}: {escape(card.name)}">{label}</button>'
        for act, label in able
    )
    return f"<footer>{buttons}</footer>"
