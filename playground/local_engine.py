"""The in-process engine: runs the local cards of the catalog on this machine.

Requests come in on an event loop; models run on worker threads: one for each text model, so that chat columns stream
at the same time, and one for all image models of the device, which take turns. Whatever loads torch is imported by the
first request that needs it, so that the page is served first.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playground.catalog import Catalog, ModelCard
from playground.errors import Cancelled, InvalidRequest, ModelUnavailable, PlaygroundError
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    ClassifyRequest,
    Counted,
    CountRequest,
    Done,
    Event,
    Failed,
    Health,
    ImageRequest,
    Loading,
    LoadRequest,
    ModelState,
    Notice,
    Queued,
    Request,
    State,
    UnloadRequest,
)
from playground.settings import Settings
from playground.workers import Job, Worker

if TYPE_CHECKING:
    from playground.models.pool import ModelPool

log = logging.getLogger(__name__)

Emit = Callable[[Event], None]

POLL_S = 0.05  # how often a waiting stream looks at its cancel token


class LocalEngine:
    """Runs the cards whose backend is "local" on this machine, all over one shared model pool."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._lock = threading.Lock()
        self._pool: ModelPool | None = None
        self._workers: dict[str, Worker] = {}

    # --- the seam ---

    async def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def emit(event: Event) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(events.put_nowait, event)

        try:
            card = self._catalog[request.model]
            work = self._work(request, card, cancel)
        except PlaygroundError as error:
            yield Failed.of(error)
            return
        job = Job(
            run=lambda: self._run(work, emit, cancel),
            owner=request.owner,
            moved=lambda position, eta: emit(Queued(position, eta)),
        )
        worker = self._worker_for(request, card)
        worker.submit(job)
        ended = False
        try:
            while not ended:
                try:
                    event = await asyncio.wait_for(events.get(), POLL_S)
                except TimeoutError:
                    if cancel.cancelled and worker.withdraw(job):
                        ended = True
                        yield Notice("Stopped before it began.")
                        yield Done()
                    continue
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

    def _work(self, request: Request, card: ModelCard, cancel: CancelToken) -> Callable[[Emit], None]:
        """The checked request as a function to run on a worker. Raises what is wrong with it before anything waits."""
        if isinstance(request, ChatRequest):
            _expect(card, "chat")
            from playground.chat.request import checked_chat

            chat = checked_chat(request, card)
            return lambda emit: self._chat(chat, card, cancel, emit)
        if isinstance(request, ImageRequest):
            _expect(card, "image")
            from playground.images.request import checked_image

            image = checked_image(request, card)
            return lambda emit: self._image(image, card, cancel, emit)
        if isinstance(request, ClassifyRequest):
            _expect(card, "chat")
            classify = request
            return lambda emit: self._classify(classify, card, cancel, emit)
        if isinstance(request, CountRequest):
            count = request
            return lambda emit: self._count(count, card, cancel, emit)
        if isinstance(request, LoadRequest):
            return lambda emit: self._load(card, cancel, emit)
        if isinstance(request, UnloadRequest):
            return lambda emit: self._unload(card, emit)
        raise InvalidRequest(f"This engine cannot run a {type(request).__name__}.")

    def _run(self, work: Callable[[Emit], None], emit: Emit, cancel: CancelToken) -> None:
        """Runs one job so that it always ends with Done or Failed."""
        try:
            work(emit)
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

    def _chat(self, request: ChatRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        from playground.chat.generate import answer

        started = time.perf_counter()
        with self._lease(card, cancel, emit, self._working_bytes(card, request)) as loaded:
            load_s = time.perf_counter() - started
            stats: ChatStats = answer(loaded, request, cancel, emit)
        emit(Done(replace(stats, load_s=load_s)))

    def _image(self, request: ImageRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        from playground.images.run import paint

        started = time.perf_counter()
        with self._lease(card, cancel, emit, self._working_bytes(card, request)) as loaded:
            load_s = time.perf_counter() - started
            stats = paint(loaded, request, cancel, emit)
        emit(Done(replace(stats, load_s=load_s)))

    def _classify(self, request: ClassifyRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        from playground.chat.classify import label_scores

        with self._lease(card, cancel, emit) as loaded:
            emit(label_scores(loaded, request, cancel))
        emit(Done())

    def _count(self, request: CountRequest, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        if card.id not in self._pooled():
            raise ModelUnavailable(f"{card.name} is not loaded, so its tokens cannot be counted.", "Load it first.")
        with self._lease(card, cancel, emit) as loaded:
            if card.kind == "chat":
                from playground.chat.count import count_tokens as count
            else:
                from playground.images.count import count_tokens as count  # type: ignore[assignment]
            emit(Counted(*count(loaded, request.text)))
        emit(Done())

    def _load(self, card: ModelCard, cancel: CancelToken, emit: Emit) -> None:
        with self._lease(card, cancel, emit):
            emit(Loading(card.id, 1.0, "ready"))
        emit(Done())

    def _unload(self, card: ModelCard, emit: Emit) -> None:
        if self._pool is not None:
            self._pool.unload(card.id)
        emit(Done())

    def _working_bytes(self, card: ModelCard, request: ChatRequest | ImageRequest) -> int:
        """What the request needs beside the weights: the cache of a chat, the activations of a picture."""
        from playground.models import devices, working

        dtype = devices.pick_dtype(devices.pick_device(self._settings), self._settings, card.kind)
        if isinstance(request, ChatRequest):
            characters = sum(len(message.content) for message in request.messages)
            tokens = characters // 2 + (request.max_new_tokens or 0)  # rarely more than a token for two characters
            return working.for_answer(card, min(tokens, card.context or tokens), dtype)
        side = card.native_size or 512
        return working.for_picture(card, request.width or side, request.height or side, request.batch_size, dtype)

    @contextmanager
    def _lease(self, card: ModelCard, cancel: CancelToken, emit: Emit, working_bytes: int = 0) -> Iterator[Any]:
        """Leases the card's model for work on this thread, with the thread count that suits its size."""

        def progress(fraction: float | None, text: str = "") -> None:
            emit(Loading(card.id, fraction, text))

        if self._pool is None:
            progress(None, "Starting torch")
        pool = self.pool()
        from playground.models import devices

        with pool.lease(card, working_bytes=working_bytes, progress=progress, cancel=cancel) as loaded:
            devices.use_threads(devices.intraop_threads(loaded.device, card.kind, loaded.bytes))
            yield loaded

    # --- workers and states ---

    def _worker_for(self, request: Request, card: ModelCard) -> Worker:
        """A text model has a worker of its own; image models share their device's; unloading waits for nobody."""
        name = "image" if card.kind != "chat" else f"chat-{card.id}"
        if isinstance(request, UnloadRequest):
            name = "unload"
        with self._lock:
            if name not in self._workers:
                self._workers[name] = Worker(name)
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
                    last_used=entry.last_used,
                )
        return found

    def _states(self) -> list[ModelState]:
        from playground.models.download import unavailable

        known = self._pooled()
        states = []
        for card in self._catalog:
            if card.backend != "local":
                continue
            if card.id in known:
                states.append(known[card.id])
                continue
            reason = unavailable(card, self._settings)
            states.append(
                ModelState(
                    id=card.id,
                    kind=card.kind,
                    state="unavailable" if reason else "not loaded",
                    licence=card.licence,
                    parameters=card.parameters,
                    reason=reason,
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


def _expect(card: ModelCard, kind: str) -> None:
    if card.kind != kind:
        wanted = {"chat": "a text model", "image": "an image model"}[kind]
        raise InvalidRequest(f"{card.name} is not {wanted}.", "Choose another model for this.")
