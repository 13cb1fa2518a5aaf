"""A scripted engine with fixed answers and times, in the manners of the real one."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from PIL import Image as Picture

from playground.catalog import ModelCard
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Done,
    Event,
    Failed,
    Health,
    Image,
    ImageRequest,
    ImageStats,
    Loading,
    LoadRequest,
    ModelState,
    Queued,
    Request,
    Token,
    UnloadRequest,
)


def png(colour: str = "red", size: tuple[int, int] = (32, 32)) -> bytes:
    buffer = io.BytesIO()
    Picture.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class ScriptedEngine:
    """Answers each chat with `answer(request)`; the k-th chat takes the k-th of `ttfts`, the last one for ever."""

    card: ModelCard
    answer: Callable[[ChatRequest], str] = lambda request: "yes"
    ttfts: tuple[float | None, ...] = (0.1,)
    rates: tuple[float | None, ...] = (20.0,)
    image_seconds: tuple[float, ...] = (1.0,)
    load_s: float = 0.0
    queue_s: float = 0.0
    allocate: int = 0
    fail_on: Callable[[Request], bool] = lambda request: False
    slow: bool = False
    stays_loaded: bool = False
    requests: list[Request] = field(default_factory=list)
    stopped_at: int | None = None
    state: str = "not loaded"
    held: bytearray | None = None

    async def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        try:
            self.requests.append(request)
            async for event in self._events(request, cancel):
                yield event
        finally:
            cancel.cancel()  # as the in-process engine does when its stream ends

    async def _events(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        if self.fail_on(request):
            yield Failed("It broke.", "Mend it.", "OutOfMemory")
            return
        if isinstance(request, LoadRequest):
            if self.queue_s:
                yield Queued(1)
                await asyncio.sleep(self.queue_s)
            if self.state != "ready":
                yield Loading(self.card.id, 0.5)
                await asyncio.sleep(self.load_s)
                self.held = bytearray(b"x" * self.allocate)
                self.state = "ready"
            yield Done()
        elif isinstance(request, UnloadRequest):
            if not self.stays_loaded:
                self.state, self.held = "not loaded", None
            yield Done()
        elif isinstance(request, ChatRequest):
            async for event in self._chat(request, cancel):
                yield event
        else:
            assert isinstance(request, ImageRequest)
            number = sum(isinstance(r, ImageRequest) for r in self.requests) - 1
            seconds = self.image_seconds[min(number, len(self.image_seconds) - 1)]
            yield Image(0, png(), request.seed or 0, 128, 128, "Steps: 20")
            yield Done(ImageStats(seconds, seconds, 20, request.seed or 0))

    async def _chat(self, request: ChatRequest, cancel: CancelToken) -> AsyncIterator[Event]:
        number = sum(isinstance(r, ChatRequest) for r in self.requests) - 1
        yield Token(0, "thinking of 99", "reasoning")
        if self.slow:
            for step in range(1000):
                if cancel.cancelled:
                    self.stopped_at = step
                    break
                yield Token(0, "x")
                await asyncio.sleep(0.005)
        else:
            yield Token(0, self.answer(request))
        first, rate = (values[min(number, len(values) - 1)] for values in (self.ttfts, self.rates))
        yield Done(ChatStats(first, rate, 9, 12))

    def close(self) -> None:
        self.state = "closed"

    async def models(self) -> list[ModelState]:
        return [ModelState(self.card.id, self.card.kind, self.state, device="cpu", dtype="bfloat16")]

    async def health(self) -> Health:
        return Health(ok=True, device="cpu", versions={"torch": "2.13.0"})


@pytest.fixture
def chat_card() -> ModelCard:
    return ModelCard(id="tiny-chat", name="Tiny", kind="chat", source="owner/tiny-chat", revision="abc", licence="MIT")


@pytest.fixture
def image_card() -> ModelCard:
    return ModelCard(id="tiny-sd", name="Tiny SD", kind="image", source="owner/tiny-sd", licence="MIT")


@pytest.fixture
def scripted() -> type[ScriptedEngine]:
    return ScriptedEngine
