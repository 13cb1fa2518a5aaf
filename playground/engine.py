"""The router that picks an engine for a card, and the engines that the settings ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator

from playground.catalog import Catalog
from playground.errors import PlaygroundError
from playground.local_engine import LocalEngine
from playground.protocol import (
    AddRequest,
    CancelToken,
    Engine,
    Event,
    Failed,
    Health,
    ModelState,
    Request,
    SizeRequest,
)
from playground.settings import Settings


class Router:
    """Sends each request to the engine that serves its card's backend."""

    def __init__(self, catalog: Catalog, engines: dict[str, Engine]) -> None:
        self._catalog = catalog
        self._engines = engines

    async def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        try:
            # What is only named may be no card yet, and lies on this machine or on the hub.
            named = isinstance(request, SizeRequest | AddRequest)
            engine = self._engines["local" if named else self._catalog[request.model].backend]
        except PlaygroundError as error:
            yield Failed.of(error)
            return
        stream = engine.submit(request, cancel)
        try:
            async for event in stream:
                yield event
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # every engine's submit is an async generator

    async def models(self) -> list[ModelState]:
        found = {state.id: state for engine in self._engines.values() for state in await engine.models()}
        return [found[card.id] for card in self._catalog if card.id in found]

    async def health(self) -> Health:
        return await self._engines["local"].health()

    def warm(self, *card_ids: str) -> None:
        """See `LocalEngine.warm`; engines without it have nothing to warm."""
        local = self._engines["local"]
        if isinstance(local, LocalEngine):
            local.warm(*card_ids)

    def close(self) -> None:
        """Closes the engines that hold something."""
        for engine in self._engines.values():
            if isinstance(engine, LocalEngine):
                engine.close()


def open_engine(settings: Settings, catalog: Catalog) -> Router:
    """The engines that these settings ask for, behind one router. Loads nothing yet."""
    from playground.remote.openai_engine import OpenAIEngine

    if settings.engine != "local":
        raise PlaygroundError(f"There is no engine {settings.engine!r}.", "Leave --engine away, or give local.")
    return Router(catalog, {"local": LocalEngine(settings, catalog), "openai": OpenAIEngine(catalog, settings)})
