"""Answers over any OpenAI-compatible API, as streams, behind the same seam as local models.

The `openai` package is an extra, imported by the first request. A key comes from the environment and goes nowhere but
into the client.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playground.catalog import Catalog, ModelCard
from playground.chat.request import checked_chat
from playground.errors import Cancelled, InvalidRequest, ModelUnavailable, PlaygroundError
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
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
from playground.remote.client import opened
from playground.remote.endpoint import Endpoint, endpoint_of, key_for, leaves_machine, unavailable
from playground.remote.exchange import Exchange, watched
from playground.remote.openai_errors import told
from playground.remote.parameters import rejects
from playground.remote.retries import BACKOFF_S
from playground.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TIMEOUT_S = 300.0  # reasoning models are silent for long before the first word
PROBE_S = 0.5


class OpenAIEngine:
    """Runs the cards whose backend is "openai".

    `timeout_s` is the longest silence that is waited out, `backoff_s` the first wait before another try.
    """

    def __init__(
        self, catalog: Catalog, settings: Settings, *, timeout_s: float = TIMEOUT_S, backoff_s: float = BACKOFF_S
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._timeout_s = timeout_s
        self._backoff_s = backoff_s
        self._refused: dict[tuple[str, str], set[str]] = {}

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
            yield Failed.of(error)

    async def models(self) -> list[ModelState]:
        cards = [card for card in self._catalog if card.backend == "openai"]
        return list(await asyncio.gather(*map(self._state, cards)))

    async def health(self) -> Health:
        return Health(ok=True, device="api")

    def rejects(self, card_id: str) -> dict[str, str]:
        """What of a ChatRequest this card does not take, with reasons: what is known, and what its server has refused.

        See `parameters.rejects`.
        """
        card = self._catalog[card_id]
        found = rejects(card, self._settings)
        if card.backend == "openai" and not isinstance(unavailable(card, self._settings), ModelUnavailable):
            endpoint = endpoint_of(card, self._settings)
            for name in self._refused.get((endpoint.host, endpoint.model), ()):
                own = {"reasoning.effort": "reasoning_effort"}.get(name, name)
                found.setdefault(own, f"{endpoint.host} has refused {name} for {endpoint.model}.")
        return found

    # --- one answer ---

    async def _chat(self, request: ChatRequest, card: ModelCard, cancel: CancelToken) -> AsyncGenerator[Event, None]:
        checked = checked_chat(request, card)
        endpoint = endpoint_of(card, self._settings)
        if endpoint.family != card.source:
            yield Notice(f"Answered by {endpoint.family}, as PLAYGROUND_OPENAI_MODEL says.")
        key = key_for(card, endpoint, self._settings)
        # Off the event loop: the first import of the package takes a second.
        async with await asyncio.to_thread(opened, endpoint, key, self._timeout_s) as client:
            try:
                endpoint = await self._named(client, endpoint, key, cancel)
            except Cancelled:
                yield Done(ChatStats(stop_reason="stopped", context_size=card.context))
                return
            refused = self._refused.setdefault((endpoint.host, endpoint.model), set())
            exchange = Exchange(request, checked, card, endpoint, key, self._timeout_s, self._backoff_s, refused)
            async with contextlib.aclosing(exchange.run(client, cancel)) as events:
                async for event in events:
                    yield event

    async def _named(self, client: AsyncOpenAI, endpoint: Endpoint, key: str, cancel: CancelToken) -> Endpoint:
        """The endpoint with the name of the first model that the server offers, where the card names none."""
        import openai

        if endpoint.named:
            return endpoint
        try:
            offered = (await watched(client.models.list(), cancel)).data
            return replace(endpoint, model=offered[0].id) if offered else endpoint
        except (openai.OpenAIError, ValueError, AttributeError, TypeError) as error:
            raise told(error, endpoint, key, self._timeout_s, False) from None

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
            leaves_machine=leaves_machine(card, self._settings),
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
