"""What is asked for when code is planned, and the plan as it comes. Knows no page; the files are in code_writing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from playground.attach.documents import Document
from playground.attach.project_zip import project_document
from playground.catalog import ModelCard
from playground.chat.request import check_text, checked_chat
from playground.code.plan import Plan, plan_as_json, plan_from_json
from playground.code.planned import (
    PlanEvent,
    Planned,
    Progress,
    ask_plan,
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
            self.waiting = waits(event.event, self.waiting, self.notices)
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


def waits(event: Event, before: str, notices: list[str]) -> str:
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


def plan_from(value: Any) -> Plan:
    """A plan as JSON text, or as the object of it.

    Raises:
        InvalidRequest: it has not the form of a plan; names the place.
    """
    if isinstance(value, dict | list):
        try:
            value = json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            raise InvalidRequest("The plan is no JSON.", "Give it as /plan_code gives it.") from None
    return plan_from_json(value)
