"""Runs what a batch still lacks: every model by itself, several items at a time, results told as they come.

A slow model holds no other back, a failed item no other up. What is told is finished; what is stopped midway is not
told, and runs again when the batch is resumed, with the same seed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from playground.batches.asking import Asker, Told
from playground.batches.kept import missing
from playground.batches.progress import ModelProgress, Pace
from playground.batches.records import Row, Spec, Thought
from playground.errors import InvalidRequest
from playground.protocol import CancelToken, Engine

AT_ONCE = 4  # items of a model that are asked at the same time, where nothing else is said
MOST_AT_ONCE = 64
MOST_FAILURES = 20  # one after the other, after which a model's rest is left for later


@dataclass(frozen=True)
class GaveUp:
    """A model failed so often in a row that its other items were left."""

    model: str
    error: str
    left: int


@dataclass(frozen=True)
class Ended:
    """The run is over; `left` answers are missing or errors."""

    stopped: bool
    left: int
    progress: tuple[ModelProgress, ...]


Update = Row | Thought | ModelProgress | GaveUp | Ended


@dataclass(frozen=True)
class Run:
    """What one run needs beside the spec.

    `rows` and `thoughts` are those that there are; `keep` is called with each new one before it is told, on a thread.
    `at_once`: by model. `told` hears what a model is waited for. `thinkers`: models that can be given a thought as
    their own. `retry`: errors run again.
    """

    engine: Engine
    owner: str
    rows: Sequence[Row] = ()
    thoughts: Sequence[Thought] = ()
    keep: Callable[[Row | Thought], None] = lambda result: None
    at_once: Mapping[str, int] = field(default_factory=dict)
    thinkers: frozenset[str] = frozenset()
    retry: bool = True
    told: Told = lambda model, event: None
    clock: Callable[[], float] = time.monotonic


async def run(spec: Spec, work: Run, cancel: CancelToken) -> AsyncIterator[Update]:
    """Runs what is missing; every Row is followed by its model's ModelProgress, and the last update is Ended.

    Leaving the iterator ends what runs. With groups, thoughts come first, then the answers.

    Raises:
        InvalidRequest: a number of items at once is not 1 to 64.
        PlaygroundError: a result could not be kept.
    """
    for model, count in work.at_once.items():
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_AT_ONCE:
            raise InvalidRequest(f"{model} can be asked 1 to {MOST_AT_ONCE} prompts at once, not {count!r}.")
    thoughts = {one.group: one for one in work.thoughts if not (work.retry and one.error)}
    rows: dict[tuple[str, int], Row] = {
        (row.model, row.index): row for row in work.rows if not (work.retry and row.error)
    }
    todo = missing(spec, list(rows.values()), retry=work.retry)
    failed = {(row.model, row.index) for row in work.rows if row.error}
    for model, indices in todo.items():  # what failed before comes last, so that it cannot hold up the rest again
        indices.sort(key=lambda index: ((model, index) in failed, index))
    async with aclosing(_think(spec, work, todo, thoughts, cancel)) as thinking:
        async for update in thinking:
            yield update
    paces = {
        model: Pace(model, len(spec.items), [r for r in rows.values() if r.model == model], work.clock())
        for model in spec.models
    }
    for model in spec.models:
        yield paces[model].at()
    groups, asker = spec.group_of(), Asker(work.engine, spec, work.owner, cancel, work.told)

    async def answer(model: str, index: int) -> Row | None:
        group = groups.get(index)
        if group is not None and group not in thoughts:
            return None  # stopped before it was thought about
        thought = thoughts[group] if group is not None else None
        own = model in work.thinkers
        return await asker.row(model, spec.items[index], thought, own)

    news: asyncio.Queue[Row | GaveUp | None] = asyncio.Queue()
    lines = [_Line(model, todo[model], work.at_once.get(model, AT_ONCE), answer, news, cancel) for model in spec.models]
    async with _Crew(lines, news):
        while (one := await news.get()) is not None:
            if isinstance(one, GaveUp):
                yield one
                continue
            await asyncio.to_thread(work.keep, one)
            rows[one.model, one.index] = one
            paces[one.model].add(one, work.clock())
            yield one
            yield paces[one.model].at()
    left = sum(map(len, missing(spec, list(rows.values())).values()))
    yield Ended(cancel.cancelled, left, tuple(pace.at() for pace in paces.values()))


async def _think(
    spec: Spec, work: Run, todo: Mapping[str, Sequence[int]], thoughts: dict[int, Thought], cancel: CancelToken
) -> AsyncGenerator[Thought]:
    """Fills in the thoughts of the groups that something is still to be answered of."""
    groups = spec.group_of()
    wanted = sorted(
        {groups[index] for indices in todo.values() for index in indices if index in groups} - set(thoughts)
    )
    if not wanted:
        return

    asker = Asker(work.engine, spec, work.owner, cancel, work.told)

    async def think(model: str, group: int) -> Thought | None:
        return await asker.thought(group)

    news: asyncio.Queue[Thought | GaveUp | None] = asyncio.Queue()
    line = _Line(spec.reasoner, wanted, work.at_once.get(spec.reasoner, AT_ONCE), think, news, cancel)
    async with _Crew([line], news):
        while (one := await news.get()) is not None:
            if isinstance(one, GaveUp):  # the items of these groups are told the same
                for group in set(wanted) - set(thoughts):
                    thoughts[group] = Thought(group, spec.reasoner, error=one.error, code="GaveUp")
                continue
            await asyncio.to_thread(work.keep, one)
            thoughts[one.group] = one
            yield one


class _Line:
    """One model's items, waiting; a few workers take them in order."""

    def __init__(self, model, indices, width, ask, news, cancel) -> None:  # type: ignore[no-untyped-def]
        self._model, self._ask, self._news, self._cancel = model, ask, news, cancel
        self._waiting = deque(indices)
        self._failures = 0
        self.width = min(width, len(self._waiting))

    async def work(self) -> None:
        """Asks one item after the other until none is left, all is stopped, or the model fails too often."""
        while self._waiting and not self._cancel.cancelled:
            found = await self._ask(self._model, self._waiting.popleft())
            if found is None:
                continue
            self._news.put_nowait(found)
            self._failures = self._failures + 1 if found.error else 0
            if self._failures >= MOST_FAILURES and self._waiting:
                self._news.put_nowait(GaveUp(self._model, found.error, len(self._waiting)))
                self._waiting.clear()


class _Crew:
    """The workers of some lines as tasks; puts None at the end of the news, and leaves no task behind."""

    def __init__(self, lines: Sequence[_Line], news: asyncio.Queue) -> None:
        self._lines, self._news = lines, news

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(line.work()) for line in self._lines for _ in range(line.width)]
        self._left = len(self._tasks)
        for task in self._tasks:
            task.add_done_callback(self._done)
        if not self._tasks:
            self._news.put_nowait(None)

    def _done(self, task: asyncio.Task) -> None:
        self._left -= 1
        if not self._left:
            self._news.put_nowait(None)

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        broken = next((one for one in ended if isinstance(one, Exception)), None)
        if broken is not None and error is None:
            raise broken
