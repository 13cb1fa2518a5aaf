"""The public API of grids: read one axis, run or resume, stop, list, read, files, compare and delete.

Annotations are live here, since gradio reads the hints of each function as objects.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from playground.errors import InvalidRequest, PlaygroundError
from playground.images.grid import differences, tables
from playground.images.grid.axes import AXES, axis_named, every, parse
from playground.images.grid.cells import Result
from playground.images.grid.kept import Grids
from playground.images.grid.plan import Plan
from playground.protocol import ImageRequest
from playground.ui.api_files import downloadable
from playground.ui.api_shared import model_ids, sentence, told
from playground.ui.context import AppContext
from playground.ui.grid_run import MIME, Asked, follow, grids_of, image_models, plan_of, write_file
from playground.ui.owner import owner_of
from playground.ui.running import Running

DEFAULT_IMAGE = ["starter-sd"]


def register_grid(context: AppContext) -> None:
    """Adds the functions to the Blocks that are being built."""
    running = Running()

    async def grid_values(axis: str = "Steps", values: str = "") -> dict:
        """What an axis makes of a list: `values`, `labels`, `count`; `all` fills an axis that has a fixed choice.

        Without `values` its own example is read. `axes` names every axis.
        """

        def look() -> dict[str, Any]:
            one, models = axis_named(axis), image_models(context)
            found = parse(one, values or one.example, models)
            return {
                "axis": one.name,
                "kind": one.kind,
                "values": [value.value for value in found],
                "labels": [value.label for value in found],
                "count": len(found),
                "all": every(one, models),
                "example": one.example,
                "axes": list(AXES),
            }

        return await _told(look)

    async def image_grid(  # type: ignore[misc]  # gradio wants the hint of one yield
        prompt: str = "",
        models: list[str] = DEFAULT_IMAGE,
        x_axis: str = "Steps",
        x_values: str = "2, 4, 8",
        y_axis: str = "",
        y_values: str = "",
        z_axis: str = "",
        z_values: str = "",
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        schedule: str | None = None,
        seed: int | None = None,
        guidance_rescale: float = 0.0,
        eta: float | None = None,
        variation_seed: int | None = None,
        variation_strength: float = 0.0,
        clip_skip: int = 1,
        clip_score: bool = True,
        grid: str = "",
        retry: bool = True,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> dict:
        """One picture for each pair of values; streams `state` with the `cells` that are new, at the end with all.

        Several models are an axis of their own. With `grid` the caller's earlier grid of that id is resumed instead,
        with `retry` also its failed cells; everything else is taken from its plan.
        """
        owner = owner_of(request, "")

        def opened() -> str:
            wanted = ImageRequest(
                "", prompt, "text_to_image", negative_prompt, width, height, steps, guidance_scale, sampler, schedule
            )
            wanted = replace(
                wanted,
                seed=seed,
                guidance_rescale=guidance_rescale,
                eta=eta,
                variation_seed=variation_seed,
                variation_strength=variation_strength,
                clip_skip=clip_skip,
            )
            axes = [(_text(x_axis), x_values), (_text(y_axis), y_values), (_text(z_axis), z_values)]
            plan, _ = plan_of(context, Asked(wanted, axes, ids))
            return grids_of(context, owner).open(plan)

        ids = [] if grid else model_ids(models, context, "image")
        grid_id = _text(grid) or await _told(opened)
        token = running.start(owner, f"grid-{grid_id}")
        try:
            grids = grids_of(context, owner)
            plan, results = await _told(lambda: (grids.plan(grid_id), grids.results(grid_id)))
            states = follow(context, owner, grid_id, token, scored=bool(clip_score), retry=bool(retry))
            async with aclosing(states) as stream:
                async for seen in stream:
                    if seen.failed is not None:
                        raise gr.Error(sentence(seen.failed), print_exception=False)
                    results |= {one.index: one for one in seen.fresh}
                    told_of = None if seen.ended is not None else {one.index for one in seen.fresh}
                    failed = sum(bool(one.error) for one in results.values())
                    yield {
                        "grid": grid_id,
                        "state": "running" if seen.ended is None else "stopped" if seen.ended.stopped else "ended",
                        "total": plan.count,
                        "done": len(results) - failed,
                        "failed": failed,
                        "left": plan.count - len(results) + failed,
                        "doing": "" if seen.now is None else f"{plan.label(seen.now)}: {seen.doing}",
                        "notices": list(seen.notices),
                        "cells": _rows(grids, grid_id, plan, results, told_of),
                    }
        finally:
            running.finish(owner, f"grid-{grid_id}", token)

    async def image_grid_stop(grid: str = "", request: gr.Request = None) -> int:  # type: ignore[assignment]
        """Stops a grid that this caller runs; what is finished stays. Returns how many were stopped."""
        return running.stop(owner_of(request, ""), f"grid-{grid}")

    async def image_grid_list(request: gr.Request = None) -> list[dict]:  # type: ignore[assignment]
        """The caller's grids, last changed first."""
        return [asdict(one) for one in await _told(lambda: grids_of(context, owner_of(request, "")).listed())]

    async def image_grid_cells(grid: str = "", request: gr.Request = None) -> list[dict]:  # type: ignore[assignment]
        """Every cell of a grid with its parameters, figures and picture; `image` is None where there is none."""
        grids, grid_id = grids_of(context, owner_of(request, "")), _text(grid)
        return await _told(lambda: _rows(grids, grid_id, grids.plan(grid_id), grids.results(grid_id)))

    async def image_grid_file(grid: str = "", form: str = "png", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """A grid as a file to download: png (one picture), html (needs nothing else), csv or json."""
        path = await _told(lambda: write_file(context, owner_of(request, ""), _text(grid), form))
        return FileData(path=str(path), orig_name=path.name, mime_type=MIME[form]).model_dump()

    async def image_grid_compare(
        grid: str = "",
        first: int = 1,
        second: int = 2,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """What differs between two cells, counted from 1: the settings by name, and the pixels in a sentence."""

        def look() -> dict[str, Any]:
            grids, grid_id = grids_of(context, owner_of(request, "")), _text(grid)
            results = grids.results(grid_id)
            for number in (first, second):
                if not isinstance(number, int) or number - 1 not in results or results[number - 1].error:
                    raise InvalidRequest(f"Cell {str(number)[:20]} has no picture.", "See /image_grid_cells.")
            one, two = results[first - 1], results[second - 1]
            data = [grids.picture(grid_id, result.index).read_bytes() for result in (one, two)]
            return {
                "settings": [asdict(setting) for setting in differences.differences(one, two)],
                "pixels": differences.pixels(*data),
                "clip_score": [one.clip_score, two.clip_score],
                "seconds": [one.seconds, two.seconds],
            }

        return await _told(look)

    async def image_grid_delete(grid: str = "", request: gr.Request = None) -> str:  # type: ignore[assignment]
        """Stops and deletes a grid with all its pictures; returns its id."""
        owner = owner_of(request, "")
        running.stop(owner, f"grid-{grid}")
        await _told(lambda: grids_of(context, owner).delete(_text(grid)))
        return str(grid)

    for function in (
        grid_values,
        image_grid,
        image_grid_stop,
        image_grid_list,
        image_grid_cells,
        image_grid_file,
        image_grid_compare,
        image_grid_delete,
    ):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _rows(
    grids: Grids, grid_id: str, plan: Plan, results: Mapping[int, Result], only: Collection[int] | None = None
) -> list[dict[str, Any]]:
    """The rows of the grid's tables, each with its picture; of the cells `only` where that is given."""
    if only is not None and not only:
        return []
    found = [row for row in tables.rows(plan, results) if only is None or row["cell"] - 1 in only]
    for row in found:
        path = grids.picture(grid_id, row["cell"] - 1)
        row["image"] = downloadable(path) if row["state"] == "made" and path.is_file() else None
    return found


async def _told(work: Callable[[], Any]) -> Any:
    """What `work` returns, from a thread; its error as one sentence."""
    try:
        return await asyncio.to_thread(work)
    except PlaygroundError as error:
        raise told(error) from None


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise told(InvalidRequest(f"A text was expected, got {str(value)[:60]!r}."))
    return value
