"""The Grid section: a request over up to three axes, a table that fills up, one cell large, two under a slider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.images.grid import differences
from playground.images.grid.axes import AXES, every
from playground.images.grid.cells import Result
from playground.images.grid.kept import Grids
from playground.images.grid.plan import PLACES, Plan
from playground.protocol import Failed, ImageRequest
from playground.ui.context import AppContext
from playground.ui.grid_layout import Layout
from playground.ui.grid_run import (
    FORMS,
    Asked,
    Seen,
    follow,
    grids_of,
    image_models,
    into_gallery,
    labels_of,
    plan_of,
    write_file,
)
from playground.ui.grid_view import (
    NOTHING,
    cell_html,
    compare_html,
    ended_html,
    list_html,
    outlook_html,
    progress_html,
    table_html,
)
from playground.ui.image_advanced import advanced
from playground.ui.image_form import sampled, seed_for, sized
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, flag, one_of, owner_in, some_of, text
from playground.ui.running import Running
from playground.ui.words import note, problem, waiting

PLACE = "grid"
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LONG: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
EXAMPLE = ("a red circle on a white background", "Steps", "2, 4, 8", "Prompt search-replace", "circle, star, heart")
SKIP = gr.skip()


@dataclass(frozen=True)
class GridSection:
    """What the page needs of this section: the choice of models, to label with their states, and `wire`."""

    models: gr.Dropdown
    wire: Callable[[Any], Any]


def build_grid(context: AppContext, running: Running, remember: Remember) -> GridSection:
    """Adds the section's contents."""
    page = Layout(context, remember)
    names = image_models(context)
    _keep(page, remember, list(names))

    # --- the form ---

    def look(*values: Any) -> str:
        if not str(values[0] or "").strip():
            return note("Write a prompt, and see here what the grid will be.")
        try:
            plan, found = plan_of(context, _asked(values))
        except PlaygroundError as error:
            return problem(Failed.of(error))
        return outlook_html(plan, found)

    def chosen(name: str, now: str) -> tuple[Any, Any]:
        """What an axis asks for; its example where the field is empty or holds another's."""
        axis = AXES.get(name)
        if axis is None:
            return gr.update(value="", placeholder="", info=None), gr.update(interactive=False)
        fresh = not now.strip() or now in {one.example for one in AXES.values()}
        example = "" if axis.kind == "model" else axis.example
        value: dict[str, Any] = {"value": example} if fresh else {}
        return gr.update(placeholder=axis.example, info=axis.info, **value), gr.update(interactive=axis.fills)

    def fills(name: str) -> Any:
        return gr.update(interactive=name in AXES and AXES[name].fills)

    def filled(name: str) -> Any:
        return every(AXES[name], names) if name in AXES else SKIP

    # --- running ---

    async def start(scored: bool, state: Any, request: gr.Request, *values: Any) -> AsyncIterator[Any]:
        owner, session = owner_of(request, owner_in(state)), str(request.session_hash)
        try:
            asked = _asked(values)
            plan, _ = await asyncio.to_thread(plan_of, context, asked)
            grid_id = await asyncio.to_thread(grids_of(context, owner).open, plan)
        except PlaygroundError as error:
            yield problem(Failed.of(error)), *[SKIP] * 9
            return
        async with aclosing(run_grid(owner, grid_id, session, scored)) as updates:
            async for update in updates:
                yield update

    async def run_grid(owner: str, grid_id: str, session: str, scored: bool) -> Any:
        """Follows a run: (status, table, shown, opened, run, stop, resume, files, A, B)."""
        token = running.start(session, PLACE)
        grids = grids_of(context, owner)
        try:
            plan, results = await asyncio.to_thread(_read, grids, grid_id)
            results = {index: one for index, one in results.items() if not one.error}
            url = _urls(grids, grid_id)
            before: tuple[Any, ...] = ()
            yield (
                waiting("Starting"), table_html(plan, results, url, running=True), grid_id, None, *_buttons(True),
                gr.update(visible=True), *_pair(plan, results),
            )  # fmt: skip
            seen = Seen()
            async with aclosing(follow(context, owner, grid_id, token, scored=scored)) as states:
                async for seen in states:
                    if not running.holds(session, PLACE, token):  # a newer run shows its own
                        continue
                    results |= {one.index: one for one in seen.fresh}
                    failed = sum(bool(one.error) for one in results.values())
                    left = seen.seconds_left(plan.count - len(results))
                    status = progress_html(plan, len(results), failed, seen.now, seen.doing, left)
                    status += "".join(map(note, seen.notices))
                    changed = (seen.now, len(results)) != before
                    before = (seen.now, len(results))
                    table = table_html(plan, results, url, now=seen.now, running=True) if changed else SKIP
                    pair = _pair(plan, results) if seen.fresh else (SKIP, SKIP)
                    yield status, table, SKIP, SKIP, *[SKIP] * 4, *pair
            if not running.holds(session, PLACE, token):
                return
            stopped = seen.ended is not None and seen.ended.stopped
            said = problem(seen.failed) if seen.failed else ended_html(plan, results, stopped)
            left_over = any(i not in results or results[i].error for i in range(plan.count))
            yield (
                said + "".join(map(note, seen.notices)), table_html(plan, results, url), SKIP, SKIP,
                *_buttons(False, left_over), SKIP, SKIP, SKIP,
            )  # fmt: skip
        except PlaygroundError as error:
            yield problem(Failed.of(error)), SKIP, SKIP, SKIP, *_buttons(False), SKIP, SKIP, SKIP
        finally:
            running.finish(session, PLACE, token)

    async def resume(grid_id: str, scored: bool, state: Any, request: gr.Request) -> AsyncIterator[Any]:
        owner, session = owner_of(request, owner_in(state)), str(request.session_hash)
        async with aclosing(run_grid(owner, grid_id, session, scored)) as updates:
            async for update in updates:
                yield update

    def stop_run(request: gr.Request) -> None:
        running.stop(str(request.session_hash), PLACE)

    # --- earlier grids ---

    def list_past(state: Any, request: gr.Request) -> str:
        try:
            return list_html(grids_of(context, owner_of(request, owner_in(state))).listed(), time.time())
        except PlaygroundError as error:
            return problem(Failed.of(error))

    async def press(
        shown: str, scored: bool, state: Any, request: gr.Request, event: gr.EventData
    ) -> AsyncIterator[Any]:
        act, key = str(event._data.get("act", "")), str(event._data.get("key", ""))
        owner, session = owner_of(request, owner_in(state)), str(request.session_hash)
        if act == "resume":
            async with aclosing(run_grid(owner, key, session, scored)) as updates:
                async for update in updates:
                    yield update
            return
        grids = grids_of(context, owner)
        try:
            if act == "delete":
                if key == shown:
                    running.stop(session, PLACE, forget=True)
                await asyncio.to_thread(grids.delete, key)
                if key != shown:
                    yield note("The grid is deleted."), *[SKIP] * 9
                    return
                gone = (NOTHING, "", None, *_buttons(False), gr.update(visible=False))
                yield note("The grid is deleted."), *gone, *[gr.update(choices=[], value=None)] * 2
                return
            if running.any(session, PLACE):
                raise InvalidRequest("A grid is running in this window.", "Stop it first, or wait for its end.")
            plan, results = await asyncio.to_thread(_read, grids, key)
        except PlaygroundError as error:
            yield problem(Failed.of(error)), *[SKIP] * 9
            return
        left = any(i not in results or results[i].error for i in range(plan.count))
        yield (
            ended_html(plan, results, left), table_html(plan, results, _urls(grids, key)), key, None,
            *_buttons(False, left), gr.update(visible=True), *_pair(plan, results),
        )  # fmt: skip

    # --- one cell, and two ---

    def open_cell(shown: str, state: Any, request: gr.Request, event: gr.EventData) -> Any:
        """(cell, large, about, opened, A, B and gallery buttons, said)."""
        owner, key = owner_of(request, owner_in(state)), str(event._data.get("key", ""))
        try:
            grids = grids_of(context, owner)
            plan, results = _read(grids, shown)
            result = results[int(key)]
        except (PlaygroundError, KeyError, ValueError):
            return *[SKIP] * 7, problem(Failed("This cell cannot be opened.", "Show the grid again."))
        path = grids.picture(shown, result.index)
        there = not result.error and path.is_file()
        can = gr.update(interactive=there)
        picture = gr.update(value=str(path) if there else None, visible=there)
        return gr.update(visible=True), picture, cell_html(plan, result), result.index, can, can, can, ""

    def to_gallery(shown: str, opened: int | None, state: Any, request: gr.Request) -> str:
        try:
            into_gallery(context, owner_of(request, owner_in(state)), shown, int(opened or 0))
        except PlaygroundError as error:
            return problem(Failed.of(error))
        return note("A copy is in the gallery.")

    def compare(shown: str, first: int | None, second: int | None, state: Any, request: gr.Request) -> Any:
        """(compare, slider, differs)."""
        hidden = gr.update(visible=False)
        if not shown or first is None or second is None:
            return hidden, hidden, ""
        try:
            grids = grids_of(context, owner_of(request, owner_in(state)))
            plan, results = _read(grids, shown)
            one, two = results[int(first)], results[int(second)]
            paths = grids.picture(shown, one.index), grids.picture(shown, two.index)
            data = [path.read_bytes() for path in paths]
            found, pixels = differences.differences(one, two), differences.pixels(*data)
        except PlaygroundError as error:
            return gr.update(visible=True), hidden, problem(Failed.of(error))
        except (KeyError, OSError):
            return gr.update(visible=True), hidden, problem(Failed("A picture is missing.", "Resume the grid."))
        apart = (one.width, one.height) != (two.width, two.height)
        value: Any = _same_size(*data) if apart else tuple(map(str, paths))
        return gr.update(visible=True), gr.update(value=value, visible=True), compare_html(
            plan, one, two, found, pixels, apart
        )  # fmt: skip

    def writer(form: str) -> Callable[..., Any]:
        async def write(shown: str, state: Any, request: gr.Request) -> tuple[Any, Any]:
            try:
                owner = owner_of(request, owner_in(state))
                path = await asyncio.to_thread(write_file, context, owner, shown, form)
            except PlaygroundError as error:
                return SKIP, problem(Failed.of(error))
            return gr.update(value=str(path), visible=True), SKIP

        return write

    # --- events ---

    axes = [part for row in page.axes for part in (row.name, row.values)]
    looked = [page.prompt, page.negative, page.models, page.size, *axes, *page.sampling.inputs, *page.advanced.inputs]
    gr.on([part.change for part in looked], look, page.fields, page.line, **QUICK, trigger_mode="always_last")
    for row in page.axes:
        row.name.input(chosen, [row.name, row.values], [row.values, row.all], **QUICK)
        row.name.change(
            lambda name: gr.update(interactive=name in AXES and AXES[name].fills), row.name, row.all, **QUICK
        )
        row.all.click(filled, row.name, row.values, **QUICK)
    x, y, z = page.axes
    page.example.click(
        lambda: (*EXAMPLE, "", ""), None,
        [page.prompt, x.name, x.values, y.name, y.values, z.name, z.values], **QUICK,
    )  # fmt: skip
    outputs = [page.status, page.table, page.shown, page.opened, page.run, page.stop, page.resume, page.files,
               page.first, page.second]  # fmt: skip
    # Not on change: controls that are not shown yet tell of none.
    pair = (
        [page.shown, page.first, page.second, remember.state],
        [page.compare, page.slider, page.differs],
    )
    ran = page.run.click(start, [page.scored, remember.state, *page.fields], outputs, **LONG)
    resumed = page.resume.click(resume, [page.shown, page.scored, remember.state], outputs, **LONG)
    pressed = page.past.click(press, [page.shown, page.scored, remember.state], outputs, **LONG)
    page.stop.click(stop_run, None, None, **QUICK)
    for event in (ran, resumed, pressed):
        event.then(list_past, remember.state, page.past, **QUICK).then(compare, *pair, **LONG)
    page.shown.change(
        lambda: (gr.update(visible=False), gr.update(value=None, visible=False)), None, [page.cell, page.file], **QUICK
    )
    page.table.click(
        open_cell, [page.shown, remember.state],
        [page.cell, page.large, page.about, page.opened, page.as_a, page.as_b, page.keep, page.said], **LONG,
    ).then(fn=None, js="() => document.getElementById('grid_cell')?.scrollIntoView({block: 'nearest'})")  # fmt: skip
    gr.on([page.first.input, page.second.input], compare, *pair, **LONG, trigger_mode="always_last")
    for button, side in ((page.as_a, page.first), (page.as_b, page.second)):
        button.click(lambda opened: opened, page.opened, side, **QUICK).then(compare, *pair, **LONG)
    page.close.click(lambda: gr.update(visible=False), None, page.cell, **QUICK)
    page.keep.click(to_gallery, [page.shown, page.opened, remember.state], page.said, **LONG)
    for button, form in zip(page.download, FORMS, strict=True):
        button.click(writer(form), [page.shown, remember.state], [page.file, page.status], **LONG)

    def wire(ready: Any) -> Any:
        return ready.then(list_past, remember.state, page.past, **QUICK).then(look, page.fields, page.line, **QUICK)

    return GridSection(page.models, wire)


def _keep(page: Layout, remember: Remember, models: list[str]) -> None:
    remember.keep("grid.prompt", page.prompt, text)
    remember.keep("grid.negative", page.negative, text)
    remember.keep("grid.models", page.models, some_of(models))
    remember.keep("grid.size", page.size, one_of([value for _, value in page.size.choices]))
    remember.keep("grid.scored", page.scored, flag)
    for place, row in zip(PLACES, page.axes, strict=True):
        remember.keep(f"grid.{place.lower()}", row.name, one_of(["", *AXES]))
        remember.keep(f"grid.{place.lower()}.values", row.values, text)


def _asked(values: tuple[Any, ...]) -> Asked:
    """The fields in the order of the layout."""
    prompt, negative, models, size, *rest = values
    axes, (seed, fresh, *settings) = rest[:6], rest[6:]
    own, _, _, sampler, _ = settings[:5]
    base = ImageRequest(
        "", prompt or "", negative_prompt=negative or "", seed=seed_for(seed, fresh), **sized(size),
        **sampled(*settings[:5]), **advanced(own, sampler, *settings[5:]),
    )  # fmt: skip
    pairs = [(axes[i] or "", axes[i + 1] or "") for i in (0, 2, 4)]
    return Asked(base, pairs, tuple(models or ()))


def _read(grids: Grids, grid_id: str) -> tuple[Plan, dict[int, Result]]:
    return grids.plan(grid_id), grids.results(grid_id)


def _urls(grids: Grids, grid_id: str) -> Callable[[int], str]:
    """Where the page finds the small pictures; relative, so that it holds below any address."""
    now = int(time.time())  # a cell that is made again has the same path
    return lambda index: f"gradio_api/file={quote(str(grids.picture(grid_id, index, small=True)))}?{now}"


def _pair(plan: Plan, results: dict[int, Result]) -> tuple[Any, Any]:
    """The choices of A and B: the first and the last picture, until others are chosen."""
    choices = labels_of(plan, results)
    if len(choices) < 2:
        return gr.update(choices=choices, value=None), gr.update(choices=choices, value=None)
    return gr.update(choices=choices, value=choices[0][1]), gr.update(choices=choices, value=choices[-1][1])


def _same_size(first: bytes, second: bytes) -> tuple[Any, Any]:
    """Both pictures on grounds of one size, each as large as fits."""
    from PIL import Image, ImageOps

    from playground.images.pictures import rgb_picture

    one, two = rgb_picture(first), rgb_picture(second)
    size = (max(one.width, two.width), max(one.height, two.height))
    return tuple(ImageOps.pad(p, size, Image.Resampling.LANCZOS, "#808080") for p in (one, two))  # type: ignore[return-value]


def _buttons(busy: bool, left: bool = False) -> tuple[Any, Any, Any]:
    """Run, Stop and Resume; `left`: the grid that is shown has something to resume."""
    return gr.update(interactive=not busy), gr.update(interactive=busy), gr.update(interactive=left and not busy)
