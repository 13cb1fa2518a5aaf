"""Answers over any OpenAI-compatible API, as streamed chat completions, behind the same seam as local models.

The `openai` package is an extra, imported by the first request. A key comes from the settings and goes nowhere but into
the client.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from playground.catalog import Catalog, ModelCard
from playground.chat.request import checked_chat
from playground.errors import Cancelled, InvalidRequest, ModelUnavailable, PlaygroundError
from playground.protocol import (
    CancelToken,
    ChatRequest,
    Done,
    Event,
    Failed,
    Health,
    LoadRequest,
    ModelState,
    Notice,
    Request,
    UnloadRequest,
)
from playground.remote.endpoint import UNNAMED, Endpoint, body_of, endpoint_of, key_for, notices_of, unavailable
from playground.remote.openai_errors import broken, told
from playground.remote.openai_stream import Answer
from playground.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

POLL_S = 0.05  # how often a waiting stream looks at its cancel token
CONNECT_S = 10.0
TIMEOUT_S = 300.0  # reasoning models are silent for long before the first word
PROBE_S = 0.5


class OpenAIEngine:
    """Runs the cards whose backend is "openai"; `timeout_s` is the longest silence that is waited out."""

    def __init__(self, catalog: Catalog, settings: Settings, *, timeout_s: float = TIMEOUT_S) -> None:
        self._catalog = catalog
        self._settings = settings
        self._timeout_s = timeout_s

    async def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        try:
            card = self._catalog[request.model]
            if reason := unavailable(card, self._settings):
                raise reason
            if isinstance(request, LoadRequest | UnloadRequest):
                yield Done()  # nothing is held here that could be loaded or freed
                return
            if not isinstance(request, ChatRequest):
                raise InvalidRequest(
                    f"{card.name} runs behind an API, which only answers chat messages.", "Choose a local model."
                )
            async with contextlib.aclosing(self._chat(request, card, cancel)) as events:
                async for event in events:
                    yield event
        except PlaygroundError as error:
            yield Failed(error.message, error.hint, type(error).__name__)

    async def models(self) -> list[ModelState]:
        cards = [card for card in self._catalog if card.backend == "openai"]
        return list(await asyncio.gather(*map(self._state, cards)))

    async def health(self) -> Health:
        return Health(ok=True, device="api")

    # --- one answer ---

    async def _chat(self, request: ChatRequest, card: ModelCard, cancel: CancelToken) -> AsyncGenerator[Event, None]:
        checked = checked_chat(request, card)
        endpoint = endpoint_of(card, self._settings)
        for text in notices_of(request, checked, card, endpoint):
            yield Notice(text)
        answer = Answer(card, endpoint, checked)
        key = key_for(card, endpoint, self._settings)
        async with await asyncio.to_thread(self._client, endpoint, key) as client:
            stream: Any = None
            try:
                if cancel.cancelled:
                    raise Cancelled
                endpoint = await _watched(_named(client, endpoint), cancel)
                answer.start()
                body = body_of(request, checked, card, endpoint)
                stream = await _watched(client.chat.completions.create(**body), cancel)
                while (chunk := await _watched(_next(stream), cancel)) is not None:
                    for event in answer.read(chunk):
                        yield event
                for event in answer.finish():
                    yield event
                if not answer.complete:
                    raise broken(endpoint)
            except Cancelled:
                for event in answer.finish():
                    yield event
                answer.stop_reason = "stopped"
            except PlaygroundError:
                raise
            except _api_errors() as error:
                for event in answer.finish():
                    yield event
                raise told(error, endpoint, key, self._timeout_s, answer.begun) from None
            finally:  # also when the listener goes away: the server sees the connection close and stops
                if stream is not None:
                    await stream.close()
        if answer.filtered:
            yield Notice(f"{endpoint.host} ended the answer by its content filter.")
        yield Done(answer.stats())

    def _client(self, endpoint: Endpoint, key: str) -> AsyncOpenAI:
        """A client for one request; made off the event loop, since the first import takes a second."""
        import openai

        timeout = openai.Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s))
        return openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=key or "none",  # the client insists on one; own servers ignore it
            timeout=timeout,
            max_retries=0,  # a hidden second try would be counted as the model's time
            http_client=openai.DefaultAsyncHttpxClient(
                timeout=timeout,
                trust_env=not endpoint.loopback,  # a proxy could not reach this machine's loopback
            ),
        )

    # --- states ---

    async def _state(self, card: ModelCard) -> ModelState:
        error = unavailable(card, self._settings) or await self._silent(card)
        return ModelState(
            id=card.id,
            kind=card.kind,
            state="unavailable" if error else "ready",
            licence=card.licence,
            parameters=card.parameters,
            device="api",
            reason=str(error) if error else "",
        )

    async def _silent(self, card: ModelCard) -> ModelUnavailable | None:
        """Whether nothing listens at a loopback address; far ones are not disturbed for a list."""
        endpoint = endpoint_of(card, self._settings)
        if not endpoint.loopback:
            return None
        parts = urlsplit(endpoint.base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port), PROBE_S)
        except (OSError, TimeoutError):
            return ModelUnavailable(f"Nothing answers at {endpoint.host}.", "Start the server there.")
        writer.close()
        with contextlib.suppress(OSError):  # it answered; how it takes the goodbye does not matter
            await writer.wait_closed()
        return None


async def _named(client: AsyncOpenAI, endpoint: Endpoint) -> Endpoint:
    """The endpoint with the name of the first model that the server offers, where the card names none."""
    if endpoint.model != UNNAMED:
        return endpoint
    offered = (await client.models.list()).data
    return replace(endpoint, model=offered[0].id) if offered else endpoint


async def _next(stream: AsyncIterator[Any]) -> Any:
    return await anext(stream, None)


async def _watched(work: Awaitable[T], cancel: CancelToken) -> T:
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
        if not task.done():
            task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # read, so that it is not reported as lost


def _api_errors() -> tuple[type[Exception], ...]:
    """What the client raises, and what unreadable stream data raises inside it."""
    import openai

    return (openai.OpenAIError, ValueError, AttributeError, TypeError)
