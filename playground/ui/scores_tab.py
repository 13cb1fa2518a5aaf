"""The Scores tab: the table over all models, and measuring one of them on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.protocol import Failed, Notice
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, flag, one_of, owner_in, text
from playground.ui.running import Running
from playground.ui.scores_table import filtered, how_html, ordered, table_html
from playground.ui.words import note, problem, seconds, waiting

# A table tells the server which of its buttons was pressed; the buttons are real ones, so keys work too.
DELEGATE = """element.addEventListener('click', (e) => {
    const pressed = e.target.closest('[data-act]');
    if (pressed) trigger('click', {act: pressed.dataset.act, key: pressed.dataset.key});
});"""
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SETTLED: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}


def build_scores(context: AppContext, running: Running, remember: Remember, tab: gr.Tab) -> None:
    """Adds the tab's contents; the table is read each time the tab is opened."""
    able = [card for card in context.catalog if card.kind != "clip"]
    licences = ["Any", *sorted({card.licence for card in context.catalog})]
    kinds = [("All", "all"), ("Text", "chat"), ("Image", "image")]
    with gr.Row(elem_id="scores_filters", equal_height=True):
        kind = gr.Radio(kinds, value="all", label="Kind", elem_id="scores_kind", min_width=200)
        licence = gr.Dropdown(licences, value="Any", label="Licence", elem_id="scores_licence", min_width=160)
        search = gr.Textbox(label="Search", placeholder="A name or licence", elem_id="scores_search", min_width=160)
        measured = gr.Checkbox(False, label="Measured here only", elem_id="scores_measured", min_width=160)
    table = gr.HTML(waiting("Reading the scores"), elem_id="scores_table", js_on_load=DELEGATE)
    with gr.Row(elem_id="scores_measure_row", elem_classes="pg-panes"):
        with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
            gr.HTML(
                '<h2 class="pg-h2">Measure</h2><p class="pg-note">Load time, speed, memory and a small quality figure, '
                "on this machine. Do not use it for anything else meanwhile.</p>"
            )
            model = gr.Dropdown(
                [(card.name, card.id) for card in able],
                value=able[0].id if able else None,
                label="Model to measure",
                elem_id="scores_model",
            )
            with gr.Row(elem_classes="pg-run-row"):
                run = gr.Button("Measure", variant="primary", elem_id="scores_run", elem_classes="pg-run", scale=3)
                stop = gr.Button("Stop", elem_id="scores_stop", elem_classes="pg-stop", interactive=False, min_width=80)
            progress = gr.HTML("", elem_id="scores_progress", elem_classes="pg-maybe")
        with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
            how = gr.HTML(how_html(None, None), elem_id="scores_how")
    selected = gr.State("")
    order = gr.State(("", False))
    remember.keep("scores.kind", kind, one_of(["all", "chat", "image"]))
    remember.keep("scores.licence", licence, one_of(licences))
    remember.keep("scores.search", search, text)
    remember.keep("scores.measured", measured, flag)
    remember.keep("scores.model", model, one_of([card.id for card in able]))

    async def rows_of(owner: str) -> list[dict[str, Any]]:
        from playground.scores.table import score_table

        states = await context.engine.models()
        kept = await asyncio.to_thread(lambda: context.store().scores(owner))
        return score_table(context.catalog, kept, states, "all")

    async def show(
        kind: str,
        licence: str,
        measured: bool,
        search: str,
        chosen: str,
        order: tuple[str, bool],
        state: Any,
        request: gr.Request,
    ) -> tuple[str, str]:
        from playground.scores.table import explain

        try:
            rows = await rows_of(owner_of(request, owner_in(state)))
        except PlaygroundError as error:
            return problem(Failed.of(error)), ""
        fitting = ordered(filtered(rows, kind, licence, measured, search or ""), *order)
        row = next((r for r in rows if r["id"] == chosen), None)
        return table_html(fitting, chosen, *order), how_html(row, explain)

    def press(chosen: str, order: tuple[str, bool], event: gr.EventData) -> Any:
        act, key = str(event._data.get("act", "")), str(event._data.get("key", ""))
        if act == "sort":
            return chosen, (key, order[0] == key and not order[1]), gr.skip()
        picked = gr.update(value=key) if any(card.id == key for card in able) else gr.skip()
        return key, order, picked

    async def measure_model(model: str, state: Any, request: gr.Request) -> AsyncIterator[Any]:
        from playground.scores.measure import Finished, Measured, Progress, measure

        session, owner = str(request.session_hash), owner_of(request, owner_in(state))
        card = context.catalog[model]
        token = running.start(session, "measure")
        notes, rows, last = "", [], ""
        try:
            yield (
                waiting(f"Starting to measure {card.name}"),
                gr.update(interactive=False),
                gr.update(interactive=True),
                card.id,
            )
            async with aclosing(measure(context.engine, card, token, owner=owner)) as events:
                async for event in events:
                    if isinstance(event, Progress):
                        left = f", about {seconds(event.seconds_left)} left" if event.seconds_left is not None else ""
                        line = f"{card.name}: {event.what}, {event.done} of {event.total}{left}"
                        last = waiting(line, event.done / max(1, event.total))
                    elif isinstance(event, Measured):
                        rows.append(event.row)
                    elif isinstance(event, Notice):
                        notes += note(event.text)
                    elif isinstance(event, Failed):
                        last, notes = "", notes + problem(event, card.name)
                    elif isinstance(event, Finished):
                        ended = "Stopped" if event.stopped else "Done"
                        last = note(f"{ended}: {len(event.rows)} figures of {card.name} are in the table.")
                    yield last + notes, gr.skip(), gr.skip(), gr.skip()
        except PlaygroundError as error:
            last = problem(Failed.of(error), card.name)
        finally:
            running.finish(session, "measure", token)
            if rows:  # what was finished is kept, also after a stop or when the page is left
                await asyncio.to_thread(lambda: context.store().add_scores(owner, rows))
        yield last + notes, gr.update(interactive=True), gr.update(interactive=False), gr.skip()

    def stop_run(request: gr.Request) -> None:
        running.stop(str(request.session_hash), "measure")

    view = [kind, licence, measured, search, selected, order, remember.state]
    gr.on(
        [kind.change, licence.change, measured.change, search.change, tab.select],
        show,
        view,
        [table, how],
        trigger_mode="always_last",
        **QUICK,
    )
    table.click(press, [selected, order], [selected, order, model], **QUICK).then(show, view, [table, how], **QUICK)
    run.click(measure_model, [model, remember.state], [progress, run, stop, selected], **SETTLED).then(
        show, view, [table, how], **QUICK
    )
    stop.click(stop_run, **QUICK)
