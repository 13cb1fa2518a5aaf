"""The Models tab: what fills the memory, and loading, pinning, downloading, sizing and adding models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from html import escape
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.protocol import (
    Added,
    AddRequest,
    Done,
    DownloadRequest,
    Failed,
    Loading,
    LoadRequest,
    PinRequest,
    Queued,
    Request,
    Sized,
    SizeRequest,
    UnloadRequest,
)
from playground.ui.context import AppContext
from playground.ui.models_cards import away_html, cards_html, memory_html
from playground.ui.models_size import size_html
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in
from playground.ui.running import Running
from playground.ui.scores_tab import DELEGATE
from playground.ui.stream import batches
from playground.ui.words import loading, note, problem, queued, waiting

REFRESH_S = 2.0
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LONG: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
NOTHING = Failed("No model was named.", "Write owner/name, a folder or a file.")
# What is written while it is done, and when it is done.
WORDS = {
    "load": ("Loading", "is ready"),
    "unload": ("Unloading", "is unloaded"),
    "pin": ("Pinning", "is pinned: it stays until it is unloaded or unpinned"),
    "unpin": ("Unpinning", "is not pinned any more"),
    "download": ("Downloading", "is on this machine"),
    "size": ("Looking at", ""),
    "add": ("Adding", ""),
}


def build_models(context: AppContext, running: Running, remember: Remember, tab: gr.Tab, tabs: gr.Tabs) -> gr.State:
    """Adds the tab's contents, which are read while the tab is open.

    Returns a state that changes whenever models were added or removed, for the other tabs' choices.
    """
    memory = gr.HTML(waiting("Looking at the models"), elem_id="models_memory")
    may_add = context.settings.is_private
    with gr.Row(elem_id="models_add", visible=may_add, equal_height=False):
        source = gr.Textbox(
            label="Add a model",
            placeholder="owner/name on the hub, a folder, or a .safetensors or .gguf file",
            info="It is sized first; nothing is fetched before you say so.",
            elem_id="models_source",
            scale=6,
            min_width=320,
        )
        look = gr.Button("See what it takes", elem_id="models_look", scale=1, min_width=160)
        add = gr.Button("Add", variant="primary", elem_id="models_add_run", scale=1, min_width=90)
    progress = gr.HTML("", elem_id="models_progress", elem_classes="pg-maybe", js_on_load=DELEGATE)
    detail = gr.HTML("", elem_id="models_detail", elem_classes="pg-maybe", js_on_load=DELEGATE)
    cards = gr.HTML("", elem_id="models_cards", js_on_load=DELEGATE)
    away = gr.HTML("", elem_id="models_away", elem_classes="pg-maybe", js_on_load=DELEGATE)
    timer = gr.Timer(REFRESH_S, active=False)
    changed = gr.State(0)
    activities = Activities()

    async def refresh() -> tuple[str, str, str]:
        states, health, catalog = await context.engine.models(), await context.engine.health(), context.catalog
        return (
            memory_html(states, health, catalog),
            cards_html(states, health, catalog),
            away_html(states, health, catalog),
        )

    async def act(count: int, state: Any, request: gr.Request, event: gr.EventData) -> AsyncIterator[Any]:
        action, key = str(event._data.get("act", "")), str(event._data.get("key", ""))
        session = str(request.session_hash)
        if action == "remove" and may_add:
            yield await _remove(key, session, count)
            return
        if key not in context.catalog or action in ("add", "") or action not in WORDS:
            yield tuple(gr.skip() for _ in range(6))
            return
        wanted = _request_of(action, key, owner_of(request, owner_in(state)))
        async for update in _follow(wanted, action, key, context.catalog[key].name, session):
            yield *update, gr.skip()

    async def _remove(key: str, session: str, count: int) -> tuple[Any, ...]:
        try:
            name = context.catalog[key].name
            context.catalog.remove(key)
        except PlaygroundError as error:
            activities.set(session, key, problem(Failed.of(error)))
            return activities.html(session), *(gr.skip() for _ in range(5))
        activities.set(session, key, note(f"{name} is off the list; its files stay where they are."))
        return activities.html(session), gr.skip(), *await refresh(), count + 1

    async def _follow(wanted: Request, action: str, key: str, name: str, session: str) -> AsyncIterator[Any]:
        """Runs one request, with its progress as a line of its own: (progress, detail, memory, cards, away)."""
        token = running.start(session, f"models-{key}")
        verb, after = WORDS[action]
        line, last, found = f"{verb} {name}", "", gr.skip()
        try:
            activities.set(session, key, _stoppable(waiting(line), key, name))
            yield activities.html(session), gr.skip(), *await refresh()
            async with aclosing(batches(context.engine, wanted, token)) as events:
                async for batch in events:
                    fraction: float | None = None
                    for item in batch:
                        if isinstance(item, Loading):
                            line, fraction = item.text or loading(item), item.fraction
                        elif isinstance(item, Queued):
                            line = queued(item)
                        elif isinstance(item, Sized):
                            found = size_html(item.report, can_add=may_add)
                        elif isinstance(item, Added):
                            last = note(f"{context.catalog[item.model].name} is on the list, as {item.model}.")
                        elif isinstance(item, Failed):
                            last = problem(item, name)
                        elif isinstance(item, Done) and not last:
                            last = note("Stopped." if token.cancelled else f"{name} {after}.") if after else " "
                    activities.set(session, key, last or _stoppable(waiting(line, fraction), key, name))
                    yield activities.html(session), found, gr.skip(), gr.skip(), gr.skip()
        finally:
            running.finish(session, f"models-{key}", token)
            activities.set(session, key, last or note("Stopped."))
        yield activities.html(session), gr.skip(), *await refresh()

    async def look_at(source: str, state: Any, request: gr.Request) -> AsyncIterator[Any]:
        name = (source or "").strip()
        if not name:
            yield (
                problem(Failed("Nothing was named.", "Write owner/name, or a folder.")),
                gr.skip(),
                gr.skip(),
                gr.skip(),
            )
            return
        wanted = SizeRequest(name, owner_of(request, owner_in(state)))
        async for update in _follow(wanted, "size", name, name, str(request.session_hash)):
            yield update

    async def look_and_add(source: str, count: int, state: Any, request: gr.Request) -> AsyncIterator[Any]:
        before = len(context.catalog)
        async for update in look_at(source, state, request):
            yield *update, gr.skip(), gr.skip()
        name = (source or "").strip()
        if not name:
            return
        wanted = AddRequest(name, owner_of(request, owner_in(state)))
        async for update in _follow(wanted, "add", name, name, str(request.session_hash)):
            yield *update, gr.skip(), gr.skip()
        if len(context.catalog) > before:
            yield gr.skip(), gr.skip(), *await refresh(), "", count + 1

    def press(request: gr.Request, event: gr.EventData) -> None:
        """The button in a progress line."""
        running.stop(str(request.session_hash), f"models-{event._data.get('key', '')}")

    async def press_in_sizes(count: int, state: Any, request: gr.Request, event: gr.EventData) -> AsyncIterator[Any]:
        """Closes them, or adds a form of the model."""
        action, key = str(event._data.get("act", "")), str(event._data.get("key", ""))
        if action == "close":
            yield gr.skip(), "", *(gr.skip() for _ in range(4))
            return
        before = len(context.catalog)
        form, _, name = key.partition(":")
        wanted = AddRequest(name, owner_of(request, owner_in(state)), form)
        async for update in _follow(wanted, "add", key, f"{name} in {form}", str(request.session_hash)):
            yield *update, gr.skip()
        yield gr.skip(), gr.skip(), *await refresh(), count + (len(context.catalog) > before)

    lists = [memory, cards, away]
    opened = tab.select(refresh, None, lists, **QUICK)
    opened.then(lambda: gr.Timer(active=True), None, timer, **QUICK)
    _sleep_elsewhere(tabs, timer)
    timer.tick(refresh, None, lists, trigger_mode="once", **QUICK)
    shown = [progress, detail, *lists]
    gr.on([cards.click, away.click], act, [changed, remember.state], [*shown, changed], trigger_mode="multiple", **LONG)
    progress.click(press, None, None, **QUICK)
    detail.click(press_in_sizes, [changed, remember.state], [*shown, changed], **LONG)
    gr.on([look.click, source.submit], look_at, [source, remember.state], shown, trigger_mode="multiple", **LONG)
    add.click(look_and_add, [source, changed, remember.state], [*shown, source, changed], **LONG)
    return changed


def _request_of(action: str, key: str, owner: str) -> Request:
    if action in ("pin", "unpin"):
        return PinRequest(key, owner, action == "pin")
    kinds: dict[str, Any] = {
        "load": LoadRequest,
        "unload": UnloadRequest,
        "download": DownloadRequest,
        "size": SizeRequest,
    }
    return kinds[action](key, owner)


def _stoppable(line: str, key: str, name: str) -> str:
    return (
        f'<div class="pg-activity">{line}<button type="button" class="pg-button" data-act="stop" '
        f'data-key="{escape(key)}" aria-label="Stop {escape(name)}">Stop</button></div>'
    )


def _sleep_elsewhere(tabs: gr.Tabs, timer: gr.Timer) -> None:
    """The timer runs only while its tab is open."""

    def selected(event: gr.SelectData) -> Any:
        return gr.Timer(active=event.value == "Models")

    tabs.select(selected, None, timer, **QUICK)


class Activities:
    """One line for each model that a session is doing something with; finished ones go when the next one starts."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, str]] = {}

    def set(self, session: str, key: str, line: str) -> None:
        lines = self._lines.setdefault(session, {})
        if key not in lines or "pg-activity" not in lines[key]:
            for other in [k for k, text in lines.items() if "pg-activity" not in text]:
                del lines[other]
        lines[key] = line
        while len(self._lines) > 1000:  # sessions come and go
            del self._lines[next(iter(self._lines))]

    def html(self, session: str) -> str:
        return "".join(self._lines.get(session, {}).values())
