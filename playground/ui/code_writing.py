"""The files of a plan as they are written: each with its state, its figures and what there is of it. Knows no page.

What was finished is never replaced by something worse.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from playground.code.check import Report
from playground.code.files import CodeFile, file_in
from playground.code.plan import Plan, in_order, problems_of
from playground.code.planned import (
    FileBegun,
    FileWritten,
    PlanEvent,
    Progress,
    Written,
    looked_over,
    missing_names,
    write_files,
)
from playground.errors import InvalidRequest
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Engine, Failed, Token
from playground.ui.code_run import waits
from playground.ui.stream import paced

State = Literal["waiting", "writing", "done", "not whole", "lacks names"]
STOPPED = "Stopped."


@dataclass(frozen=True)
class Part:
    """One file of a plan. `tokens` and `seconds` are those of all tries; `live`: what has come of the one under way."""

    path: str
    state: State = "waiting"
    text: str = ""
    error: str = ""
    missing: tuple[str, ...] = ()
    attempt: int = 0
    tokens: int = 0
    seconds: float = 0.0
    tokens_per_s: float | None = None
    live: str = ""

    @property
    def shown(self) -> str:
        """The file as far as it is known: that of the try under way, else what is kept."""
        return file_in(self.live, self.path)[0] if self.state == "writing" else self.text

    @property
    def kept(self) -> bool:
        """Whether there is something of it to keep."""
        return bool(self.text or self.error) or self.state in ("done", "lacks names")


def parts_of(plan: Plan, kept: Mapping[str, Part]) -> dict[str, Part]:
    """The files of a plan in its order, with what there is of them; what they lack is judged by this plan."""
    found: dict[str, Part] = {}
    for file in plan.files:
        part = kept.get(file.path, Part(file.path))
        if part.error:
            part = replace(part, state="not whole", missing=())
        elif part.kept:
            missing = missing_names(file, part.text)
            part = replace(part, state="lacks names" if missing else "done", missing=missing)
        found[file.path] = replace(part, live="")
    return found


def done_of(parts: Mapping[str, Part]) -> dict[str, str]:
    """The texts of the files that need not be written again."""
    return {path: part.text for path, part in parts.items() if part.state == "done"}


@dataclass
class Writing:
    """The files of a plan under way. `now` is the path of the one that is written, `fresh` those that just ended."""

    plan: Plan
    parts: dict[str, Part]
    now: str = ""
    index: int = 0
    waiting: str = "Starting"
    notices: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    report: Report | None = None
    zip: bytes = b""
    failed: Failed | None = None
    stopped: bool = False
    over: bool = False
    live_tokens: int = 0
    _begun: float = 0.0
    _first: float = 0.0

    @property
    def order(self) -> list[str]:
        """The paths in the order in which they are written."""
        return [file.path for file in in_order(self.plan)]

    def take(self, event: PlanEvent) -> None:
        if isinstance(event, FileBegun):
            before = self.parts[event.path]
            self._begun = self._begun if self.now == event.path else time.monotonic()
            self.now, self.index, self.waiting = event.path, event.index, "Starting"
            self.live_tokens, self._first = 0, 0.0
            self.parts[event.path] = replace(before, state="writing", attempt=event.attempt, live="")
        elif isinstance(event, Progress):
            self.waiting = waits(event.event, self.waiting, self.notices)
            if isinstance(event.event, Token):
                self._first = self._first or time.monotonic()
                self.live_tokens += 1
                part = self.parts[event.path]
                if event.event.kind == "answer":
                    self.parts[event.path] = replace(part, live=part.live + event.event.text)
            elif isinstance(event.event, Done) and isinstance(event.event.stats, ChatStats):
                part, stats = self.parts[event.path], event.event.stats
                tokens = part.tokens + (stats.completion_tokens or 0)
                self.parts[event.path] = replace(part, tokens=tokens, tokens_per_s=stats.tokens_per_s)
        elif isinstance(event, FileWritten):
            self._ended(event)
        elif isinstance(event, Written):
            self.stopped = event.stopped
        elif isinstance(event, Failed):
            self.failed = event

    def _ended(self, event: FileWritten) -> None:
        """Takes the file, unless it is worse than what there was of it."""
        part = self.parts[event.path]
        worse = not event.whole and part.text and not part.error
        if not worse:
            part = replace(part, text=event.text, error=event.error, missing=event.missing)
        state: State = "not whole" if part.error else "lacks names" if part.missing else "done"
        seconds = part.seconds + (time.monotonic() - self._begun)
        self.parts[event.path] = replace(part, state=state, live="", seconds=seconds)
        self.fresh.append(event.path)
        self.now = ""

    @property
    def seconds(self) -> float:
        """How long the file that is written has taken."""
        return time.monotonic() - self._begun if self.now else 0.0

    @property
    def live_speed(self) -> float | None:
        """Pieces of text a second since the first of this try; None for too few to tell."""
        spent = time.monotonic() - self._first
        return (self.live_tokens - 1) / spent if self.live_tokens > 4 and spent > 0.2 else None

    def cut(self) -> None:
        """Closes the file under way as far as it came."""
        if self.now:
            text, _ = file_in(self.parts[self.now].live, self.now)
            self._ended(FileWritten(self.now, text, STOPPED))

    async def end(self, cancelled: bool) -> None:
        """Closes what was cut off, and looks over all that is whole."""
        self.cut()  # by an engine that did not answer a cancel in time
        self.stopped = self.stopped or cancelled
        self.report, self.zip = await look_over(self.plan, self.parts)
        self.over = True


async def look_over(plan: Plan, parts: Mapping[str, Part]) -> tuple[Report | None, bytes]:
    """The check over the whole files of a plan, and these as a zip; (None, b"") while there are none."""
    whole = [CodeFile(p.path, p.text) for p in parts.values() if p.state in ("done", "lacks names")]
    return await asyncio.to_thread(looked_over, whole, plan) if whole else (None, b"")


async def write(
    engine: Engine,
    request: ChatRequest,
    plan: Plan,
    parts: Mapping[str, Part],
    cancel: CancelToken,
    *,
    allow_cycles: bool = False,
) -> AsyncGenerator[Writing]:
    """The files as they come, the same record again and again; `fresh` is emptied by whoever has read it.

    What is done already is not written. The last record is `over`.

    Raises:
        InvalidRequest: the plan has problems.
    """
    problems = problems_of(plan, allow_cycles=allow_cycles)
    if problems:
        raise InvalidRequest(f"The plan cannot be written: {problems[0]}", "Correct the plan first.")
    state, done = Writing(plan, dict(parts)), done_of(parts)
    stream = paced(
        lambda linked: write_files(engine, request, plan, linked, done=done, allow_cycles=allow_cycles), cancel
    )
    async with aclosing(stream) as batches:
        async for batch in batches:
            for event in batch:
                state.take(event)
            yield state
    await state.end(cancel.cancelled)
    yield state
