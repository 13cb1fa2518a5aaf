"""Live drawing: each move of a control starts a short run, the next move ends it, and the full run follows at rest.

One piece of work at a time draws for an owner, so that no run but the latest is ever begun. Knows nothing of controls.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from contextlib import aclosing
from dataclasses import replace
from html import escape

from playground.errors import PlaygroundError
from playground.protocol import CancelToken, Failed, Image, ImageRequest, Loading, Queued, Step
from playground.ui.context import AppContext
from playground.ui.image_queue import Line, job_of
from playground.ui.stream import batches
from playground.ui.words import bar, loading, problem, queued

log = logging.getLogger(__name__)

REST_S = 1.5
FEWEST = 4  # steps of a short run


def short_steps(steps: int) -> int:
    """A quarter of the steps, at least four, and never more than were asked for."""
    return min(steps, max(FEWEST, steps // 4))


class Live:
    """One owner's live drawing; `html` is what the page shows of it. Its pictures are kept nowhere."""

    def __init__(self, context: AppContext, line: Line) -> None:
        self._context, self.line = context, line
        self._asked: tuple[ImageRequest, tuple[str, ...]] | None = None
        self._moves = 0
        self._moved_at = 0.0
        self._token = CancelToken()
        self._full = 0  # id of the full run's job
        self._task: asyncio.Task[None] | None = None
        self.html = ""

    @property
    def busy(self) -> bool:
        """Whether it draws, or waits for the controls to rest."""
        return self._task is not None and not self._task.done()

    def asked_already(self, wanted: ImageRequest, models: tuple[str, ...]) -> None:
        """These settings run anyway: that the form shows them now is no move."""
        self.off()
        self._asked = (wanted, models)

    def moved(self, wanted: ImageRequest, models: tuple[str, ...]) -> None:
        """Draws these settings in short, after ending what it drew before; nothing where they are those of before."""
        if self._asked == (wanted, models):
            return
        self._asked = (wanted, models)
        self._moves += 1
        self._moved_at = time.monotonic()
        self._end()
        if not self.busy:
            self._task = asyncio.create_task(self._work())

    def off(self) -> None:
        """Ends what it draws; a full run that has begun goes on."""
        self._moves += 1
        self._asked = None
        self._token.cancel()
        self._show("")

    def _end(self) -> None:
        self._token.cancel()
        if self._full:
            self.line.cancel(self._full)
            self._full = 0

    def _show(self, html: str) -> None:
        self.html = html
        self.line.tell()

    async def _work(self) -> None:
        try:
            while self._asked is not None:
                at, (wanted, models) = self._moves, self._asked
                await self._draw(wanted, models[0])
                if at == self._moves and await self._rested(at):
                    self._full_run(wanted, models)
                while at == self._moves and self.line.holds(self._full):
                    await self.line.changed(self.line.version)
                if at == self._moves:
                    return
        except PlaygroundError as error:
            self._show(problem(Failed.of(error)))
        except Exception as error:  # the traceback goes to the log, a sentence to the user
            log.exception("live drawing failed")
            name = type(error).__name__
            self._show(problem(Failed(f"Live failed: {name}.", "The log of the app has the details.", "Internal")))

    async def _rested(self, at: int) -> bool:
        """Waits until nothing has moved for a while; False as soon as something does."""
        while at == self._moves and (left := self._moved_at + REST_S - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.05))
        return at == self._moves

    def _full_run(self, wanted: ImageRequest, models: tuple[str, ...]) -> None:
        job = job_of(wanted, models, live=True)
        self.line.add(job)
        self._full = job.id
        self._show("")

    async def _draw(self, wanted: ImageRequest, model: str) -> None:
        card = self._context.catalog[model]
        steps = short_steps(wanted.steps or card.defaults.steps or FEWEST)
        request = replace(wanted, model=model, batch_size=1, steps=steps, preview_every=1)
        self._token = token = CancelToken()
        picture, line, fraction = b"", "Starting", None
        async with aclosing(batches(self._context.engine, request, token)) as found:
            async for batch in found:
                for event in batch:
                    if isinstance(event, Image):
                        picture, line, fraction = event.png, f"{steps} steps", 1.0
                    elif isinstance(event, Step):
                        picture = event.preview or picture
                        line, fraction = f"Step {event.index} of {event.total}", event.index / max(1, event.total)
                    elif isinstance(event, Loading):
                        line, fraction = loading(event), event.fraction
                    elif isinstance(event, Queued):
                        line, fraction = queued(event), None
                    elif isinstance(event, Failed) and not token.cancelled:
                        self._show(problem(event, card.name))
                        return
                if not token.cancelled:
                    self._show(_drawn(picture, card.name, request, line, fraction))


def _drawn(picture: bytes, name: str, request: ImageRequest, line: str, fraction: float | None) -> str:
    image = ""
    if picture:
        kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
        alt = escape(f"Live: {request.prompt[:200]}")
        data = base64.b64encode(picture).decode("ascii")
        image = f'<img class="pg-preview" alt="{alt}" src="data:image/{kind};base64,{data}">'
    return (
        f'<div class="pg-painting pg-drawn">{image}<div class="pg-painting-words"><b>Live · {escape(name)} · '
        f"seed {request.seed}</b><span>{escape(line)}</span>{bar(fraction, line)}</div></div>"
    )
