"""Runs one chat column: engine events in, growing messages and figures out. Columns know nothing of each other."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Done,
    Engine,
    Event,
    Failed,
    Loading,
    Notice,
    Queued,
    Token,
)
from playground.ui.stream import batches
from playground.ui.turns import History, Turn, to_messages
from playground.ui.words import chat_figures, loading, note, queued, seconds, waiting

MOST_CHARACTERS = 100_000


@dataclass(frozen=True)
class ChatForm:
    """The settings of all columns; `own` leaves temperature, top p and length to each model's card."""

    system_prompt: str
    own: bool
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int | None

    def request(self, model: str, history: History, question: str, column: int, owner: str) -> ChatRequest:
        """The request of one column."""
        return ChatRequest(
            model=model,
            messages=to_messages(history, self.system_prompt, question),
            column=column,
            temperature=None if self.own else self.temperature,
            top_p=None if self.own else self.top_p,
            max_new_tokens=None if self.own else int(self.max_new_tokens),
            seed=None if self.seed is None else int(self.seed),
            owner=owner,
        )


async def run_column(
    engine: Engine, request: ChatRequest, history: History, question: str, cancel: CancelToken
) -> AsyncGenerator[tuple[History, str]]:
    """Yields (all messages, figures line) as the answer grows; ends when the engine does or the user stops it."""
    turn = Turn(question)
    started = time.monotonic()
    status = Status()
    yield [*history, *turn.messages()], waiting("Sending")
    async with aclosing(batches(engine, request, cancel)) as found:
        async for batch in found:
            for event in batch:
                status.take(event, turn)
            if status.stats is None and not turn.error:
                yield [*history, *turn.messages()], status.line(time.monotonic() - started)
    turn.finish_reasoning()
    yield [*history, *turn.messages()], status.last(turn, cancel)


class Status:
    """What the line under a column says."""

    def __init__(self) -> None:
        self.stats: ChatStats | None = None
        self._phase = "Waiting for the first token"
        self._fraction: float | None = None
        self._notices: list[str] = []

    def take(self, event: Event, turn: Turn) -> None:
        """Moves the turn and the line on by one event."""
        if isinstance(event, Token):
            turn.add(event.text, event.kind)
            self._phase = "Thinking" if event.kind == "reasoning" else "Answering"
            self._fraction = None
        elif isinstance(event, Queued):
            self._phase, self._fraction = queued(event), None
        elif isinstance(event, Loading):
            self._phase, self._fraction = loading(event), event.fraction
        elif isinstance(event, Notice):
            self._notices.append(event.text)
        elif isinstance(event, Failed):
            turn.error, turn.hint = event.error, event.hint
        elif isinstance(event, Done):
            self.stats = event.stats if isinstance(event.stats, ChatStats) else ChatStats()
            turn.reasoning_tokens = self.stats.reasoning_tokens

    def line(self, elapsed: float) -> str:
        """What is waited for, and since when."""
        return waiting(f"{self._phase}, {seconds(elapsed)}", self._fraction)

    def last(self, turn: Turn, cancel: CancelToken) -> str:
        """The figures at the end; for an error nothing more, since the error stands in the column."""
        notes = "".join(note(text) for text in self._notices)
        if self.stats is not None:
            empty = "" if turn.answer.strip() or cancel.cancelled else note("The model ended without an answer.")
            return chat_figures(self.stats) + empty + notes
        return notes or (note("Stopped.") if cancel.cancelled else "")
