"""The Batches section: many prompts over several models, progress, a table, files, and earlier batches to resume."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from playground.batches.building import items_of
from playground.batches.exporting import FORMS
from playground.batches.kept import Batches
from playground.batches.records import MATCHES, MAX_SEED, MOST_MODELS, Groups, Row, Spec
from playground.batches.running import AT_ONCE, MOST_AT_ONCE
from playground.batches.similar import THRESHOLD, grouped, merge, split
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import Failed
from playground.ui.batch_run import Form, export_file, follow, spec_of, table_of
from playground.ui.batch_words import (
    ended_html,
    groups_html,
    list_html,
    preview_html,
    progress_html,
    rows_html,
    thinking_html,
    totals_html,
)
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, between, flag, one_of, owner_in, some_of, text
from playground.ui.running import Running
from playground.ui.scores_tab import DELEGATE
from playground.ui.words import empty, note, problem, waiting

PLACE = "batch"
MOST_FILE = 20_000_000
EXAMPLE = """question,answer
What is 7 plus 5?,12
How much is 7 plus 5?,12
What is 9 plus 4?,13
How much is 9 plus 4?,13"""
NOTHING = empty(
    "No answers yet",
    "Paste prompts, one a line, or upload a CSV or JSONL file, choose models, and run. The example on the left shows "
    "a table with right answers.",
)
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LONG: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}


@dataclass(frozen=True)
class BatchSection:
    """What the page needs of this section: the choice of models, to label with their states, and `wire`.

    `wire(ready)` is called with what the page has run once it is loaded, and lists the earlier batches then.
    """

    models: gr.Dropdown
    wire: Callable[[Any], Any]


def build_batches(context: AppContext, running: Running, remember: Remember) -> BatchSection:
    """Adds the section's contents."""
    cards = context.catalog.of_kind("chat")
    ids = [card.id for card in cards]
    names = {card.id: card.name for card in cards}
    thinkers = [(card.name, card.id) for card in cards if card.can("thinking")]
    with gr.Row(elem_id="batch_row", elem_classes="pg-panes"):
        with gr.Column(scale=4, min_width=300, elem_classes="pg-form"):
            pasted = gr.Textbox(
                label="Prompts", placeholder="One a line, or a table as CSV or JSON Lines", lines=6, max_lines=14,
                elem_id="batch_prompts",
            )  # fmt: skip
            with gr.Row(elem_classes="pg-pills"):
                example = gr.Button("A table with answers", size="sm", min_width=40, elem_id="batch_example")
            upload = gr.File(
                label="Or a file", file_types=[".txt", ".csv", ".tsv", ".jsonl"], type="filepath", height=110,
                elem_id="batch_file",
            )  # fmt: skip
            form = gr.Radio(
                [("Found out", ""), ("Lines", "lines"), ("CSV", "csv"), ("JSON Lines", "jsonl")], value="",
                label="Form", elem_id="batch_form",
            )  # fmt: skip
            with gr.Row():
                column = gr.Dropdown(
                    [("First", "")], value="", label="Prompt column", elem_id="batch_column", min_width=140
                )
                truth = gr.Dropdown(
                    [("None", "")], value="", label="Right answers", info="Answers are compared with this column.",
                    elem_id="batch_truth", min_width=140,
                )  # fmt: skip
            template = gr.Textbox(
                label="Template", info="A text with columns in it, such as: Translate {{question}}. Empty: the column.",
                lines=1, max_lines=6, elem_id="batch_template",
            )  # fmt: skip
            prefix = gr.Textbox(
                label="Shared beginning",
                info="A system prompt or a document for all prompts. On this machine it is read once.",
                lines=2, max_lines=8, elem_id="batch_prefix",
            )  # fmt: skip
            models = gr.Dropdown(
                [(card.name, card.id) for card in cards], value=ids[:1], multiselect=True, label="Models",
                max_choices=MOST_MODELS, info="Every prompt goes to each.", elem_id="batch_models",
            )  # fmt: skip
            with gr.Accordion("Options", open=False, elem_id="batch_options"):
                with gr.Row():
                    most = gr.Number(None, label="Max new tokens", precision=0, minimum=1, elem_id="batch_tokens")
                    temperature = gr.Number(None, label="Temperature", minimum=0, maximum=5, elem_id="batch_heat")
                with gr.Row():
                    seed = gr.Number(
                        None, label="Seed", info="Empty: a fresh one. The same one resumes the same batch.",
                        precision=0, minimum=0, maximum=MAX_SEED, elem_id="batch_seed",
                    )  # fmt: skip
                    at_once = gr.Number(
                        AT_ONCE, label="At once", info="Requests to a model behind an API.", precision=0, minimum=1,
                        maximum=MOST_AT_ONCE, elem_id="batch_at_once",
                    )  # fmt: skip
                match = gr.Radio(
                    [("Contains it", "contains"), ("Is it", "exact"), ("Last number", "number")], value="contains",
                    label="An answer is right if it", elem_id="batch_match",
                )  # fmt: skip
            with gr.Accordion("Reason once", open=False, elem_id="batch_once_fold"):
                once = gr.Checkbox(
                    False, label="Reason once for prompts that are much alike",
                    info="One thinks about the first of a group; that thought is given to all of it.",
                    elem_id="batch_once",
                )  # fmt: skip
                reasoner = gr.Dropdown(
                    [("The first chosen model that thinks", ""), *thinkers], value="", label="Who thinks",
                    elem_id="batch_reasoner",
                )  # fmt: skip
                similarity = gr.Slider(
                    0.05, 1.0, THRESHOLD, step=0.05, label="Similarity",
                    info="How alike a prompt is to the first of its group: cosine of weighted letter triples.",
                    elem_id="batch_similarity",
                )  # fmt: skip
                group = gr.Button("Show the groups", size="sm", elem_id="batch_group")
                shown_groups = gr.HTML("", elem_id="batch_groups", elem_classes="pg-maybe")
                with gr.Row():
                    numbers = gr.Textbox(
                        label="Groups", info="One to split, two to merge: 3 or 1, 2.", elem_id="batch_numbers",
                        min_width=120,
                    )  # fmt: skip
                    lines = gr.Textbox(
                        label="Lines to take out", info="Empty: each becomes a group.", elem_id="batch_lines",
                        min_width=120,
                    )  # fmt: skip
                with gr.Row():
                    split_it = gr.Button("Split", size="sm", elem_id="batch_split", min_width=80)
                    merge_them = gr.Button("Merge", size="sm", elem_id="batch_merge", min_width=80)
            with gr.Row(elem_classes="pg-run-row"):
                start = gr.Button("Run", variant="primary", elem_id="batch_run", elem_classes="pg-run", scale=3)
                stop = gr.Button("Stop", elem_id="batch_stop", elem_classes="pg-stop", interactive=False, min_width=80)
        with gr.Column(scale=7, min_width=300, elem_classes="pg-results"):
            preview = gr.HTML("", elem_id="batch_preview", elem_classes="pg-maybe")
            progress = gr.HTML("", elem_id="batch_progress", elem_classes="pg-maybe")
            totals = gr.HTML("", elem_id="batch_totals", elem_classes="pg-maybe")
            rows = gr.HTML(NOTHING, elem_id="batch_rows")
            with gr.Row(visible=False, elem_id="batch_files") as files:
                download = [
                    gr.Button(label, size="sm", min_width=80, elem_id=f"batch_{kind}")
                    for kind, label in zip(FORMS, ("CSV", "JSON Lines", "Parquet"), strict=True)
                ]
            file = gr.File(label="Download", visible=False, interactive=False, elem_id="batch_download")
            gr.HTML('<h2 class="pg-h2">Earlier batches</h2>', elem_id="batch_past_title")
            past = gr.HTML("", elem_id="batch_past", elem_classes="pg-maybe", js_on_load=DELEGATE)
    own_groups = gr.State(())  # as they were split and merged; empty for those that similarity makes
    shown = gr.State("")  # the batch on the right
    remember.keep("batch.prompts", pasted, text)
    remember.keep("batch.form", form, one_of(["", "lines", "csv", "jsonl"]))
    remember.keep("batch.template", template, text)
    remember.keep("batch.prefix", prefix, text)
    remember.keep("batch.models", models, some_of(ids))
    remember.keep("batch.tokens", most, between(1, 1_000_000, empty=True))
    remember.keep("batch.temperature", temperature, between(0, 5, empty=True))
    remember.keep("batch.match", match, one_of(MATCHES))
    remember.keep("batch.once", once, flag)
    remember.keep("batch.similarity", similarity, between(0.05, 1))

    filled = [pasted, upload, form, column, truth, template, prefix, models, most, temperature, seed, match, once,
              reasoner, similarity, own_groups]  # fmt: skip
    source = [pasted, upload, form, column, truth, template]

    def kept() -> Batches:
        return Batches(context.store())

    # --- looking ---

    def look(*values: Any) -> tuple[Any, ...]:
        """The first prompts, and the columns to choose from."""
        asked = _form(values)
        if not asked.data:
            return "", gr.update(choices=[("First", "")], value=""), gr.update(choices=[("None", "")], value="")
        try:
            table = table_of(asked)
            known = {
                "column": asked.column if asked.column in table.columns else "",
                "truth": asked.truth if asked.truth in table.columns else "",
            }
            choices = [
                gr.update(choices=[(label, ""), *((c, c) for c in table.columns)], value=known[name])
                for name, label in (("column", "First"), ("truth", "None"))
            ]
        except PlaygroundError as error:
            return problem(Failed.of(error)), gr.skip(), gr.skip()
        try:
            items, _ = items_of(table, known["column"], asked.template, known["truth"])
        except PlaygroundError as error:
            return problem(Failed.of(error)), *choices
        return preview_html(items, table.columns), *choices

    def show_groups(*values: Any) -> tuple[str, Groups]:
        asked = _form(values)
        try:
            items, _ = items_of(table_of(asked), asked.column, asked.template, asked.truth)
            groups = grouped(items, asked.similarity)
        except PlaygroundError as error:
            return problem(Failed.of(error)), ()
        return groups_html(items, groups), groups

    def change_groups(act: str, which: str, taken: str, *values: Any) -> tuple[str, Any]:
        """Splits or merges, and keeps what there was where that cannot be."""
        asked = _form(values)
        try:
            items, _ = items_of(table_of(asked), asked.column, asked.template, asked.truth)
            groups = asked.groups or grouped(items, asked.similarity)
            given = _numbers(which, "Groups")
            if len(given) != (1 if act == "split" else 2):
                raise InvalidRequest(
                    f"{'One group is' if act == 'split' else 'Two groups are'} needed, got {len(given)}.",
                    "Write their numbers, with commas between.",
                )
            if act == "split":
                at_line = {item.line: item.index for item in items}
                wanted = _numbers(taken, "Lines")
                if unknown := [line for line in wanted if line not in at_line]:
                    raise InvalidRequest(f"There is no prompt on line {unknown[0]}.", "Look at the lines of the group.")
                groups = split(groups, given[0] - 1, [at_line[line] for line in wanted])
            else:
                groups = merge(groups, given[0] - 1, given[1] - 1)
        except PlaygroundError as error:
            return problem(Failed.of(error)), gr.skip()
        return groups_html(items, groups), groups

    # --- running ---

    async def start_run(rate: float | None, state: Any, request: gr.Request, *values: Any) -> AsyncIterator[Any]:
        owner = owner_of(request, owner_in(state))
        yield waiting("Reading the prompts"), "", "", gr.skip(), *_buttons(True)
        try:
            spec = await asyncio.to_thread(spec_of, context, _form(values))
            batch_id = await asyncio.to_thread(lambda: kept().open(owner, spec))
        except PlaygroundError as error:
            yield problem(Failed.of(error)), "", gr.skip(), gr.skip(), *_buttons(False)
            return
        async with aclosing(run_batch(owner, batch_id, str(request.session_hash), rate)) as updates:
            async for update in updates:
                yield update

    async def run_batch(owner: str, batch_id: str, session: str, rate: float | None) -> Any:
        """Follows a run: (progress, totals, rows, shown batch, buttons)."""
        token = running.start(session, PLACE)
        try:
            batches = kept()
            spec = await asyncio.to_thread(batches.spec, owner, batch_id)
            done, thoughts = await asyncio.to_thread(batches.results, owner, batch_id)
            found: dict[tuple[str, int], Row] = {(row.model, row.index): row for row in done}
            stream = follow(context, owner, batch_id, token, remote_at_once=int(rate or AT_ONCE))
            last = None
            async with aclosing(stream) as states:
                async for seen in states:
                    for row in seen.fresh:  # a retried row comes last, as the newest
                        found.pop((row.model, row.index), None)
                        found[row.model, row.index] = row
                    over = seen.ended is not None or seen.failed is not None
                    html = progress_html(names, seen.progress, seen.waiting, stoppable=not over)
                    if not seen.progress and not over:
                        wait = seen.waiting.get(spec.reasoner or spec.models[0], "")
                        count = len({one.group for one in [*thoughts, *seen.thoughts] if not one.error})
                        thinks = (
                            thinking_html(names[spec.reasoner], count, len(spec.groups), wait) if spec.groups else ""
                        )
                        html = thinks or waiting(wait or "Starting")
                    html += ended_html(seen.ended, seen.gave_up, seen.failed, names)
                    changed = bool(seen.fresh) or over or last is None
                    last = seen
                    if not changed:
                        yield html, gr.skip(), gr.skip(), batch_id, *_buttons(True)
                        continue
                    everything = list(found.values())
                    sums = totals_html(spec, everything, [*thoughts, *seen.thoughts], names) if everything else ""
                    yield html, sums, rows_html(spec, everything, names) or gr.skip(), batch_id, *_buttons(not over)
        except PlaygroundError as error:
            yield problem(Failed.of(error)), gr.skip(), gr.skip(), gr.skip(), *_buttons(False)
        finally:
            running.finish(session, PLACE, token)

    def stop_run(request: gr.Request) -> None:
        running.stop(str(request.session_hash), PLACE)

    # --- earlier batches ---

    def list_past(state: Any, request: gr.Request) -> str:
        try:
            return list_html(kept().listed(owner_of(request, owner_in(state))), time.time())
        except PlaygroundError as error:
            return problem(Failed.of(error))

    async def press(rate: float | None, state: Any, request: gr.Request, event: gr.EventData) -> AsyncIterator[Any]:
        act, key = str(event._data.get("act", "")), str(event._data.get("key", ""))
        owner, session = owner_of(request, owner_in(state)), str(request.session_hash)
        if act == "resume":
            async with aclosing(run_batch(owner, key, session, rate)) as updates:
                async for update in updates:
                    yield update
            return
        try:
            if act == "delete":
                await asyncio.to_thread(lambda: kept().delete(owner, key))
                yield note("The batch is deleted."), gr.skip(), gr.skip(), gr.skip(), *_buttons(False)
                return
            spec, (found, thoughts) = await asyncio.to_thread(lambda: _both(kept(), owner, key))
        except PlaygroundError as error:
            yield problem(Failed.of(error)), gr.skip(), gr.skip(), gr.skip(), *_buttons(False)
            return
        sums = totals_html(spec, found, thoughts, names)
        yield "", sums, rows_html(spec, found, names) or NOTHING, key, *_buttons(False)

    def writer(kind: str) -> Callable[..., Any]:
        async def write(batch_id: str, state: Any, request: gr.Request) -> tuple[Any, Any]:
            try:
                owner = owner_of(request, owner_in(state))
                path = await asyncio.to_thread(export_file, context, owner, batch_id, kind)
            except PlaygroundError as error:
                return gr.skip(), problem(Failed.of(error))
            return gr.update(value=str(path), visible=True), gr.skip()

        return write

    def buttons_of(batch_id: str) -> Any:
        return gr.update(visible=bool(batch_id))

    gr.on([part.change for part in source], look, source, [preview, column, truth], **QUICK, trigger_mode="always_last")
    gr.on([part.change for part in source], lambda: ((), ""), None, [own_groups, shown_groups], **QUICK)
    example.click(lambda: (EXAMPLE, "", "question", "answer"), None, [pasted, form, column, truth], **QUICK)
    group.click(show_groups, filled, [shown_groups, own_groups], **LONG)
    similarity.release(show_groups, filled, [shown_groups, own_groups], **LONG)
    for button, act in ((split_it, "split"), (merge_them, "merge")):
        button.click(
            lambda *v, act=act: change_groups(act, *v), [numbers, lines, *filled], [shown_groups, own_groups], **LONG
        )
    results = [progress, totals, rows, shown, start, stop]
    ran = start.click(start_run, [at_once, remember.state, *filled], results, **LONG)
    pressed = past.click(press, [at_once, remember.state], results, **LONG)
    stop.click(stop_run, None, None, **QUICK)
    for event in (ran, pressed):
        event.then(list_past, remember.state, past, **QUICK)
    shown.change(buttons_of, shown, files, **QUICK)
    shown.change(lambda: gr.update(value=None, visible=False), None, file, **QUICK)
    for button, kind in zip(download, FORMS, strict=True):
        button.click(writer(kind), [shown, remember.state], [file, progress], **LONG)
    return BatchSection(models, lambda ready: ready.then(list_past, remember.state, past, **QUICK))


def _both(batches: Batches, owner: str, batch_id: str) -> tuple[Spec, Any]:
    return batches.spec(owner, batch_id), batches.results(owner, batch_id)


def _buttons(busy: bool) -> tuple[Any, Any]:
    """Run and Stop."""
    return gr.update(interactive=not busy), gr.update(interactive=busy)


def _form(values: tuple[Any, ...]) -> Form:
    """The fields in the order of the page; a file stands before what is pasted."""
    pasted, path, form, column, truth, template, *rest = values
    data: bytes | str = pasted or ""
    name = ""
    if path:
        file = Path(path)
        name = file.name
        with file.open("rb") as opened:
            data = opened.read(MOST_FILE + 1)  # one over the limit is refused by whoever reads it
    asked = Form(data, name, form or "", column or "", template or "", truth or "")
    if not rest:
        return asked
    prefix, models, most, temperature, seed, match, once, reasoner, similarity, groups = rest
    return replace(
        asked,
        prefix=prefix or "",
        models=tuple(models or ()),
        max_new_tokens=None if most is None else int(most),
        temperature=temperature,
        seed=None if seed is None else int(seed),
        match=match,
        reason_once=bool(once),
        reasoner=reasoner or "",
        similarity=similarity,
        groups=tuple(tuple(group) for group in groups or ()),
    )


def _numbers(text: str, what: str) -> list[int]:
    """Whole numbers with commas or spaces between."""
    found = []
    for part in (text or "").replace(",", " ").split():
        if not part.isdecimal() or len(part) > 6:
            raise InvalidRequest(f"{what} takes whole numbers, got {part[:20]!r}.", "For example 1, 2.")
        found.append(int(part))
    return found
