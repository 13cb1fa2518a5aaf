"""Runs what a grid still lacks, cell by cell, over the engine that it is handed; each result is kept before it is told.

A failed cell keeps its error and the others go on. What is stopped midway is not told and runs again when the grid is
resumed, with the same seed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from playground.errors import PlaygroundError
from playground.images.grid.cells import Result, parameters_of
from playground.images.grid.kept import Grids, missing
from playground.images.grid.plan import Cell
from playground.images.prompts.parse import parse
from playground.images.prompts.steps import plain_text
from playground.protocol import (
    CancelToken,
    Done,
    Engine,
    Failed,
    Image,
    ImageStats,
    Linked,
    Loading,
    Notice,
    Queued,
    Step,
)

log = logging.getLogger(__name__)

Score = Callable[[bytes, str], float]


@dataclass(frozen=True)
class Doing:
    """The cell that runs now, and what it waits for or does; `event` None when it begins."""

    index: int
    event: Queued | Loading | Step | None = None


@dataclass(frozen=True)
class Ended:
    """The run is over; `left` cells are missing or failed."""

    stopped: bool
    left: int


Update = Doing | Result | Notice | Ended


async def run(
    grids: Grids,
    grid_id: str,
    engine: Engine,
    cancel: CancelToken,
    *,
    owner: str,
    score: Score | None = None,
    retry: bool = True,
) -> AsyncGenerator[Update]:
    """Makes the cells that are missing, with `retry` also those that failed; the last update is Ended.

    `score(png, prompt)` is called on a thread for every picture; where it cannot, the cell has no score and one Notice
    says why. Leaving the iterator ends what runs.

    Raises:
        InvalidRequest: the owner has no such grid.
        PlaygroundError: a cell could not be kept.
    """
    plan = await asyncio.to_thread(grids.plan, grid_id)
    results = await asyncio.to_thread(grids.results, grid_id)
    for index in missing(plan, results, retry):
        if cancel.cancelled:
            break
        yield Doing(index)
        made = _Made(plan.cells[index])
        # A token of its own: an engine may use up the one it is handed when its stream ends.
        try:
            request = replace(plan.cells[index].request, owner=owner)
            async with aclosing(engine.submit(request, Linked(cancel))) as events:  # type: ignore[type-var]
                async for event in events:
                    made.take(event)
                    if isinstance(event, Queued | Loading | Step):
                        yield Doing(index, event)
        except PlaygroundError as error:
            made.take(Failed.of(error))
        except Exception as error:
            log.exception("the engine raised")
            made.take(Failed(f"The engine failed: {type(error).__name__}.", "The log of the app has the details."))
        if cancel.cancelled:
            break
        result, png = made.result(), made.png
        if png is not None and score is not None:
            try:
                prompt = plain_text(parse(str(result.parameters.get("prompt") or "")))
                result = replace(result, clip_score=round(await asyncio.to_thread(score, png, prompt), 3))
            except PlaygroundError as error:
                score = None
                yield Notice(f"CLIPScore was not measured: {error}")
        await asyncio.to_thread(grids.put, grid_id, result, png)
        results[index] = result
        yield result
    yield Ended(cancel.cancelled, len(missing(plan, results)))


class _Made:
    """What one request brought."""

    def __init__(self, cell: Cell) -> None:
        self.png: bytes | None = None
        self._cell = cell
        self._image: Image | None = None
        self._stats: ImageStats | None = None
        self._failed: Failed | None = None
        self._notices: list[str] = []

    def take(self, event: object) -> None:
        if isinstance(event, Image):
            self._image, self.png = event, event.png
        elif isinstance(event, Notice):
            self._notices.append(event.text)
        elif isinstance(event, Failed):
            self._failed, self._image, self.png = event, None, None
        elif isinstance(event, Done) and isinstance(event.stats, ImageStats):
            self._stats = event.stats

    def result(self) -> Result:
        cell, notices = self._cell, tuple(self._notices)
        if self._image is None:
            failed = self._failed or Failed("The model gave no picture.", "Try it by hand under Create.", "NoPicture")
            parameters = parameters_of(cell, None)
            return Result(
                cell.index, parameters, notices=notices, error=failed.error, hint=failed.hint, code=failed.code
            )
        return Result(
            cell.index,
            parameters_of(cell, self.png),
            self._image.parameters,
            self._stats.seconds_per_image if self._stats else None,
            self._stats.load_s if self._stats else None,
            None,
            self._image.width,
            self._image.height,
            notices,
        )
