"""What the buttons of the Text to image tab do: put a job into the line, follow it, skip, stop, cancel, draw live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.protocol import Failed, ImageRequest
from playground.ui.context import AppContext
from playground.ui.image_ask import asked
from playground.ui.image_live import REST_S, Live
from playground.ui.image_queue import Line, Lines, job_of, title_html, waiting_html
from playground.ui.image_run import items
from playground.ui.owner import owner_of
from playground.ui.remember import owner_in
from playground.ui.words import problem

NO_MODEL = Failed("No model is chosen.", "Choose at least one under Models.", "InvalidRequest")
PACE_S = 0.2  # at least, between two updates of a page
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
EVERY: dict[str, Any] = QUICK | {"trigger_mode": "multiple"}
LAST: dict[str, Any] = QUICK | {"trigger_mode": "always_last"}
FOLLOW: dict[str, Any] = {
    "show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private", "trigger_mode": "multiple",
}  # fmt: skip
# The buttons in a list tell the server which of them was pressed; they are real ones, so keys work too.
DELEGATE = """element.addEventListener('click', (e) => {
    const pressed = e.target.closest('[data-act]');
    if (pressed) trigger('click', {act: pressed.dataset.act, key: pressed.dataset.key});
});"""
# Moves reach the server only while Live is on.
MOVED = "(live) => { if (live && window.playgroundReady) document.getElementById('image_live_moved').click(); }"


@dataclass(frozen=True)
class Buttons:
    """The row below the form, and the switch for live drawing."""

    live: gr.Checkbox
    moved: gr.Button
    run: gr.Button
    skip: gr.Button
    stop: gr.Button


def buttons() -> Buttons:
    """Adds them."""
    live = gr.Checkbox(
        False,
        label="Live",
        info=f"Each change draws a quick sketch with the shown seed; after {REST_S:g} s of rest the full run follows.",
        elem_id="image_live",
    )
    moved = gr.Button("", elem_id="image_live_moved", elem_classes="pg-scripts")
    with gr.Row(elem_classes="pg-run-row"):
        run = gr.Button("Generate", variant="primary", elem_id="image_run", elem_classes="pg-run", scale=3)
        skip = gr.Button("Skip", elem_id="image_skip", interactive=False, min_width=64)
        stop = gr.Button("Stop", elem_id="image_stop", elem_classes="pg-stop", interactive=False, min_width=64)
    return Buttons(live, moved, run, skip, stop)


@dataclass(frozen=True)
class Results:
    """What a line shows: live drawing, progress, pictures, waiting jobs, and what the page title is made of."""

    live: gr.HTML
    status: gr.HTML
    waiting: gr.HTML
    title: gr.HTML
    gallery: gr.Gallery
    rows: gr.State
    finished: gr.State


def results(nothing: str, gallery: Any) -> Results:
    """Adds them; `gallery` makes the gallery in its place."""
    live = gr.HTML("", elem_id="image_sketch", elem_classes="pg-maybe")
    status = gr.HTML(nothing, elem_id="image_status")
    waiting = gr.HTML("", elem_id="image_waiting", elem_classes="pg-maybe", js_on_load=DELEGATE)
    title = gr.HTML("", elem_id="image_title", elem_classes="pg-scripts")
    return Results(live, status, waiting, title, gallery(), gr.State([]), gr.State(0))


class Jobs:
    """The handlers. `form` has the controls by the names that `asked` takes; its seed shows that of a run."""

    def __init__(self, context: AppContext, form: dict[str, Any], owner: Any, row: Buttons, shown: Results) -> None:
        self._context = context
        self.lines = Lines(context)
        self._lives: dict[str, Live] = {}
        self._followers: dict[str, object] = {}
        self._names = {card.id: card.name for card in context.catalog.of_kind("image")}
        self._names_of_form, self._fields = list(form), list(form.values())
        self._seed, self._still = form["seed"], (form["number"], form["fresh"])
        self._owner, self._row, self._shown = owner, row, shown

    @property
    def _outputs(self) -> list[Any]:
        row, shown = self._row, self._shown
        return [shown.live, shown.status, shown.waiting, shown.title, shown.gallery, shown.rows, shown.finished,
                row.skip, row.stop]  # fmt: skip

    # --- handlers ---

    def wire(self) -> None:
        """Connects the buttons, and live drawing with every control that changes a picture."""
        row, shown = self._row, self._shown
        self.starts(row.run.click)
        for button, act in ((row.skip, "skip"), (row.stop, "stop")):
            button.click(self._acting(act), self._owner, None, **EVERY)
        shown.waiting.click(self._press, self._owner, None, **EVERY)
        moving = [part.change for part in self._fields if part not in self._still]
        gr.on(moving, fn=None, js=MOVED, inputs=row.live)
        drawn = row.moved.click(self._draw, [*self._fields, self._owner], None, **LAST)
        drawn.then(self._follow, self._owner, self._outputs, **FOLLOW)
        row.live.change(self._switch, [row.live, self._owner], None, **LAST)

    def starts(self, trigger: Any) -> None:
        """What `trigger` begins puts the form's job into the line, and follows it."""
        trigger(self._start, [*self._fields, self._owner], [*self._outputs, self._seed], **FOLLOW)

    def resume(self, ready: Any) -> None:
        """Once the page is there, shows what runs and waits already."""
        ready.then(self._follow, self._owner, self._outputs, **FOLLOW)

    def _line(self, request: gr.Request, state: Any) -> tuple[str, Line]:
        owner = owner_of(request, owner_in(state))
        return owner, self.lines.of(owner)

    def _live(self, owner: str, line: Line) -> Live:
        for key in [key for key, live in self._lives.items() if not live.busy][:-100]:
            del self._lives[key]
        if owner not in self._lives or self._lives[owner].line is not line:
            self._lives[owner] = Live(self._context, line)
        return self._lives[owner]

    async def _start(self, request: gr.Request, *values: Any) -> AsyncIterator[list[Any]]:
        seed = await self._add(request, *values)
        async with aclosing(self._follow(values[-1], request)) as updates:
            async for update in updates:
                yield [*update, seed]
                seed = gr.skip()

    async def _add(self, request: gr.Request, *values: Any) -> Any:
        """Puts the form's job into the line; its seed, or nothing where it cannot be."""
        *_, state = values
        owner, line = self._line(request, state)
        try:
            wanted, models = await self._asked(owner, values)
            if not models:
                line.say(problem(NO_MODEL))
                return gr.skip()
            if owner in self._lives:
                self._lives[owner].asked_already(wanted, models)
            line.add(job_of(wanted, models))
        except PlaygroundError as error:
            line.say(problem(Failed.of(error)))
            return gr.skip()
        return wanted.seed

    async def _draw(self, request: gr.Request, *values: Any) -> None:
        *_, state = values
        owner, line = self._line(request, state)
        try:
            wanted, models = await self._asked(owner, values, kept_seed=True)
        except PlaygroundError as error:
            line.say(problem(Failed.of(error)))
            return
        if models:
            self._live(owner, line).moved(wanted, models)

    async def _asked(self, owner: str, values: tuple[Any, ...], **how: bool) -> tuple[ImageRequest, tuple[str, ...]]:
        form = dict(zip(self._names_of_form, values, strict=False))
        return await asyncio.to_thread(asked, form, owner, self._context.settings.data_path, **how)

    async def _switch(self, on: bool, state: Any, request: gr.Request) -> None:
        owner, _ = self._line(request, state)
        if not on and owner in self._lives:
            self._lives[owner].off()

    async def _follow(self, state: Any, request: gr.Request) -> AsyncGenerator[list[Any]]:
        """Shows the line as it goes on, until nothing runs; one stream a page, which the newest takes over."""
        owner, line = self._line(request, state)
        live = self._lives.get(owner)
        session, me = str(request.session_hash), object()
        if not (line.busy or line.status or line.ended.count or (live and live.busy)):
            yield [gr.skip()] * len(self._outputs)  # a stream without an update would empty them
            return
        self._followers[session] = me
        before: list[Any] = [None] * len(self._outputs)
        try:
            while self._followers.get(session) is me:
                version, busy = line.version, line.busy or bool(live and live.busy)
                now = self._state(line, live)
                # What did not change is not sent, so that the page has less to draw.
                yield [self._update(i, value) if value != before[i] else gr.skip() for i, value in enumerate(now)]
                before = now
                if not busy:
                    return
                await asyncio.sleep(PACE_S)
                await line.changed(version)
        finally:
            if self._followers.get(session) is me:
                del self._followers[session]

    def _state(self, line: Line, live: Live | None) -> list[Any]:
        """What the outputs show now, in their order."""
        works, pictures = line.running is not None, list(line.pictures)
        return [live.html if live else "", line.status, waiting_html(line, self._names), title_html(line), pictures,
                pictures, line.ended.count, works, works]  # fmt: skip

    def _update(self, index: int, value: Any) -> Any:
        output = self._outputs[index]
        if output is self._shown.gallery:
            return gr.update(value=items(value), visible=bool(value))
        return gr.update(interactive=value) if output in (self._row.skip, self._row.stop) else value

    def _acting(self, act: str) -> Any:
        async def acted(state: Any, request: gr.Request) -> None:
            _, line = self._line(request, state)
            line.skip() if act == "skip" else line.stop()

        return acted

    async def _press(self, state: Any, request: gr.Request, event: gr.EventData) -> None:
        act, key = str(event._data.get("act", "")), str(event._data.get("key", ""))
        _, line = self._line(request, state)
        if act == "clear":
            line.clear()
        elif act == "cancel" and key.isdecimal() and len(key) < 16:
            line.cancel(int(key))
