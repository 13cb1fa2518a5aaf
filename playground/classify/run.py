"""Several models side by side on the same texts, over an Engine: verdicts as they come, and how fast each model was.

A model that fails leaves the others running; what was finished stays. Knows nothing of pages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from playground.catalog import ModelCard
from playground.classify.records import Method, Result, Task, Verdict, speed
from playground.classify.sampled import Sampler, SamplesFailed
from playground.errors import Cancelled, PlaygroundError
from playground.protocol import CancelToken, ClassifyRequest, Engine, Failed, Loading, Notice, Queued, Scores

log = logging.getLogger(__name__)

TEXTS_AT_ONCE = 2  # whose samples are asked for at a time
FAILURES = 3  # texts one after the other that fail alike, after which a model is not asked any more
MEASURE_S = 0.25  # between two looks at all latencies
POLL_S = 0.02  # how soon a stop reaches the engine


@dataclass(frozen=True)
class Progress:
    """How far a model is: `done` of `total` texts, and what it waits for; `seconds_left` None until it can be told."""

    model: str
    done: int
    total: int
    waiting: Queued | Loading | None = None
    seconds_left: float | None = None


Send = Callable[[Progress | Verdict], None]


def method_of(card: ModelCard, task: Task) -> Method:
    """Likelihoods where the model runs here and nothing else was asked for, else samples."""
    return "likelihood" if card.backend == "local" and task.method == "auto" else "samples"


async def classify(
    engine: Engine, cards: Sequence[ModelCard], result: Result, cancel: CancelToken, owner: str = ""
) -> AsyncGenerator[Progress | Verdict]:
    """Runs the task of `result` on its texts with every card, filling `result`, which counts whenever this is left.

    Leaving the iterator stops the work.
    """
    news: asyncio.Queue[Progress | Verdict | None] = asyncio.Queue()
    stop = CancelToken()

    def send(event: Progress | Verdict) -> None:
        if isinstance(event, Verdict):
            result.add(event)
        news.put_nowait(event)

    async def watch() -> None:
        while not cancel.cancelled:
            await asyncio.sleep(POLL_S)
        stop.cancel()

    async def run_all() -> None:
        try:
            await asyncio.gather(*(_Model(engine, card, result, stop, owner, send).run() for card in cards))
        finally:
            news.put_nowait(None)

    watcher, work = asyncio.create_task(watch()), asyncio.create_task(run_all())
    try:
        while (event := await news.get()) is not None:
            yield event
        await work
    finally:
        result.stopped = cancel.cancelled or not work.done()
        stop.cancel()
        watcher.cancel()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


class _Model:
    """One model's run."""

    def __init__(
        self, engine: Engine, card: ModelCard, result: Result, stop: CancelToken, owner: str, send: Send
    ) -> None:
        self._engine, self._card, self._result, self._owner, self._send = engine, card, result, owner, send
        self._stop, self._task = stop, result.task
        self._latencies: list[float] = []
        self._began = self._ended = self._measured = time.perf_counter()

    async def run(self) -> None:
        card, result = self._card, self._result
        by = self._likelihoods if method_of(card, self._task) == "likelihood" else self._samples
        try:
            self._progress()
            await by()
        except Cancelled:
            pass  # what was finished is in the result
        except PlaygroundError as error:
            result.failures[card.id] = str(error)
        except Exception as error:  # the traceback goes to the log, a sentence to the user
            log.exception("a classification failed")
            result.failures[card.id] = f"The engine failed: {type(error).__name__}. The log of the app has the details."
        self._measure()
        self._progress()

    async def _likelihoods(self) -> None:
        task, items = self._task, self._result.items
        request = ClassifyRequest(
            self._card.id,
            "",
            task.labels,
            task.multi_label,
            self._owner,
            tuple(item.text for item in items),
            task.asked.descriptions,
            task.asked.template,
            task.calibrate,
        )
        self._note(_LIKELIHOOD + (_CALIBRATED if task.calibrate else ""))
        child = CancelToken()  # an engine may use up the one it is handed
        forward = asyncio.create_task(_forward(self._stop, child))
        try:
            async with aclosing(self._engine.submit(request, child)) as events:  # type: ignore[type-var]
                async for event in events:
                    if isinstance(event, Queued | Loading):
                        self._began = time.perf_counter()
                        self._progress(event)
                    elif isinstance(event, Scores):
                        chances = tuple(chance for _, chance in event.scores)
                        self._finish(
                            Verdict(self._card.id, event.index, chances, "likelihood", event.seconds, error=event.error)
                        )
                    elif isinstance(event, Notice) and not self._stop.cancelled:
                        self._note(event.text)
                    elif isinstance(event, Failed):
                        self._result.failures[self._card.id] = _sentence(event)
        finally:
            forward.cancel()

    async def _samples(self) -> None:
        task, items = self._task, self._result.items
        self._note(
            f"Each probability is the share of {task.samples} samples: temperature {task.temperature:g}, seeds "
            f"{task.seed} to {task.seed + task.samples - 1}, as far as the model takes them."
        )
        if task.calibrate:
            self._note("Calibration needs likelihoods, so these shares are not calibrated.")
        sampler = Sampler(self._engine, self._card, task, self._owner, self._note)
        waiting = iter(enumerate(items))
        failures: list[str] = []

        async def one_after_the_other() -> None:
            for index, item in waiting:
                if self._stop.cancelled or len(failures) >= FAILURES:
                    return
                try:
                    self._finish(await sampler.verdict(index, item, self._stop))
                    failures.clear()
                except SamplesFailed as error:
                    said = _sentence(error.event)
                    if failures and failures[-1] != said:
                        failures.clear()
                    failures.append(said)
                    self._finish(Verdict(self._card.id, index, (), "samples", error=said))

        self._began = time.perf_counter()
        workers = [asyncio.create_task(one_after_the_other()) for _ in range(TEXTS_AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        if len(failures) >= FAILURES and not self._stop.cancelled:
            self._result.failures[self._card.id] = f"{failures[-1]} The texts after that were not asked about."

    # --- pieces ---

    def _finish(self, verdict: Verdict) -> None:
        if verdict.seconds is not None:
            self._latencies.append(verdict.seconds)
            self._ended = time.perf_counter()
        self._send(verdict)
        if self._ended - self._measured > MEASURE_S:
            self._measure()
        self._progress()

    def _measure(self) -> None:
        self._measured = self._ended
        found = speed(self._ended - self._began, self._latencies)
        if found is not None:
            self._result.speeds[self._card.id] = found

    def _progress(self, waiting: Queued | Loading | None = None) -> None:
        done, total = len(self._result.of(self._card.id)), len(self._result.items)
        spent = time.perf_counter() - self._began
        left = spent / done * (total - done) if done else None
        self._send(Progress(self._card.id, done, total, waiting, left))

    def _note(self, text: str) -> None:
        notes = self._result.notes.setdefault(self._card.id, [])
        if text not in notes:
            notes.append(text)


_LIKELIHOOD = "Each probability is the label's likelihood as the answer, normalised by its length in tokens."
_CALIBRATED = " It is calibrated by texts without content (Zhao et al. 2021)."


async def _forward(stop: CancelToken, child: CancelToken) -> None:
    while not stop.cancelled:
        await asyncio.sleep(POLL_S)
    child.cancel()


def _sentence(event: Failed) -> str:
    return f"{event.error} {event.hint}".strip()
