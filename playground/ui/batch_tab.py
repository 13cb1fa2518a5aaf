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
from playground.batches.kept import Batches, missing
from playground.batches.records import MATCHES, Groups, Row, Spec, Thought
from playground.batches.running import AT_ONCE
from playground.batches.similar import grouped, merge, split
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import Failed
from playground.ui.batch_layout import NOTHING, lay_out
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
from playground.ui.words import note, problem, waiting

PLACE = "batches"
MOST_FILE = 20_000_000
EXAMPLE = """question,answer
What is 7 plus 5?,12
How much is 7 plus 5?,12
What is 9 plus 4?,13
How much is 9 plus 4?,13"""
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
    page = lay_out(context)
    remember.keep("batch.prompts", page.pasted, text)
    remember.keep("batch.form", page.form, one_of(["", "lines", "csv", "jsonl"]))
    remember.keep("batch.template", page.template, text)
    remember.keep("batch.prefix", page.prefix, text)
    remember.keep("batch.models", page.models, some_of(ids))
    remember.keep("batch.tokens", page.most, between(1, 1_000_000, empty=True))
    remember.keep("batch.temperature", page.temperature, between(0, 5, empty=True))
    remember.keep("batch.match", page.match, one_of(MATCHES))
    remember.keep("batch.once", page.once, flag)
    remember.keep("batch.similarity", page.similarity, between(0.05, 1))

    def kept() -> Batches:
        return Batches(context.store())

    def named(spec: Spec) -> dict[str, str]:
        """The names of a batch's models; a model that is not on the list any more goes by its id."""
        models = [model for model in (*spec.models, spec.reasoner) if model]
        return {model: context.catalog[model].name if model in context.catalog else model for model in models}

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

    async def start_run(
        rate: float | None, compare: bool, state: Any, request: gr.Request, *values: Any
    ) -> AsyncIterator[Any]:
        owner, session = owner_of(request, owner_in(state)), str(request.session_hash)
        yield waiting("Reading the prompts"), "", "", gr.skip(), *_buttons(True)
        try:
            spec = await asyncio.to_thread(spec_of, context, _form(values))
            wanted = [spec.plain, spec] if compare and spec.groups else [spec]
            ids = [await asyncio.to_thread(kept().open, owner, one) for one in wanted]
        except PlaygroundError as error:
            yield problem(Failed.of(error)), "", gr.skip(), gr.skip(), *_buttons(False)
            return
        for batch_id in ids:
            stopped = False
            async with aclosing(run_batch(owner, batch_id, session, rate)) as updates:
                async for update in updates:
                    stopped = "Stopped:" in update[0]
                    yield update
            if stopped:
                return

    async def run_batch(owner: str, batch_id: str, session: str, rate: float | None) -> Any:
        """Follows a run: (progress, totals, rows, shown batch, buttons)."""
        running.stop(session, PLACE)  # one batch of a window runs at a time
        token = running.start(session, f"{PLACE}-{batch_id}")
        try:
            batches = kept()
            spec = await asyncio.to_thread(batches.spec, owner, batch_id)
            done, thoughts = await asyncio.to_thread(batches.results, owner, batch_id)
            plain = await asyncio.to_thread(batches.one_by_one, owner, spec)
            names = named(spec)
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
                    left = seen.failed is not None or (seen.ended is not None and seen.ended.left > 0)
                    changed = bool(seen.fresh) or over or last is None
                    last = seen
                    if not changed:
                        yield html, gr.skip(), gr.skip(), batch_id, *_buttons(True)
                        continue
                    everything = list(found.values())
                    sums = (
                        totals_html(spec, everything, [*thoughts, *seen.thoughts], names, plain) if everything else ""
                    )
                    yield (
                        html,
                        sums,
                        rows_html(spec, everything, names) or gr.skip(),
                        batch_id,
                        *_buttons(not over, left),
                    )
        except PlaygroundError as error:
            yield problem(Failed.of(error)), gr.skip(), gr.skip(), gr.skip(), *_buttons(False)
        finally:
            running.finish(session, f"{PLACE}-{batch_id}", token)

    def stop_run(request: gr.Request) -> None:
        running.stop(str(request.session_hash), PLACE)

    async def resume_shown(batch_id: str, rate: float | None, state: Any, request: gr.Request) -> AsyncIterator[Any]:
        owner, session = owner_of(request, owner_in(state)), str(request.session_hash)
        async with aclosing(run_batch(owner, batch_id, session, rate)) as updates:
            async for update in updates:
                yield update

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
                running.stop(session, f"{PLACE}-{key}")
                await asyncio.to_thread(lambda: kept().delete(owner, key))
                yield note("The batch is deleted."), gr.skip(), gr.skip(), gr.skip(), *_buttons(False)
                return
            spec, found, thoughts, plain = await asyncio.to_thread(_all_of, kept(), owner, key)
        except PlaygroundError as error:
            yield problem(Failed.of(error)), gr.skip(), gr.skip(), gr.skip(), *_buttons(False)
            return
        names = named(spec)
        sums = totals_html(spec, found, thoughts, names, plain)
        yield (
            "",
            sums,
            rows_html(spec, found, names) or NOTHING,
            key,
            *_buttons(False, bool(sum(map(len, missing(spec, found).values())))),
        )

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

    gr.on(
        [part.change for part in page.source],
        look,
        page.source,
        [page.preview, page.column, page.truth],
        **QUICK,
        trigger_mode="always_last",
    )
    gr.on([part.change for part in page.source], lambda: ((), ""), None, [page.own_groups, page.shown_groups], **QUICK)
    page.example.click(
        lambda: (EXAMPLE, "csv", "question", "answer"), None, [page.pasted, page.form, page.column, page.truth], **QUICK
    )
    page.group.click(show_groups, page.filled, [page.shown_groups, page.own_groups], **LONG)
    page.similarity.release(show_groups, page.filled, [page.shown_groups, page.own_groups], **LONG)
    for button, act in ((page.split_it, "split"), (page.merge_them, "merge")):
        button.click(
            lambda *v, act=act: change_groups(act, *v),
            [page.numbers, page.lines, *page.filled],
            [page.shown_groups, page.own_groups],
            **LONG,
        )
    results = [page.progress, page.totals, page.rows, page.shown, page.start, page.stop, page.resume]
    ran = page.start.click(start_run, [page.at_once, page.compare, remember.state, *page.filled], results, **LONG)
    pressed = page.past.click(press, [page.at_once, remember.state], results, **LONG)
    resumed = page.resume.click(resume_shown, [page.shown, page.at_once, remember.state], results, **LONG)
    page.stop.click(stop_run, None, None, **QUICK)
    for event in (ran, resumed, pressed):
        event.then(list_past, remember.state, page.past, **QUICK)
    page.shown.change(buttons_of, page.shown, page.files, **QUICK)
    page.shown.change(lambda: gr.update(value=None, visible=False), None, page.file, **QUICK)
    for button, kind in zip(page.download, FORMS, strict=True):
        button.click(writer(kind), [page.shown, remember.state], [page.file, page.progress], **LONG)
    return BatchSection(page.models, lambda ready: ready.then(list_past, remember.state, page.past, **QUICK))


def _all_of(batches: Batches, owner: str, batch_id: str) -> tuple[Spec, list[Row], list[Thought], list[Row]]:
    """A batch, its rows and thoughts, and the rows of the same one without groups."""
    spec = batches.spec(owner, batch_id)
    return spec, *batches.results(owner, batch_id), batches.one_by_one(owner, spec)


def _buttons(busy: bool, left: bool = False) -> tuple[Any, Any, Any]:
    """Run, Stop and Resume; `left`: the batch that is shown has something to resume."""
    return gr.update(interactive=not busy), gr.update(interactive=busy), gr.update(interactive=left and not busy)


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
