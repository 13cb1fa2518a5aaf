"""Planned code as it goes on: what the page and a caller of the API are shown of it at each moment. Knows no page.

`Asking` follows one plan, `Writing` the files of one; both are fed by streams that end soon after a cancel.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from playground.attach.documents import Document
from playground.attach.project_zip import project_document
from playground.catalog import ModelCard
from playground.chat.request import check_text, checked_chat
from playground.code.check import Report
from playground.code.files import CodeFile, file_in
from playground.code.plan import Plan, in_order, plan_as_json, problems_of
from playground.code.planned import (
    FileBegun,
    FileWritten,
    PlanEvent,
    Planned,
    Progress,
    Written,
    ask_plan,
    looked_over,
    missing_names,
    write_files,
)
from playground.errors import InvalidRequest
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Done,
    Engine,
    Event,
    Failed,
    Loading,
    Message,
    Notice,
    Queued,
    Token,
)
from playground.ui.chat_attach import fit
from playground.ui.chat_desk import Attachment
from playground.ui.stream import paced
from playground.ui.words import loading, queued

State = Literal["waiting", "writing", "done", "not whole", "lacks names"]
STOPPED = "Stopped."
MOST_TOKENS = 4096  # of a plan or a file, where nothing else is asked for


@dataclass(frozen=True)
class Wish:
    """What is asked for, and how. `outline`: a project to which it belongs. None is a default."""

    message: str
    model: str
    outline: Document | None = None
    temperature: float | None = None
    seed: int | None = None
    max_new_tokens: int | None = None


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


def tokens_for(card: ModelCard) -> int:
    """The most tokens of a plan or a file: a quarter of the context, which has to hold the plan and other files too."""
    return MOST_TOKENS if card.context is None else max(256, min(MOST_TOKENS, card.context // 4))


async def outline_of(name: str, data: bytes | None) -> Document | None:
    """A zipped project as its outline, read in a thread.

    Raises:
        InvalidRequest: it is no zip that can be read.
    """
    return None if data is None else await asyncio.to_thread(project_document, name, data)


async def request_for(
    engine: Engine, card: ModelCard, wish: Wish, owner: str, plan: Plan | None = None
) -> tuple[ChatRequest, tuple[str, ...]]:
    """The conversation that plans or writes, and sentences on what of the outline was left out.

    Raises:
        InvalidRequest: nothing is asked for, a setting is out of range, or the outline does not fit at all.
    """
    check_text("The request", wish.message)
    if not wish.message.strip() and plan is None:
        raise InvalidRequest("Nothing is asked for.", "Say what should be written, or write the plan by hand.")
    message = wish.message.strip() or "Write the project of this plan."
    most = tokens_for(card) if wish.max_new_tokens is None else wish.max_new_tokens
    request = ChatRequest(
        card.id,
        (Message("user", message),),
        temperature=wish.temperature,
        seed=wish.seed,
        max_new_tokens=most,
        owner=owner,
    )
    checked_chat(request, card)  # before the outline is counted
    said: tuple[str, ...] = ()
    if wish.outline is not None:
        files = [Attachment(wish.outline.name, wish.outline)]
        beside = message + (plan_as_json(plan) if plan else "")
        found, said = await fit(engine, card.id, owner, files, beside, 2 * most, "cut")
        message = "\n\n".join([*(one.text for one in found), message])
    return replace(request, messages=(Message("user", message),)), said


# --- a plan ----------------------------------------------------------------------------------------------------------


@dataclass
class Asking:
    """A plan under way: `text` is what has come of this try, `waiting` what is waited for while nothing comes."""

    text: str = ""
    attempt: int = 1
    tokens: int = 0
    waiting: str = "Starting"
    notices: list[str] = field(default_factory=list)
    plan: Plan | None = None
    problems: tuple[str, ...] = ()
    failed: Failed | None = None
    stats: ChatStats | None = None
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    _over: bool = False

    def take(self, event: PlanEvent) -> None:
        self.seconds = time.monotonic() - self.begun
        if isinstance(event, Planned):
            self.plan, self.problems = event.plan, event.problems
        elif isinstance(event, Failed):
            self.failed = event
        elif isinstance(event, Progress):
            if self._over:  # another try
                self.text, self._over, self.attempt = "", False, self.attempt + 1
            self.waiting = _waits(event.event, self.waiting, self.notices)
            if isinstance(event.event, Token):
                self.tokens += 1
                self.text += event.event.text if event.event.kind == "answer" else ""
            elif isinstance(event.event, Done):
                self._over = True
                self.stats = event.event.stats if isinstance(event.event.stats, ChatStats) else None


async def ask(
    engine: Engine, request: ChatRequest, cancel: CancelToken, *, allow_cycles: bool = False
) -> AsyncGenerator[Asking]:
    """The plan as it comes, the same record again and again; over when `plan` or `failed` is set, or on a cancel."""
    state = Asking()
    stream = paced(lambda linked: ask_plan(engine, request, linked, allow_cycles=allow_cycles), cancel)
    async with aclosing(stream) as batches:
        async for batch in batches:
            for event in batch:
                state.take(event)
            state.seconds = time.monotonic() - state.begun
            yield state


# --- files -----------------------------------------------------------------------------------------------------------


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
            self.waiting = _waits(event.event, self.waiting, self.notices)
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


def _waits(event: Event, before: str, notices: list[str]) -> str:
    """What is waited for after this event, "" once the answer comes."""
    if isinstance(event, Queued):
        return queued(event)
    if isinstance(event, Loading):
        return loading(event)
    if isinstance(event, Notice):
        if event.text not in notices:
            notices.append(event.text)
        return before
    return "" if isinstance(event, Token | Done | Failed) else before


# --- as JSON ---------------------------------------------------------------------------------------------------------


def plan_from(value: Any) -> Plan:
    """A plan as JSON text, or as the object of it.

    Raises:
        InvalidRequest: it has not the form of a plan; names the place.
    """
    from playground.code.plan import plan_from_json

    if isinstance(value, dict | list):
        try:
            value = json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            raise InvalidRequest("The plan is no JSON.", "Give it as /plan_code gives it.") from None
    return plan_from_json(value)
