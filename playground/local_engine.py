"""The in-process engine: runs the local cards of the catalog on this machine.

Requests come in on an event loop; models run on worker threads: one for each text model, which makes several answers
at a time, and one for all image models of the device, which take turns. Whatever loads torch is imported by the
first request that needs it, so that the page is served first.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from playground.catalog import Catalog, ModelCard
from playground.errors import Cancelled, PlaygroundError
from playground.local_jobs import Emit, Jobs, Work
from playground.mailbox import Mailbox
from playground.protocol import (
    AddRequest,
    CancelToken,
    CountRequest,
    Done,
    DownloadRequest,
    Event,
    Failed,
    Health,
    ModelState,
    Notice,
    PinRequest,
    Queued,
    Request,
    SizeRequest,
    State,
    UnloadRequest,
)
from playground.settings import Settings
from playground.workers import Job, Worker

if TYPE_CHECKING:
    from playground.models.pool import ModelPool

log = logging.getLogger(__name__)

CHAT = "chat-"  # how the names of text models' workers begin
ANSWERS = 16  # that one text model makes at a time
POLL_S = 0.05  # how often a waiting stream looks at its cancel token


class LocalEngine:
    """Runs the cards whose backend is "local" on this machine, all over one shared model pool."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._lock = threading.Lock()
        self._pool: ModelPool | None = None
        self._workers: dict[str, Worker] = {}
        self._jobs = Jobs(settings, catalog, self.pool, lambda: self._pool)

    # --- the seam ---

    async def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        mail = Mailbox(asyncio.get_running_loop())
        emit = mail.put
        try:
            if isinstance(request, SizeRequest | AddRequest):
                work, name = self._jobs.named(request), "size"
            else:
                card = self._catalog[request.model]
                work, name = self._jobs.work(request, card, cancel), _worker_name(request, card)
        except PlaygroundError as error:
            yield Failed.of(error)
            return
        job = Job(
            run=lambda: self._run(work, emit, cancel),
            owner=request.owner,
            moved=lambda position, eta: emit(Queued(position, eta)),
        )
        worker = self._worker(name)
        worker.submit(job)
        ended = False
        try:
            while not ended:
                events = await mail.come(POLL_S)
                if not events and cancel.cancelled and worker.withdraw(job):
                    events = [Notice("Stopped before it began."), Done()]
                for event in events:
                    ended = isinstance(event, Done | Failed)
                    yield event
        finally:
            if not ended:  # the listener went away in the middle
                cancel.cancel()
                worker.withdraw(job)

    async def models(self) -> list[ModelState]:
        return await asyncio.to_thread(self._states)

    async def health(self) -> Health:
        return await asyncio.to_thread(self._health)

    # --- life ---

    def warm(self, *card_ids: str) -> None:
        """Imports torch and loads these cards, in the order given; meant for a background thread at start-up.

        A card that cannot be loaded is told to the log; the first request for it tells the user.
        """
        for card_id in card_ids:
            try:
                with self.pool().lease(self._catalog[card_id]):
                    log.info("%s is ready", card_id)
            except PlaygroundError as error:
                log.warning("%s was not warmed up: %s", card_id, error)

    def pool(self) -> ModelPool:
        """The shared pool; opened by the first caller, which imports torch."""
        with self._lock:
            if self._pool is None:
                from playground.models.open import open_pool

                self._pool = open_pool(self._settings, self._catalog)
            return self._pool

    def close(self) -> None:
        """Ends the worker threads and frees every model."""
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
            pool, self._pool = self._pool, None
        for worker in workers:
            worker.close()
        if pool is not None:
            pool.close()

    # --- work ---

    def _run(self, work: Work, emit: Emit, cancel: CancelToken) -> Iterator[None]:
        """Runs one job so that it always ends with Done or Failed; pauses where its work does."""
        try:
            yield from work(emit) or ()
        except Cancelled:
            emit(Notice("Stopped."))
            emit(Done())
        except PlaygroundError as error:
            emit(Failed.of(error))
        except Exception as error:  # the traceback goes to the log, a sentence to the user
            log.exception("a request failed")
            emit(
                Failed(f"The model failed: {type(error).__name__}.", "The log of the app has the details.", "Internal")
            )

    # --- workers and states ---

    def _worker(self, name: str) -> Worker:
        with self._lock:
            if name not in self._workers:
                self._workers[name] = Worker(name, ANSWERS if name.startswith(CHAT) else 1)
            return self._workers[name]

    def _pooled(self) -> dict[str, ModelState]:
        """What the pool holds or is loading, by card id."""
        if self._pool is None:
            return {}
        from playground.models import devices

        device = devices.pick_device(self._settings)
        found = {}
        for entry in self._pool.states():
            state: State = {"loading": "loading", "ready": "ready"}.get(entry.state, "not loaded")  # type: ignore[assignment]
            for card_id in entry.cards:
                card = self._catalog[card_id]
                found[card_id] = ModelState(
                    id=card_id,
                    kind=card.kind,
                    state=state,
                    licence=card.licence,
                    parameters=card.parameters,
                    bytes=entry.bytes,
                    device=device if entry.state != "ram" else "ram",
                    dtype=entry.dtype,
                    users=entry.users,
                    idle_s=entry.idle_s,
                    pinned=entry.pinned,
                    tier="ram" if entry.state == "ram" else "device",
                    working_bytes=entry.working,
                    quantization=entry.quantization or "",
                    runtime=entry.runtime,
                )
        return found

    def _states(self) -> list[ModelState]:
        from playground.models.download import whereabouts

        known = self._pooled()
        states = []
        for card in self._catalog:
            if card.backend != "local":
                continue
            if card.id in known:
                states.append(known[card.id])
                continue
            on_disk, reason = whereabouts(card, self._settings)
            states.append(
                ModelState(
                    id=card.id,
                    kind=card.kind,
                    state="unavailable" if reason else "not loaded",
                    licence=card.licence,
                    parameters=card.parameters,
                    reason=reason,
                    on_disk=on_disk,
                )
            )
        return states

    def _health(self) -> Health:
        with self._lock:
            counts = [worker.counts() for worker in self._workers.values()]
            pool = self._pool
        running, waiting = (sum(c[i] for c in counts) for i in (0, 1)) if counts else (0, 0)
        from playground.models import devices

        cores = devices.cores()
        if pool is None:
            return Health(ok=True, device="starting", cores=cores, running=running, waiting=waiting)
        device = devices.pick_device(self._settings)
        dtype = devices.pick_dtype(device, self._settings, "image")
        stats = pool.stats
        return Health(
            ok=True,
            device=devices.describe(device),
            cores=cores,
            dtype=dtype,
            budget_bytes=stats.budget_bytes,
            used_bytes=stats.used_bytes,
            running=running,
            waiting=waiting,
            versions=devices.versions(),
        )


def _worker_name(request: Request, card: ModelCard) -> str:
    """A text model has a worker of its own; image models share their device's; what runs no model waits for none."""
    if isinstance(request, UnloadRequest) or (isinstance(request, PinRequest) and not request.pinned):
        return "unload"
    if isinstance(request, DownloadRequest):
        return f"download-{card.id}"
    if isinstance(request, CountRequest) and card.kind == "image":
        return "count"  # by the tokenizer alone: a prompt is counted while a picture is made
    return "image" if card.kind != "chat" else f"{CHAT}{card.id}"
