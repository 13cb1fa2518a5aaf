"""Loads of the pool, each in a thread of its own, so that a caller who is cancelled can leave at once.

A load asks for the size, waits for room, loads, and hands the model to everybody who waits, or the error.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from typing import Any

from playground.errors import Cancelled, ModelUnavailable, OutOfMemory, PlaygroundError
from playground.models.ledger import Ledger
from playground.models.line import Line
from playground.models.records import Ask, Entry, Job, Loader, Progress, Sizer, Tier
from playground.protocol import CancelToken

log = logging.getLogger(__name__)


class Loads:
    """Starts loads and publishes how they ended."""

    def __init__(
        self,
        loader: Loader,
        size: Sizer,
        mover: Callable[[Any, Tier], None] | None,
        books: Ledger,
        line: Line,
        cond: threading.Condition,
        clock: Callable[[], float],
    ) -> None:
        self.threads: set[threading.Thread] = set()
        self._load = loader
        self._size = size
        self._mover = mover
        self._books = books
        self._line = line
        self._cond = cond
        self._clock = clock

    def start(self, ask: Ask, entry: Entry | None) -> None:
        """Begins a load that `ask` leads, of a new entry or of one in the RAM tier; called with the lock held."""
        if entry is None:
            entry = Entry(ask.key, ask)
            self._books.entries[ask.key] = entry
        entry.state, entry.leader, entry.cancel, entry.error = "loading", ask, CancelToken(), None
        entry.cards[ask.card.id] = ask.card.name
        entry.asks.append(ask)
        ask.entry = entry
        thread = threading.Thread(target=self._run, args=(entry,), name=f"load {ask.card.id}", daemon=True)
        self.threads.add(thread)
        thread.start()

    def _run(self, entry: Entry) -> None:
        began = self._clock()
        leader = entry.leader
        key = entry.key
        job = Job(leader.card, key.dtype, key.quantization, self._progress_of(entry), entry.cancel, key.staged)
        loaded = entry.loaded  # in the RAM tier, or None
        try:
            if loaded is None:
                entry.size = self._size(job)
            with self._cond:
                self._line.wait_for_room(
                    lambda: entry.size + (leader.working if leader in entry.asks else 0),
                    leader.card.name,
                    entry.key,
                    entry.cancel,
                    entry,
                )
                entry.bytes = entry.size
                if leader in entry.asks and leader.working:
                    self._books.reserved[leader] = (leader.working, f"work on {leader.card.name}")
            if loaded is None:
                loaded = self._load_once_more_if_short(job)
            else:
                assert self._mover is not None
                self._mover(loaded, "device")
            self._publish(entry, loaded, began)
            loaded = None  # this thread lives a little longer than a lease may
        except BaseException as error:  # noqa: BLE001  a thread has nobody above it: the waiters get the error
            loaded = None
            self._fail(entry, error)
        finally:
            with self._cond:
                self.threads.discard(threading.current_thread())
        self._books.tell()

    def _load_once_more_if_short(self, job: Job) -> Any:
        try:
            return self._load(job)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            log.warning("%s ran out of memory while loading; freeing unused models.", job.card.name)
        with self._cond:
            self._books.trim()
        return self._load(job)

    def _publish(self, entry: Entry, loaded: Any, began: float) -> None:
        with self._cond:
            if entry.stale:
                raise Cancelled  # its files changed on the way; whoever waits loads it again
            moved = entry.loaded is not None
            entry.size = entry.bytes = int(getattr(loaded, "bytes", entry.size))
            entry.ram = 0
            # The headers may have promised less than what came.
            if not self._books.try_room(0, entry):
                raise self._books.out_of_memory(entry.name, entry.size)
            entry.loaded, entry.state, entry.last_used = loaded, "ready", self._clock()
            self._books.count("moved" if moved else "loaded", entry, self._clock() - began)
            waiting, entry.asks = entry.asks, []
            for ask in waiting:
                first = ask is entry.leader
                alone = not entry.pins and not entry.exclusive
                if (first or (not ask.working and not ask.exclusive)) and (alone or not entry.exclusive):
                    self._books.grant(ask, entry, "miss", self._clock())
                else:
                    ask.entry = None
            self._cond.notify_all()

    def _fail(self, entry: Entry, error: BaseException) -> None:
        name = entry.name
        if not isinstance(error, PlaygroundError):
            # As text: a log record that kept the traceback would keep half a model alive with it.
            log.error("loading %s failed\n%s", name, "".join(traceback.format_exception(error)))
            if is_out_of_memory(error):
                error = OutOfMemory(
                    f"{name} ran out of memory while loading.", "Unload another model, or take a smaller one."
                )
            else:
                error = ModelUnavailable(f"{name} could not be loaded: {error}.", "See the log for details.")
        error.__traceback__ = error.__context__ = None  # its frames would keep half a model alive
        with self._cond:
            entry.loaded, entry.bytes, entry.ram, entry.state = None, 0, 0, "gone"
            entry.error = error
            self._books.entries.pop(entry.key, None)
            self._books.count("failed", entry, text=str(error))
            for ask in entry.asks:
                self._books.reserved.pop(ask, None)
            self._cond.notify_all()

    def _progress_of(self, entry: Entry) -> Progress:
        def report(fraction: float | None, text: str) -> None:
            with self._cond:
                asks = list(entry.asks)
            for ask in asks:
                if ask.progress is not None:
                    try:
                        ask.progress(fraction, text)
                    except Exception:
                        log.exception("a progress callback failed and is not called again")
                        ask.progress = None

        return report


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of Python or torch says that memory ran out; imports no torch to tell."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )
