"""What the Grid section and its API share: a plan out of a form's values, a run at a page's pace, and files."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.catalog import ASSETS
from playground.errors import InvalidRequest
from playground.images.grid.cells import Result
from playground.images.grid.kept import Grids
from playground.images.grid.outlook import Outlook, outlook
from playground.images.grid.plan import Plan, planned
from playground.images.grid.running import Doing, Ended, run
from playground.protocol import CancelToken, Failed, Image, ImageRequest, ImageStats, Loading, Notice, Queued, Step
from playground.ui.context import AppContext
from playground.ui.outputs import keep_image, outputs_folder
from playground.ui.stream import paced
from playground.ui.words import loading, queued, stepping

if TYPE_CHECKING:
    from playground.scores.clip import ClipScorer

FORMS = ("png", "html", "csv", "json")
MIME = {"png": "image/png", "html": "text/html", "csv": "text/csv", "json": "application/json"}
CLIP = ASSETS / "starter" / "starter-clip"


@dataclass(frozen=True)
class Asked:
    """What a person filled in, unchecked: a request without a model, X, Y and Z as (axis, values), and models."""

    base: ImageRequest
    axes: Sequence[tuple[str, str]]
    models: Sequence[str] = ()


@dataclass
class Seen:
    """A run as far as it has come. `fresh`: the results since the last look; `now`: the cell that runs."""

    results: dict[int, Result] = field(default_factory=dict)
    fresh: list[Result] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    now: int | None = None
    doing: str = "Starting"
    ended: Ended | None = None
    failed: Failed | None = None
    began: float = field(default_factory=time.monotonic)
    made: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.ended is not None or self.failed is not None

    def seconds_left(self, left: int) -> float | None:
        """About how long `left` cells take, by those of this run; None before the first."""
        return (time.monotonic() - self.began) / self.made * left if self.made else None

    def take(self, update: object) -> None:
        """Adds one update of the run."""
        if isinstance(update, Doing):
            self.now = update.index
            if isinstance(update.event, Queued):
                self.doing = queued(update.event)
            elif isinstance(update.event, Loading):
                self.doing = loading(update.event)
            elif isinstance(update.event, Step):
                self.doing = stepping(replace(update.event, seconds_left=None))
        elif isinstance(update, Result):
            self.results[update.index] = update
            self.fresh.append(update)
            self.made += not update.error
        elif isinstance(update, Notice):
            self.notices.append(update.text)
        elif isinstance(update, Ended):
            self.ended, self.now = update, None
        elif isinstance(update, Failed):
            self.failed, self.now = update, None


def image_models(context: AppContext) -> dict[str, str]:
    """The names of the image models by id."""
    return {card.id: card.name for card in context.catalog.of_kind("image")}


def grids_of(context: AppContext, owner: str) -> Grids:
    """The owner's grids; below the outputs folder, from which the page may serve their pictures."""
    return Grids(outputs_folder(context.settings) / "grids", owner)


def plan_of(context: AppContext, asked: Asked) -> tuple[Plan, Outlook]:
    """The plan and what it comes to.

    Raises:
        InvalidRequest: names what cannot be.
    """
    if not asked.models and not any(name == "Model" for name, _ in asked.axes):
        raise InvalidRequest("No model is chosen.", "Choose at least one under Models.")
    plan = planned(asked.base, asked.axes, image_models(context), asked.models)
    return plan, outlook(plan, context.catalog)


@cache
def ruler() -> ClipScorer:
    """The shipped CLIP model, which scores every grid; loaded with its first picture."""
    from playground.scores.clip import ClipScorer

    return ClipScorer(CLIP)


def score(png: bytes, prompt: str) -> float:
    """CLIPScore of one picture."""
    return ruler().score([png], [prompt])[0]


async def follow(
    context: AppContext, owner: str, grid_id: str, cancel: CancelToken, *, scored: bool = True, retry: bool = True
) -> AsyncGenerator[Seen]:
    """Makes what a grid lacks; yields what has been seen a few times a second, and at the end.

    An error of the whole run stands in `failed`. Leaving the iterator ends the run; what was finished is kept.
    """
    grids, seen = grids_of(context, owner), Seen()

    def start(token: CancelToken) -> AsyncGenerator[Any]:
        how = score if scored else None
        return run(grids, grid_id, context.engine, token, owner=owner, score=how, retry=retry)

    async with aclosing(paced(start, cancel)) as batches:
        async for batch in batches:
            for update in batch:
                seen.take(update)
            yield seen
            seen.fresh = []
    if not seen.over:  # an engine that did not end in time after a stop
        seen.ended = Ended(True, -1)
        yield seen


def about_figures() -> dict[str, Any]:
    """What the figures of a grid mean, for its files."""
    from playground.scores.metrics import clip_score

    return {
        "seconds": "of sampling and decoding one picture, model loaded, queue left out",
        "clip_score": {
            "metric": clip_score(CLIP.name).id,
            "definition": f"100 max(cos, 0) between picture and prompt, by {CLIP.name}",
        },
    }


def write_file(context: AppContext, owner: str, grid_id: str, form: str) -> Path:
    """Writes the grid as a file into its own folder, as far as it has come.

    Raises:
        InvalidRequest: there is no such grid or form.
    """
    from playground.images.grid import sheet, tables, web_page

    if form not in FORMS:
        raise InvalidRequest(f"The form must be one of {', '.join(FORMS)}, got {str(form)[:20]!r}.")
    grids = grids_of(context, owner)
    plan, results = grids.plan(grid_id), grids.results(grid_id)

    def load(index: int) -> bytes | None:
        path = grids.picture(grid_id, index)
        return path.read_bytes() if path.is_file() else None

    if form == "png":
        data = sheet.compose(plan, results, load)
    elif form == "html":
        note = f"CLIPScore by {CLIP.name}: 100 max(cos, 0) between picture and prompt. Seconds of one picture."
        data = web_page.page(plan, results, load, note).encode("utf-8", "replace")
    else:
        data = tables.as_csv(plan, results) if form == "csv" else tables.as_json(plan, results, about_figures())
    path = grids.folder(grid_id) / f"grid-{grid_id[:8]}.{form}"
    partial = path.with_suffix(f".{form}.tmp")
    partial.write_bytes(data)
    partial.replace(path)
    return path


def into_gallery(context: AppContext, owner: str, grid_id: str, index: int) -> None:
    """Puts a copy of a cell's picture into the owner's gallery.

    Raises:
        PlaygroundError: the cell has no picture, or it cannot be kept.
    """
    grids = grids_of(context, owner)
    result, path = grids.results(grid_id).get(index), grids.picture(grid_id, index)
    if result is None or result.error or not path.is_file():
        raise InvalidRequest("This cell has no picture.", "Resume the grid first.")
    request = grids.plan(grid_id).cells[index].request
    used = result.parameters
    seed, seconds = int(used.get("seed") or 0), result.seconds or 0.0
    image = Image(0, path.read_bytes(), seed, result.width or 0, result.height or 0, result.text)
    stats = ImageStats(seconds, seconds, int(used.get("steps") or 0), seed, result.load_s or 0.0)
    keep_image(context, owner, request, image, stats)


def labels_of(plan: Plan, results: Mapping[int, Result]) -> list[tuple[str, int]]:
    """The finished pictures as choices: place in words, and index."""
    return [(f"{i + 1}: {plan.label(i)}", i) for i in sorted(results) if not results[i].error]
