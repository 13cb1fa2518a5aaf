"""Picture jobs of each owner, one after the other: they go on while no page looks, and every page can follow them.

Knows nothing of controls. All of it runs on the server's event loop, so that no lock is needed.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import OrderedDict
from contextlib import aclosing, suppress
from dataclasses import dataclass
from html import escape

from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import CancelToken, Failed, ImageRequest
from playground.ui.context import AppContext
from playground.ui.image_progress import Speeds
from playground.ui.image_run import Picture, paint
from playground.ui.words import empty, problem

log = logging.getLogger(__name__)

MOST_WAITING = 20
MOST_SHOWN = 64  # pictures of one streak of jobs that the page shows; the gallery has them all
MOST_SAID = 10  # finished jobs whose problems still stand there
MOST_LINES = 500
TICK_S = 0.5
_IDS = itertools.count(1)


@dataclass(frozen=True)
class Job:
    """One press of Generate; `id` counts over all owners. `live`: the full run that follows live ones."""

    id: int
    wanted: ImageRequest
    models: tuple[str, ...]
    live: bool = False


def job_of(wanted: ImageRequest, models: tuple[str, ...], live: bool = False) -> Job:
    """A job with an id of its own."""
    return Job(next(_IDS), wanted, models, live)


@dataclass(frozen=True)
class Ended:
    """The last job that ended: its pictures and its seconds. `count` is how many jobs of the line have ended."""

    count: int = 0
    pictures: int = 0
    seconds: float = 0.0


class Line:
    """One owner's jobs. What a page shows stands in `status`, `pictures`, `fraction`, `waiting` and `ended`."""

    def __init__(self, context: AppContext, speeds: Speeds) -> None:
        self._context, self._speeds = context, speeds
        self._token = CancelToken()
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._said: list[str] = []  # what finished jobs of this streak leave to read
        self.version = 0
        self.running: Job | None = None
        self.waiting: list[Job] = []
        self.status = ""
        self.pictures: list[Picture] = []
        self.fraction: float | None = None
        self.ended = Ended()

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return self.running is not None or bool(self.waiting)

    def add(self, job: Job) -> None:
        """Puts a job at the end; it begins at once where nothing else runs.

        Raises:
            InvalidRequest: too many wait already.
        """
        if len(self.waiting) >= MOST_WAITING:
            raise InvalidRequest(f"{MOST_WAITING} jobs wait already.", "Cancel one, or let some of them finish.")
        if not self.busy:
            self.pictures, self._said, self.status = [], [], ""
        self.waiting.append(job)
        self.tell()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    def cancel(self, job_id: int) -> bool:
        """Takes a waiting job away, or stops it where it runs; False where it is neither."""
        if self.running is not None and self.running.id == job_id:
            self._token.cancel()
            return True
        left = [job for job in self.waiting if job.id != job_id]
        found, self.waiting = len(left) < len(self.waiting), left
        self.tell()
        return found

    def holds(self, job_id: int) -> bool:
        """Whether this job runs or waits."""
        return any(job.id == job_id for job in (*([self.running] if self.running else []), *self.waiting))

    def clear(self) -> None:
        """Takes all waiting jobs away."""
        self.waiting = []
        self.tell()

    def stop(self) -> None:
        """Stops the job that runs; the next one begins."""
        if self.running is not None:
            self._token.cancel()

    def skip(self) -> None:
        """Leaves out what is being made, and goes on with the job's next picture or model."""
        if self.running is not None:
            self._token.skip()

    def say(self, html: str) -> None:
        """Shows a problem that is no job's."""
        self._said = [*self._said, html][-MOST_SAID:] if self.busy else [html]
        if self.running is None:
            self.status = "".join(self._said)
        self.tell()

    def tell(self) -> None:
        """Wakes the pages that follow."""
        self.version += 1
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def changed(self, version: int) -> None:
        """Returns once there is something newer than `version`, or after half a second."""
        if self.version == version:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), TICK_S)

    async def _work(self) -> None:
        while self.waiting:
            job = self.waiting.pop(0)
            self.running, self._token, self.fraction = job, CancelToken(), None
            before, began = list(self.pictures), time.monotonic()
            said = ""
            try:
                said = await self._run(job, before)
            except PlaygroundError as error:
                said = problem(Failed.of(error))
            except Exception as error:  # the traceback goes to the log, a sentence to the user
                log.exception("a picture job failed")
                name = type(error).__name__
                said = problem(Failed(f"The job failed: {name}.", "The log of the app has the details.", "Internal"))
            made = len(self.pictures) - len(before)
            if self._token.cancelled and not made and not said:
                said = empty("Stopped", "No picture was finished.")
            if job.live and self._token.cancelled:  # the next move took its place
                said = ""
            if said:
                self._said = [*self._said, said][-MOST_SAID:]
            self.status = "".join(self._said)
            self.pictures = self.pictures[-MOST_SHOWN:]
            self.ended = Ended(self.ended.count + 1, made, time.monotonic() - began)
            self.running, self.fraction = None, None
            self.tell()

    async def _run(self, job: Job, before: list[Picture]) -> str:
        """Runs one job; what is left to read of it."""
        said = ""
        cards = [self._context.catalog[model] for model in job.models]
        async with aclosing(paint(self._context, cards, job.wanted, self._token, self._speeds)) as updates:
            async for now in updates:
                said = now.status
                self.status = "".join(self._said) + said
                self.pictures = [*before, *now.pictures]
                self.fraction = now.fraction
                self.tell()
        return said


class Lines:
    """The line of each owner; idle ones that nobody asked for lately are forgotten."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._speeds = Speeds()
        self._lines: OrderedDict[str, Line] = OrderedDict()

    def of(self, owner: str) -> Line:
        """This owner's line."""
        line = self._lines.setdefault(owner, Line(self._context, self._speeds))
        self._lines.move_to_end(owner)
        for key in [key for key, held in self._lines.items() if not held.busy][: len(self._lines) - MOST_LINES]:
            del self._lines[key]
        return line


def waiting_html(line: Line, names: dict[str, str]) -> str:
    """The waiting jobs with a cancel each, and one for all; empty where none waits. The buttons carry `data-act`."""
    if not line.waiting:
        return ""
    rows = []
    for place, job in enumerate(line.waiting, 1):
        prompt = escape(job.wanted.prompt[:200]) or "<i>no prompt</i>"
        models = escape(", ".join(names.get(model, model) for model in job.models))
        count = f", {job.wanted.batch_size} each" if job.wanted.batch_size > 1 else ""
        rows.append(
            f'<li><span class="pg-place">{place}</span><span class="pg-job"><b>{prompt}</b><small>{models}{count}'
            f"</small></span>{_button('cancel', str(job.id), 'Cancel', f'Cancel waiting job {place}')}</li>"
        )
    number = len(line.waiting)
    head = f"{number} job{'s' if number > 1 else ''} waiting"
    clear = _button("clear", "", "Clear waiting", "Cancel all waiting jobs") if number > 1 else ""
    return f'<div class="pg-waiting"><header><b>{head}</b>{clear}</header><ol>{"".join(rows)}</ol></div>'


def _button(act: str, key: str, label: str, name: str) -> str:
    return (
        f'<button type="button" class="pg-button" data-act="{act}" data-key="{key}" '
        f'aria-label="{escape(name)}">{label}</button>'
    )


def title_html(line: Line) -> str:
    """What the page's script makes the page title of: the percent of the running job, and how the last one ended."""
    percent = "" if line.running is None else f"{100 * (line.fraction or 0):.0f}"
    ended = line.ended
    return (
        f'<i hidden data-percent="{percent}" data-ended="{ended.count}" data-pictures="{ended.pictures}" '
        f'data-seconds="{ended.seconds:.1f}"></i>'
    )
