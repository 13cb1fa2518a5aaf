"""Writes one column's answer into its tree while the engine makes it. Columns know nothing of each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, cast

from playground.chat.tools.events import NewMessages, ToolResult
from playground.chat.tools.loop import Limits, converse
from playground.chat.tools.tool import Tool
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
    Request,
    Token,
    ToolCall,
    ToolCalled,
)
from playground.talks.answers import begin, call, end, extend, result
from playground.talks.columns import on_tree
from playground.talks.tree import Tree, put
from playground.ui.chat_desk import Approval, Desk, now
from playground.ui.stream import batches
from playground.ui.words import loading, queued, seconds, waiting

SAVE_S = 5.0  # between two saves of an answer that is being written


class WithTools:
    """An engine whose chat requests are whole turns with tools."""

    def __init__(self, engine: Engine, tools: Sequence[Tool], limits: Limits, desk: Desk, column: int) -> None:
        self._engine, self._tools, self._limits = engine, tools, limits
        self._desk, self._column = desk, column

    def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        assert isinstance(request, ChatRequest)
        # A turn has events beside the engine's own, which the writer knows.
        turn: Any = converse(self._engine, request, self._tools, cancel, approve=self._approve, limits=self._limits)
        return cast("AsyncIterator[Event]", turn)

    async def _approve(self, wish: ToolCall, tool: Tool) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._desk.approvals[self._column] = Approval(wish, tool, answer)
        try:
            return await answer
        finally:
            self._desk.approvals.pop(self._column, None)


async def write_answer(
    engine: Engine,
    desk: Desk,
    i: int,
    node_id: int,
    request: ChatRequest,
    cancel: CancelToken,
    holds: Callable[[], bool],
) -> AsyncGenerator[Writer]:
    """Writes the running answer `node_id` of column `i` to its end; yields after each change.

    However it ends, nothing is left running in the tree, and what arrived stays. Once it no longer `holds`, because
    another step took its place, nothing is changed any more.
    """
    writer = Writer(desk, i, node_id, cancel)
    yield writer
    try:
        async with aclosing(batches(engine, request, cancel)) as found:
            async for batch in found:
                if not holds():
                    return
                for event in batch:
                    writer.take(event)
                writer.flush()
                yield writer
    finally:
        if holds():
            writer.close()


class Writer:
    """Puts events into the tree of one column."""

    def __init__(self, desk: Desk, i: int, node_id: int, cancel: CancelToken) -> None:
        self._desk, self._i, self._cancel = desk, i, cancel
        self._node: int | None = node_id
        self._written = [node_id]
        self._calls: dict[str, ToolCall] = {}
        self._texts: list[tuple[str, str]] = []  # (kind, text) that came since the tree was changed
        self._notes: list[str] = []
        self._began: float | None = None
        self._thought: float | None = None
        self._phase = "Waiting for the first token"
        self._fraction: float | None = None
        self._started = time.monotonic()
        self.thinking = False

    def take(self, event: object) -> None:
        """Takes one event of the engine or of a turn with tools."""
        if isinstance(event, Token):
            self._text(event)
        elif isinstance(event, Queued):
            self._phase, self._fraction = queued(event), None
        elif isinstance(event, Loading):
            self._phase, self._fraction = loading(event), event.fraction
        elif isinstance(event, Notice):
            self._notes.append(event.text)
        elif isinstance(event, ToolCalled):
            node = self._open()
            self._calls[event.call.id] = event.call
            self._change(lambda tree: call(tree, node, event.call))
            self._phase = f"Running {event.call.name}"
        elif isinstance(event, ToolResult):
            self._result(event)
        elif isinstance(event, NewMessages):
            self._give_items(event)
        elif isinstance(event, Failed):
            self._end(error=event.error, hint=event.hint)
        elif isinstance(event, Done):
            stats = event.stats if isinstance(event.stats, ChatStats) else ChatStats()
            self._end(stats, event.items)

    def line(self) -> str:
        """What is waited for, and since when."""
        return waiting(f"{self._phase}, {seconds(time.monotonic() - self._started)}", self._fraction)

    def flush(self) -> None:
        """Puts the text that came into the tree."""
        if not self._texts:
            return
        node = self._open()
        thought = "".join(text for kind, text in self._texts if kind == "reasoning")
        answer = "".join(text for kind, text in self._texts if kind == "answer")
        self._texts = []
        if thought:
            self._change(lambda tree: extend(tree, node, thought, "reasoning"))
        if answer:
            self._change(lambda tree: extend(tree, node, answer))

    def close(self) -> None:
        """Ends what is still open, as stopped."""
        if self._node is not None:
            self._end(stopped=True)

    # --- the tree ---

    def _text(self, token: Token) -> None:
        self._texts.append((token.kind, token.text))
        self.thinking = token.kind == "reasoning"
        self._phase, self._fraction = ("Thinking" if self.thinking else "Answering"), None
        if self.thinking:
            self._began = self._began or time.monotonic()
        elif self._began is not None and self._thought is None:
            self._thought = time.monotonic() - self._began

    def _open(self) -> int:
        """The answer that is being written; one after a tool's result is begun with its first word."""
        if self._node is None:
            model = self._tree.node(self._written[-1]).model
            self._change(lambda tree: begin(tree, model, created=now()))
            self._node = self._tree.leaf
            self._written.append(self._node)
        return self._node

    def _result(self, event: ToolResult) -> None:
        self.flush()
        if self._node is not None:
            self._end(ChatStats(stop_reason="tool calls"))
        wish = self._calls[event.call_id]
        error = {"ok": "", "invalid": "not valid", "failed": "failed", "refused": "refused", "stopped": "stopped"}
        self._change(
            lambda tree: result(
                tree,
                wish,
                event.text,
                error=error[event.outcome],
                seconds=event.seconds,
                images=event.images,
                created=now(),
            )
        )
        self._phase = "Reading the result"

    def _give_items(self, event: NewMessages) -> None:
        """A provider's own items belong to the answers of this turn, in their order."""
        answers = [message for message in event.messages if message.role == "assistant"]
        for node_id, message in zip(self._written, answers, strict=False):
            if message.items:
                self._change(partial(_with_items, node_id=node_id, items=message.items))

    def _end(
        self,
        stats: ChatStats | None = None,
        items: tuple[str, ...] = (),
        *,
        error: str = "",
        hint: str = "",
        stopped: bool = False,
    ) -> None:
        self.flush()
        node = self._open()
        if self._began is not None and self._thought is None:
            self._thought = time.monotonic() - self._began
        ended = stopped or self._cancel.cancelled or (stats is not None and stats.stop_reason == "stopped")
        thought, notes = self._thought, tuple(self._notes)
        self._change(
            lambda tree: end(
                tree,
                node,
                stats=stats,
                items=items,
                reasoning_s=thought,
                stopped=ended and not error,
                error=error,
                hint=hint,
                notes=notes,
            )
        )
        self._node, self._began, self._thought, self._notes = None, None, None, []

    @property
    def _tree(self) -> Tree:
        return self._desk.talk.column(self._i).tree

    def _change(self, change: Callable[[Tree], Tree]) -> None:
        self._desk.talk = on_tree(self._desk.talk, self._i, change)


def _with_items(tree: Tree, *, node_id: int, items: tuple[str, ...]) -> Tree:
    return put(tree, replace(tree.node(node_id), items=items))
