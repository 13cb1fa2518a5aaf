"""One question to an API and its streamed answer: sent, read, tried again where that makes sense, ended in one way.

Yields notices, tokens and tool calls, then Done; raises a PlaygroundError where the answer failed, after everything
that had arrived was yielded. Knows no catalog.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from playground.catalog import ModelCard
from playground.errors import Cancelled, PlaygroundError
from playground.protocol import CancelToken, ChatRequest, Done, Event, Notice
from playground.remote.answer import Answer
from playground.remote.chat_request import chat_arguments
from playground.remote.chat_stream import ChatAnswer
from playground.remote.endpoint import Endpoint
from playground.remote.openai_errors import broken, code_of, told
from playground.remote.responses_request import responses_arguments
from playground.remote.responses_stream import ResponsesAnswer
from playground.remote.retries import StreamEnded, wait_before, without, without_refused
from playground.remote.schemas import mismatch

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

WISH = object()  # the user wants the answer now
POLL_S = 0.05  # how often a waiting stream looks at its cancel token


@dataclass
class Exchange:
    """What one exchange needs. `asked` is the request as it came, `checked` the same with the card's defaults.

    `refused` names the arguments that this endpoint has refused before; it grows.
    """

    asked: ChatRequest
    checked: ChatRequest
    card: ModelCard
    endpoint: Endpoint
    key: str
    timeout_s: float
    backoff_s: float
    refused: set[str] = field(default_factory=set)
    _tried: set[str] = field(default_factory=set)

    async def run(self, client: AsyncOpenAI, cancel: CancelToken) -> AsyncGenerator[Event, None]:
        """The events of the answer; see the module."""
        body, said = self._arguments()
        for name in sorted(self.refused):
            if (smaller := without(body, name)) is not None:
                body = smaller
                said.append(self._left_out(name))
        for text in said:
            yield Notice(text)
        attempt = 1
        while True:
            answer = self._answer(body)
            try:
                async with aclosing(self._once(client, body, answer, cancel)) as events:
                    async for event in events:
                        yield event
                break
            except Cancelled:
                answer.stop_reason = "stopped"
                break
            except PlaygroundError:
                for event in answer.finish():
                    yield event
                raise
            except _api_errors() as error:
                if answer.complete:
                    break  # it broke behind the end; the figures may be missing
                if not answer.grown.begun:
                    if changed := self._changed(error, body):
                        body, text = changed
                        yield Notice(text)
                        continue
                    wait = wait_before(error, attempt, self.endpoint, self.backoff_s)
                    if wait is not None:
                        reason = self._told(error, False).message
                        attempt += 1
                        yield Notice(f"{reason} Try {attempt} in {wait:.1f} seconds.")
                        if not await _paused(wait, cancel):
                            answer.stop_reason = "stopped"
                            break
                        continue
                for event in answer.finish():
                    yield event
                raise self._told(error, answer.grown.begun) from None
        for event in answer.finish():
            yield event
        for text in await asyncio.to_thread(lambda: list(self._checks(answer))):
            yield Notice(text)
        yield Done(replace(answer.stats(), reasoning_effort=_effort(body)), answer.items())

    async def _once(
        self, client: AsyncOpenAI, body: dict[str, Any], answer: Answer, cancel: CancelToken
    ) -> AsyncGenerator[Event, None]:
        """One try. Raises what the client raises, StreamEnded, or Cancelled soon after the user stops."""
        stream: Any = None
        try:
            if cancel.cancelled:
                raise Cancelled
            answer.grown.start()
            responses = self.endpoint.api == "responses"
            create: Any = client.responses.create if responses else client.chat.completions.create
            stream = await watched(create(**body), cancel)
            async with aclosing(_events(stream, cancel)) as events:
                async for event in events:
                    if event is WISH:
                        yield Notice(f"{self.card.name} runs behind an API, which cannot end a thought early.")
                        continue
                    for one in answer.read(event):
                        yield one
                    if responses and answer.complete:
                        return
            if not answer.complete:
                raise StreamEnded
        finally:  # also when the listener goes away: the server sees the connection close and stops
            if stream is not None:
                await stream.close()

    def _arguments(self) -> tuple[dict[str, Any], list[str]]:
        make = responses_arguments if self.endpoint.api == "responses" else chat_arguments
        return make(self.asked, self.checked, self.card, self.endpoint)

    def _answer(self, body: dict[str, Any]) -> Answer:
        if self.endpoint.api == "responses":
            return ResponsesAnswer(self.card, self.endpoint, self.asked, self.key, body.get("max_output_tokens", 0))
        seed = body.get("seed", body.get("extra_body", {}).get("random_seed"))
        return ChatAnswer(self.card, self.endpoint, self.asked, seed)

    def _changed(self, error: Exception, body: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
        """The arguments without what the server cannot take, and a sentence about it; None where it is not that."""
        if code_of(error) == "invalid_encrypted_content" and any(m.items for m in self.checked.messages):
            plain = tuple(replace(message, items=()) for message in self.checked.messages)
            self.checked = replace(self.checked, messages=plain)
            return self._arguments()[0], f"{self.endpoint.host} cannot read its earlier thoughts: sent without them."
        if (smaller := without_refused(error, body)) is None:
            return None
        body, name = smaller
        if name in self._tried:
            return None  # a server that changes its mind is not asked for ever
        self._tried.add(name)
        self.refused.add(name)
        return body, self._left_out(name)

    def _told(self, error: Exception, begun: bool) -> PlaygroundError:
        if isinstance(error, StreamEnded):
            return broken(self.endpoint, begun)
        return told(error, self.endpoint, self.key, self.timeout_s, begun)

    def _left_out(self, name: str) -> str:
        return f"{self.endpoint.host} takes no {name} for {self.endpoint.model}: sent without it."

    def _checks(self, answer: Answer) -> Iterator[str]:
        """What is wrong with the form of an answer that was to be bound."""
        text, checked = answer.grown.text, self.checked
        if not (checked.json_schema or checked.choices) or answer.stop_reason not in ("end", "length"):
            return
        if answer.stop_reason == "length":
            yield f"The answer was cut at {checked.max_new_tokens} new tokens, so it does not have the form asked for."
        elif checked.json_schema:
            if wrong := mismatch(text, checked.json_schema):
                yield wrong
        elif text.strip() not in checked.choices:
            yield f"The answer is none of {', '.join(checked.choices)}."


def _effort(body: dict[str, Any]) -> str:
    """The reasoning effort that was sent; empty for none."""
    return str(body.get("reasoning_effort") or body.get("reasoning", {}).get("effort") or "")


async def watched(work: Awaitable[T], cancel: CancelToken) -> T:
    """The result of `work`, or Cancelled soon after the user stops."""
    task = asyncio.ensure_future(work)
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=POLL_S)
            if cancel.cancelled:
                raise Cancelled
            if done:
                return task.result()
    finally:
        await _dropped(task)


async def _paused(seconds: float, cancel: CancelToken) -> bool:
    """Waits; False as soon as the user stops."""
    try:
        await watched(asyncio.sleep(seconds), cancel)
    except Cancelled:
        return False
    return True


async def _events(stream: AsyncIterator[Any], cancel: CancelToken) -> AsyncGenerator[Any, None]:
    """The events of a stream, with WISH among them once the user wants the answer now. Raises Cancelled soon after a
    stop."""
    told = False
    coming = asyncio.ensure_future(_next(stream))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=POLL_S)
            if cancel.cancelled:
                raise Cancelled
            if cancel.wants_answer and not told:
                told = True
                yield WISH
            if done:
                if (event := coming.result()) is None:
                    return
                yield event
                coming = asyncio.ensure_future(_next(stream))
    finally:
        await _dropped(coming)


async def _next(stream: AsyncIterator[Any]) -> Any:
    return await anext(stream, None)


async def _dropped(task: asyncio.Future[Any]) -> None:
    """Ends a task whose result nobody wants."""
    if not task.done():
        task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # read, so that it is not reported as lost


def _api_errors() -> tuple[type[Exception], ...]:
    """What the client raises, and what unreadable stream data raises inside it."""
    import openai

    return (openai.OpenAIError, StreamEnded, ValueError, AttributeError, TypeError, RecursionError)
