"""One thread that runs jobs, one after the other or several by turns, fairly by owner. Knows nothing of models.

Compiled graphs and per-thread settings are bound to a thread, so each worker keeps one thread for its whole life.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(eq=False)
class Job:
    """`run` does the work and must not raise; `moved(position, eta_s)` is called while it waits (1 = next).

    What it returns may be an iterator, which is the work then, and pauses where others may go on.
    """

    run: Callable[[], Iterator[None] | None]
    owner: str
    moved: Callable[[int, float | None], None]
    started: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Runs `width` jobs at a time by turns; among waiting owners, the one served longest ago comes first."""

    def __init__(self, name: str, width: int = 1) -> None:
        self._name = name
        self._width = width
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._running: dict[Job, float] = {}  # job -> when it began
        self._served: dict[str, int] = {}  # owner -> turn of its last job
        self._turn = 0
        self._seconds = 0.0  # moving average of a job
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> None:
        """Queues a job; the thread starts with the first one."""
        with self._changed:
            if self._closed:
                raise RuntimeError(f"worker {self._name} is closed")
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        self._tell()

    def withdraw(self, job: Job) -> bool:
        """Takes a job out of the queue; False when it runs already or is done."""
        with self._changed:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
        self._tell()
        return True

    def counts(self) -> tuple[int, int]:
        """(running, waiting)."""
        with self._changed:
            return len(self._running), len(self._waiting)

    def close(self, timeout: float = 10.0) -> None:
        """Ends the thread after the jobs that run; waiting jobs are dropped."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def order(self) -> list[Job]:
        """Waiting jobs in the order in which they will run, as things stand."""
        with self._changed:
            return self._order()

    def _order(self) -> list[Job]:
        served, turn, left, result = dict(self._served), self._turn, list(self._waiting), []
        while left:
            job = min(left, key=lambda j: served.get(j.owner, -1))  # ties keep the order of arrival
            left.remove(job)
            result.append(job)
            turn += 1
            served[job.owner] = turn
        return result

    def _tell(self) -> None:
        with self._changed:
            full = len(self._running) >= self._width
            oldest = min(self._running.values(), default=0.0)
            left = max(0.0, self._seconds - (time.monotonic() - oldest)) if full else 0.0
            known = self._seconds > 0
            each = self._seconds / self._width
            news = [(job, i + full, left + i * each) for i, job in enumerate(self._order())]
        for job, position, eta in news:
            if position:
                job.moved(position, eta if known else None)

    def _loop(self) -> None:
        works: list[tuple[Job, Iterator[None]]] = []
        while True:
            with self._changed:
                while not works and not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed and not works:
                    return
                begun = self._admitted(self._width - len(works))
            if begun:
                self._tell()
            works += [(job, iter(job.run() or ())) for job in begun]
            for job, work in list(works):
                try:
                    next(work)
                except StopIteration:
                    works.remove((job, work))
                    self._ended(job)

    def _admitted(self, count: int) -> list[Job]:
        """Takes up to `count` jobs out of the queue; called with the lock held."""
        begun = self._order()[:count]
        for job in begun:
            self._waiting.remove(job)
            self._turn += 1
            self._served[job.owner] = self._turn
            self._running[job] = time.monotonic()
            job.started.set()
        if len(self._served) > 1000:  # a public page sees many owners; only the recent ones matter
            self._served = dict(sorted(self._served.items(), key=lambda kv: kv[1])[-500:])
        return begun

    def _ended(self, job: Job) -> None:
        with self._changed:
            seconds = time.monotonic() - self._running.pop(job)
            self._seconds = seconds if not self._seconds else 0.7 * self._seconds + 0.3 * seconds
