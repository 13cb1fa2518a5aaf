"""A turn with tools: the model answers, its calls are checked, approved and run, and it goes on from their results.

Works over any engine: it is handed one and never imports one. Knows nothing of the page.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast

from playground.chat.tools.arguments import checked_arguments
from playground.chat.tools.events import LoopEvent, NewMessages, Outcome, ToolResult
from playground.chat.tools.markup import made_id
from playground.chat.tools.running import ended, run_tool
from playground.chat.tools.schemas import checked_tools
from playground.chat.tools.tool import Output, Tool
from playground.chat.tools.totals import summed
from playground.errors import Cancelled, PlaygroundError
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Done,
    Engine,
    Event,
    Failed,
    Message,
    Notice,
    Token,
    ToolCall,
    ToolCalled,
)

# Asks the user about one call; False refuses it.
Approve: TypeAlias = Callable[[ToolCall, Tool], Awaitable[bool]]

STOPPED = "stopped by the user"
REFUSED = "the user refused this call"


@dataclass(frozen=True)
class Limits:
    """How far a turn may go, and which calls the user is asked about.

    `corrections`: how often in a row a model may try again after invalid or failed calls. `rounds`: answers with calls
    in one turn. `calls`: calls of one answer.
    """

    corrections: int = 3
    rounds: int = 8
    calls: int = 8
    approval: Literal["effects", "always", "never"] = "effects"


async def converse(
    engine: Engine,
    request: ChatRequest,
    tools: Sequence[Tool],
    cancel: CancelToken,
    *,
    approve: Approve | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[LoopEvent]:
    """The events of a whole turn, in the order in which things happen, with exactly one Done or Failed at the end.

    `tools` are offered whatever the request says, and their specifications go with each of its answers.
    A choice of tool other than "none" holds until a first call has run; then the model is free, so that it can answer.
    Calls of one answer run one after the other. Without `approve` every call that needs approval is refused. When the
    limits are reached the model answers without tools. The figures of all answers are summed in Done.

    A tool that raises or hangs ends as a result that says so; what `approve` raises is raised.
    """
    limits = limits or Limits()
    try:
        specs, choice = checked_tools(tuple(tool.spec for tool in tools), request.tool_choice)
    except PlaygroundError as error:
        yield NewMessages(request.column, ())
        yield Failed.of(error)
        return
    request = replace(request, tools=specs, tool_choice=choice)
    turn = _Turn({tool.spec.name: tool for tool in tools}, approve, limits, cancel)
    added: list[Message] = []
    stats: list[ChatStats | None] = []
    ran = 0.0
    wrong = rounds = 0
    while True:
        heard = _Heard(rounds)
        end: Done | Failed | None = None
        asked = replace(request, messages=(*request.messages, *added))
        async with aclosing(cast(Any, engine.submit(asked, cancel))) as events:
            async for event in events:
                if isinstance(event, Done | Failed):
                    end = event
                    break
                yield heard.take(event)
        added += heard.message(end.items if isinstance(end, Done) else ())
        if not isinstance(end, Done):
            for call in heard.calls:
                added.append(_message(call, _stopped(request.column, call)))
            yield NewMessages(request.column, tuple(added))
            yield end or Failed("The engine ended without a result.", "Ask again.", "Internal")
            return
        stats.append(end.stats if isinstance(end.stats, ChatStats) else None)
        closed = request.tool_choice == "none"
        results: list[ToolResult] = []
        for index, call in enumerate(heard.calls):
            result = await turn.run(call, index, request)
            results.append(result)
            ran += result.seconds
            added.append(_message(call, result))
            yield result
        rounds += 1
        if not heard.calls or closed or cancel.cancelled:
            yield NewMessages(request.column, tuple(added))
            total = summed(stats, ran)
            if total is not None and cancel.cancelled:
                total = replace(total, stop_reason="stopped")
            yield Done(total, end.items)
            return
        seed = stats[-1].seed if stats[-1] is not None else None
        request = replace(request, seed=request.seed if seed is None else seed)
        wrong = wrong + 1 if any(r.outcome in ("invalid", "failed") for r in results) else 0
        reached = _reached(wrong, rounds, limits)
        if reached:
            yield Notice(reached)
            request = replace(request, tool_choice="none")
        elif any(result.outcome not in ("invalid", "failed") for result in results):
            request = replace(request, tool_choice="auto")


class _Turn:
    """Runs the calls of one turn."""

    def __init__(self, tools: dict[str, Tool], approve: Approve | None, limits: Limits, cancel: CancelToken) -> None:
        self._tools, self._approve, self._limits, self._cancel = tools, approve, limits, cancel

    async def run(self, call: ToolCall, index: int, request: ChatRequest) -> ToolResult:
        """The result of one call; whatever goes wrong is told in it."""

        def result(outcome: Outcome, output: Output, seconds: float = 0.0) -> ToolResult:
            return ToolResult(request.column, call.id, call.name, output.text, outcome, seconds, output.images)

        started = time.perf_counter()
        running = False
        try:
            if self._cancel.cancelled:
                raise Cancelled
            if request.tool_choice == "none":
                return result("invalid", _error("no tools are to be called now"))
            if index >= self._limits.calls:
                said = f"only {self._limits.calls} calls are run at once, call again if this one is still needed"
                return result("invalid", _error(said))
            try:
                arguments = checked_arguments(call, request.tools)
            except PlaygroundError as error:
                return result("invalid", _error(error.message))
            tool = self._tools[call.name]
            if not await self._approved(call, tool):
                return result("refused", _error(REFUSED))
            started, running = time.perf_counter(), True
            output = await run_tool(tool, arguments, self._cancel)
        except Cancelled:
            seconds = time.perf_counter() - started if running else 0.0
            return result("stopped", _error(STOPPED), seconds)
        except PlaygroundError as error:
            return result("failed", _error(str(error)), time.perf_counter() - started)
        return result("ok", output, time.perf_counter() - started)

    async def _approved(self, call: ToolCall, tool: Tool) -> bool:
        asks = {"always": True, "never": False, "effects": tool.has_effects}[self._limits.approval]
        if not asks:
            return True
        if self._approve is None:
            return False
        asking = asyncio.ensure_future(self._approve(call, tool))
        try:
            await ended(asking, self._cancel)
        finally:
            asking.cancel()
        return asking.result() is True


class _Heard:
    """One answer as it comes in."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._answer: list[str] = []
        self._reasoning: list[str] = []
        self.calls: list[ToolCall] = []

    def take(self, event: Event) -> Event:
        """Takes note of the event and returns it, a call with an id that no other call of its answer has."""
        if isinstance(event, Token):
            (self._reasoning if event.kind == "reasoning" else self._answer).append(event.text)
        elif isinstance(event, ToolCalled):
            call = event.call
            if not call.id or any(call.id == other.id for other in self.calls):
                call = replace(call, id=made_id(self._number, len(self.calls), call.name, call.arguments))
            self.calls.append(call)
            return ToolCalled(event.column, call)
        return event

    def message(self, items: tuple[str, ...]) -> list[Message]:
        """The answer as a message; none where nothing was said."""
        answer, reasoning = "".join(self._answer), "".join(self._reasoning)
        if not answer and not reasoning and not self.calls and not items:
            return []
        return [Message("assistant", answer, reasoning, tuple(self.calls), items)]


def _message(call: ToolCall, result: ToolResult) -> Message:
    return Message("tool", result.text, tool_call_id=call.id, name=call.name)


def _stopped(column: int, call: ToolCall) -> ToolResult:
    return ToolResult(column, call.id, call.name, _error(STOPPED).text, "stopped")


def _error(said: str) -> Output:
    return Output(json.dumps({"error": said}, ensure_ascii=False))


def _reached(wrong: int, rounds: int, limits: Limits) -> str:
    """A sentence on the limit that is reached; empty where none is."""
    if wrong > limits.corrections:
        times = "once" if wrong == 1 else f"{wrong} times in a row"
        return f"The model's calls were invalid or failed {times}, so it answers without tools."
    if rounds >= limits.rounds:
        return f"The model called tools in {rounds} answers of this turn, the most that are run, so it answers now."
    return ""
