"""One measuring session: asks the engine, remembers what was measured on, makes rows. Knows no metric's procedure."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from playground.catalog import ModelCard
from playground.protocol import (
    CancelToken,
    ChatStats,
    Done,
    Engine,
    Failed,
    Image,
    ImageStats,
    Loading,
    ModelState,
    Notice,
    Queued,
    Request,
    Token,
    UnloadRequest,
)
from playground.scores.estimates import Estimate
from playground.scores.metrics import Metric
from playground.scores.provenance import hardware, library_versions, revision_of
from playground.store import ScoreRow

POLL_S = 0.02  # how soon a stop reaches the engine


@dataclass(frozen=True)
class Progress:
    """What is being measured: `done` of `total` requests; `seconds_left` None until it can be told."""

    what: str
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True)
class Measured:
    row: ScoreRow


@dataclass(frozen=True)
class Finished:
    """The end: all rows, and whether the user stopped it before it had all."""

    rows: tuple[ScoreRow, ...]
    stopped: bool = False


MeasureEvent = Progress | Measured | Notice | Failed | Finished


class Stopped(Exception):
    """The user stopped the session."""


class EngineFailed(Exception):
    """A request of the session failed; `event` says how."""

    def __init__(self, event: Failed) -> None:
        super().__init__(event.error)
        self.event = event


@dataclass
class Reply:
    """What one request brought; `seconds` from asking, or from its turn where it had to queue."""

    text: str = ""
    images: list[Image] = field(default_factory=list)
    stats: ChatStats | ImageStats | None = None
    seconds: float = 0.0


class Session:
    """Requests to one engine about one card, with progress over `total` of them."""

    def __init__(self, engine: Engine, card: ModelCard, cancel: CancelToken, owner: str, total: int) -> None:
        self.card = card
        self.owner = owner
        self.rows: list[ScoreRow] = []
        self._engine = engine
        self._cancel = cancel
        self._total = total
        self._done = 0
        self._since: tuple[float, int] | None = None
        self._about: dict[str, Any] = {}
        self._machine: dict[str, Any] = {}

    @property
    def local(self) -> bool:
        """Whether the model runs in this process, so that its loading and its memory can be seen."""
        return self.card.backend == "local"

    async def ask(self, request: Request) -> Reply:
        """Runs one request to its end.

        Raises:
            Stopped: the user stopped the session; the engine has been told.
            EngineFailed: the request ended with Failed.
        """
        # A token of its own: an engine may use up the one it is handed when its stream ends.
        child = CancelToken()
        watch = asyncio.create_task(self._forward(child))
        reply, start, queued = Reply(), time.perf_counter(), False
        try:
            self.check()
            async with aclosing(self._engine.submit(request, child)) as stream:  # type: ignore[type-var]
                async for event in stream:
                    self.check()
                    match event:
                        case Queued():
                            queued = True
                        case Loading() if queued:
                            start, queued = time.perf_counter(), False
                        case Token(text=text, kind="answer"):
                            reply.text += text
                        case Image():
                            reply.images.append(event)
                        case Failed():
                            raise EngineFailed(event)
                        case Done(stats=stats):
                            reply.stats = stats
        finally:
            watch.cancel()
        self.check()
        reply.seconds = time.perf_counter() - start
        if not isinstance(request, UnloadRequest):  # makes room, is no part of the work
            self._done += 1
        return reply

    def check(self) -> None:
        """Raises Stopped once the user has stopped the session."""
        if self._cancel.cancelled:
            raise Stopped

    async def state(self) -> ModelState | None:
        """The card as the engine sees it now."""
        return next((state for state in await self._engine.models() if state.id == self.card.id), None)

    def start_clock(self) -> None:
        """From here on requests are alike, so that the time left can be told from them."""
        self._since = time.perf_counter(), self._done

    def progress(self, what: str) -> Progress:
        """The next request is about `what`."""
        left = None
        if self._since is not None and self._done > self._since[1]:
            each = (time.perf_counter() - self._since[0]) / (self._done - self._since[1])
            left = each * (self._total - self._done)
        return Progress(what, self._done, self._total, left)

    async def identify(self) -> None:
        """Notes weights, libraries and machine; the model must be loaded by now, so that dtype and device are known."""
        state, health = await self.state(), await self._engine.health()
        revision = await asyncio.to_thread(revision_of, self.card)
        self._about = {
            "revision": revision,
            "dtype": state.dtype if state else "",
            "device": (state.device if state else "") if self.local else "remote API",
            "versions": library_versions() | health.versions,
        }
        self._machine = {"hardware": await asyncio.to_thread(hardware)} if self.local else {}
        self._machine["other_requests"] = health.running + health.waiting

    def row(self, metric: Metric, estimate: Estimate, seed: int | None, **settings: Any) -> Measured:
        """The event for a figure, which is also kept for the end."""
        made = ScoreRow(
            metric=metric.id,
            value=estimate.value,
            unit=metric.unit,
            n=estimate.n,
            low=estimate.low,
            high=estimate.high,
            interval=estimate.interval,
            model=self.card.id,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            seed=seed,
            settings=settings | self._machine,
            **self._about,
        )
        self.rows.append(made)
        return Measured(made)

    async def _forward(self, child: CancelToken) -> None:
        while not self._cancel.cancelled:
            await asyncio.sleep(POLL_S)
        child.cancel()
