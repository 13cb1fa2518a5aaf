"""One download for all who want the same: it runs in a thread and an event loop of its own, whoever waits may leave.

The last one who leaves stops it. Knows nothing of what is downloaded.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any, TypeVar, cast

from playground.errors import Cancelled, PlaygroundError
from playground.models.meter import Meter, Transfer
from playground.models.records import Progress
from playground.protocol import CancelToken

T = TypeVar("T")
POLL = 0.05  # seconds between two looks at the cancel token
REPORT = 0.25  # seconds between two reports of progress

_lock = threading.Lock()
_flights: dict[Hashable, Flight] = {}


class Flight:
    """A piece of asynchronous work under way, and how many wait for it."""

    def __init__(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Any]], meter: Meter) -> None:
        self.key = key
        self.meter = meter
        self.waiting = 0
        self.ended = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(work())
        threading.Thread(target=self._run, name="download", daemon=True).start()

    def stop(self) -> None:
        """Cancels the work; what it holds open is closed within milliseconds."""
        with suppress(RuntimeError):  # it has ended by itself, and its loop is closed
            self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            self.result = self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            self.error = Cancelled()
        except BaseException as error:  # noqa: BLE001  a thread has nobody above it: those who wait get the error
            self.error = error
        finally:
            with _lock:
                if _flights.get(self.key) is self:
                    del _flights[self.key]
            self.ended.set()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


def share(
    key: Hashable,
    work: Callable[[Meter], Coroutine[Any, Any, T]],
    name: str,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> T:
    """What `work` returns; it runs once for all who ask with the same key while it runs.

    Args:
        work: counts its bytes on the meter that it is given.
        name: what progress is reported of.
        progress: called in the caller's thread, at most four times a second, and once more at the end.
        cancel: looked at every 50 ms; the work itself ends with the last one who leaves.

    Raises:
        Cancelled: `cancel` was set.
        PlaygroundError: the work failed so; each caller gets an error of their own.
    """
    cancel = cancel or CancelToken()
    with _lock:
        flight = _flights.get(key)
        if flight is None:
            meter = Meter(name)
            flight = _flights[key] = Flight(key, lambda: work(meter), meter)
        flight.waiting += 1
    try:
        _wait(flight, progress, cancel)
    finally:
        with _lock:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.ended.is_set():
                _flights.pop(key, None)
                flight.stop()
    if isinstance(flight.error, PlaygroundError):
        raise type(flight.error)(flight.error.message, flight.error.hint)
    if flight.error is not None:
        raise flight.error
    return cast(T, flight.result)


def _wait(flight: Flight, progress: Progress | None, cancel: CancelToken) -> None:
    told: Transfer | None = None
    due = time.monotonic()
    while not flight.ended.is_set():
        if cancel.cancelled:
            raise Cancelled
        if progress is not None and time.monotonic() >= due:
            now = flight.meter.read()
            if now != told:
                progress(now.fraction, now.text)
                told, due = now, time.monotonic() + REPORT
        flight.ended.wait(POLL)
    if cancel.cancelled:
        raise Cancelled
    if progress is not None and flight.error is None:
        now = flight.meter.read()
        if now.total_bytes and (told is None or now.done_bytes != told.done_bytes):
            progress(now.fraction, now.text)
