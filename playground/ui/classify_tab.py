"""Classify: many texts and a set of labels on several models; probabilities, accuracy, confusion, and files of it."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import gradio as gr

from playground.classify.kept import keep, last, written
from playground.classify.label_sets import LabelSet, label_sets
from playground.classify.records import Result
from playground.classify.run import Progress, classify
from playground.classify.tables import as_csv, as_json
from playground.errors import PlaygroundError
from playground.protocol import Failed
from playground.ui.classify_form import LINES, Asked, build_form, example_text, set_text
from playground.ui.classify_html import EMPTY, SHOW, figures_html, matrices_html, progress_html, rows_html
from playground.ui.context import AppContext
from playground.ui.outputs import outputs_folder
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in
from playground.ui.running import Running
from playground.ui.words import note, problem

UPDATE_S = 0.25
BUSY = 10  # a long table is drawn again only after this many times what drawing it took
KEEP_S = 20.0  # what is finished is kept this often while a run goes on
PLACE = "classify"
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SETTLED: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}


class ClassifyTab:
    """What the page needs of this part: `models` to keep its choices fresh, `wire` to bring the last run back."""

    def __init__(self, models: gr.Dropdown, restore: Any) -> None:
        self.models = models
        self._restore = restore

    def wire(self, ready: Any) -> None:
        """Shows the visitor's last run once the page is ready."""
        self._restore(ready.then)


def build_classify(context: AppContext, running: Running, remember: Remember) -> ClassifyTab:
    """Adds the contents of the tab or section."""
    cards = context.catalog.of_kind("chat")
    names = {card.id: card.name for card in cards}
    sets = label_sets()
    with gr.Row(elem_id="classify_row", elem_classes="pg-panes"):
        with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
            with gr.Row(elem_classes="pg-pills", elem_id="classify_examples"):
                examples = [
                    gr.Button(f"Try: {one.name}", size="sm", min_width=40, elem_id=f"classify_example_{i}")
                    for i, one in enumerate(sets)
                ]
            form = build_form(list(cards), remember)
            with gr.Row(elem_classes="pg-run-row"):
                run = gr.Button("Classify", variant="primary", elem_id="classify_run", elem_classes="pg-run", scale=3)
                stop = gr.Button(
                    "Stop", elem_id="classify_stop", elem_classes="pg-stop", interactive=False, min_width=80
                )
        with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
            status = gr.HTML(EMPTY, elem_id="classify_status")
            figures = gr.HTML("", elem_id="classify_figures", elem_classes="pg-maybe")
            matrices = gr.HTML("", elem_id="classify_matrices", elem_classes="pg-maybe")
            show = gr.Radio(
                list(SHOW), value=SHOW[0], label="Show", elem_id="classify_show", visible=False,
            )  # fmt: skip
            table = gr.HTML("", elem_id="classify_table", elem_classes="pg-maybe")
            with gr.Row(visible=False, elem_id="classify_files") as files:
                csv_file = gr.DownloadButton("Download CSV", size="sm", elem_id="classify_download_csv", min_width=80)
                json_file = gr.DownloadButton(
                    "Download JSON", size="sm", elem_id="classify_download_json", min_width=80
                )
    held = gr.State(None)
    outputs = [status, figures, matrices, table, show, files, csv_file, json_file, held, stop]
    same = tuple(gr.skip() for _ in outputs)

    def shown(result: Result, line: str, filter_: str, *, done: bool, paths: tuple[str, ...] | None = None) -> Any:
        made = any(result.verdicts.values())
        return (
            line,
            figures_html(result, names) if made or result.failures else "",
            matrices_html(result, names),
            rows_html(result, names, filter_) if made else "",
            gr.update(visible=made),
            gr.update(visible=paths is not None),
            gr.update(value=paths[0]) if paths else gr.skip(),
            gr.update(value=paths[1]) if paths else gr.skip(),
            result if done else gr.skip(),
            gr.update(interactive=not done),
        )

    async def start(filter_: str, state: Any, request: gr.Request, *values: Any) -> AsyncIterator[Any]:
        session, owner = str(request.session_hash), owner_of(request, owner_in(state))
        try:
            asked, items = await asyncio.to_thread(Asked(*values).checked)
            chosen = [context.catalog[model] for model in Asked(*values).models]
        except PlaygroundError as error:
            yield (problem(Failed.of(error)), *same[1:])
            return
        result = Result(asked, items, tuple(card.id for card in chosen))
        token = running.start(session, PLACE)
        steps = {card.id: Progress(card.id, 0, len(items)) for card in chosen}
        due = kept = time.monotonic()
        try:
            yield shown(result, progress_html(steps, names), filter_, done=False)
            async with aclosing(classify(context.engine, chosen, result, token, owner)) as events:
                async for event in events:
                    if isinstance(event, Progress):
                        steps[event.model] = event
                    if not running.holds(session, PLACE, token):  # a newer run shows its own
                        continue
                    now = time.monotonic()
                    if now - kept > KEEP_S:
                        await asyncio.to_thread(keep, _folder(context), owner, written(result))
                        kept = time.monotonic()
                    if now >= due:
                        update = shown(result, progress_html(steps, names), filter_, done=False)
                        due = now + max(UPDATE_S, BUSY * (time.monotonic() - now))
                        yield update
            current = running.holds(session, PLACE, token)
        finally:
            running.finish(session, PLACE, token)
            if any(result.verdicts.values()):  # also when the page was left
                await asyncio.to_thread(keep, _folder(context), owner, written(result))
        if not current:
            yield same
            return
        paths = await asyncio.to_thread(_files, context, owner, result) if any(result.verdicts.values()) else None
        yield shown(result, note(_ended(result)), filter_, done=True, paths=paths)

    async def restore(filter_: str, state: Any, request: gr.Request) -> Any:
        if running.any(str(request.session_hash), PLACE):
            return same
        owner = owner_of(request, owner_in(state))
        found = await asyncio.to_thread(last, _folder(context), owner)
        if found is None:
            return same
        result, paths = found
        if not (len(paths) == 2 and all(Path(path).is_file() for path in paths)):  # the run was cut off
            paths = await asyncio.to_thread(_files, context, owner, result)
        return shown(result, note(f"Your last run. {_ended(result)}"), filter_, done=True, paths=paths)

    def filtered(filter_: str, result: Result | None) -> Any:
        return rows_html(result, names, filter_) if result is not None else gr.skip()

    def stop_run(request: gr.Request) -> None:
        running.stop(str(request.session_hash), PLACE)

    inputs = [show, remember.state, *form.inputs]
    run.click(start, inputs, outputs, **SETTLED)
    filled = [form.source, form.lines, form.labels, form.multi]
    for button, one in zip(examples, sets, strict=True):
        button.click(_filler(one), None, filled, **QUICK).then(start, inputs, outputs, **SETTLED)
    stop.click(stop_run, **QUICK)
    show.input(filtered, [show, held], table, **QUICK)
    return ClassifyTab(form.models, lambda trigger: trigger(restore, [show, remember.state], outputs, **SETTLED))


def _filler(one: LabelSet) -> Any:
    return lambda: (LINES, example_text(one), set_text(one), one.multi_label)


def _folder(context: AppContext) -> Path:
    return context.settings.data_path / "classify"


def _files(context: AppContext, owner: str, result: Result) -> tuple[str, ...]:
    """The run as CSV and JSON in the outputs folder, under names that cannot be guessed, and kept with the run."""
    day = outputs_folder(context.settings) / time.strftime("%Y-%m-%d")
    day.mkdir(exist_ok=True)
    stem = re.sub(r"[^a-z0-9]+", "-", "-".join(result.task.labels).lower()).strip("-")[:40] or "labels"
    base = day / f"classify-{stem}-{secrets.token_hex(8)}"
    table, whole = base.with_suffix(".csv"), base.with_suffix(".json")
    table.write_text(as_csv(result), encoding="utf-8-sig", newline="")  # the mark tells Excel that it is UTF-8
    whole.write_text(as_json(result), encoding="utf-8")
    keep(_folder(context), owner, written(result, (str(table), str(whole))))
    return str(table), str(whole)


def _ended(result: Result) -> str:
    done = min(len(result.of(model)) for model in result.models)
    if result.stopped:
        return f"Stopped: every model has judged {done:,} of {len(result.items):,} texts; what was finished is below."
    if result.failures:
        return f"{len(result.failures)} of {len(result.models)} models failed; what was finished is below."
    return f"Done: {len(result.items):,} texts with {len(result.models)} model{'s' * (len(result.models) > 1)}."
