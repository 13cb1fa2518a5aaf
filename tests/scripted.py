"""An engine that plays given events with given delays; it records requests and honours cancel. For tests alone."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from PIL import Image as Pictures
from PIL import ImageChops, ImageDraw

from playground.catalog import Catalog, ModelCard
from playground.protocol import (
    Added,
    AddRequest,
    CancelToken,
    ChatRequest,
    ChatStats,
    Counted,
    CountRequest,
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
    Notice,
    PinRequest,
    Request,
    Sized,
    SizeRequest,
    Step,
    Token,
    UnloadRequest,
)

Script = Sequence[tuple[float, Event]]  # (seconds to wait, event)
Play = Callable[[Request], Script]
MIB = 1024**2


class ScriptedEngine:
    """`plays[model]` gives the script for a request; a model without one answers by its kind."""

    def __init__(self, catalog: Catalog, plays: dict[str, Play] | None = None) -> None:
        self.requests: list[Request] = []
        self.cancelled: list[Request] = []
        self.plays = dict(plays or {})
        self.plays_always: dict[str, Play] = {}  # for requests of any kind
        self._catalog = catalog
        self._loaded: dict[str, float] = {}
        self._pinned: set[str] = set()
        self.busy = 0

    async def submit(self, request: Request, cancel: CancelToken) -> AsyncIterator[Event]:
        picture = request.model in self._catalog and self._catalog[request.model].kind == "image"
        if isinstance(request, CountRequest) and picture:  # needs no model; the page asks for it while somebody types
            yield Counted(len(request.text.split()), 75, (len(request.text.split()),))
            yield Done()
            return
        self.requests.append(request)
        if request.model not in self._catalog and not isinstance(request, SizeRequest | AddRequest):
            yield Failed(f"There is no model {request.model!r}.", "Choose another.", "UnknownModel")
            return
        self.busy += 1
        try:
            played = isinstance(request, ChatRequest | ImageRequest)
            play = self.plays.get(request.model, default_play) if played else default_play
            play = self.plays_always.get(request.model, play)
            for delay, event in play(request):
                if await _cancelled(cancel, delay):
                    self.cancelled.append(request)
                    yield Notice("Stopped.")
                    yield Done()
                    return
                if cancel.take_skip():
                    yield Notice("One picture was skipped.")
                    yield Done()
                    return
                if isinstance(event, Added if isinstance(request, AddRequest) else Done):
                    self._after(request)
                yield event
                if isinstance(event, Done | Failed):
                    return
        finally:
            self.busy -= 1

    async def models(self) -> list[ModelState]:
        return [self._state(card.id) for card in self._catalog]

    async def health(self) -> Health:
        used = sum(self._bytes(i) for i in self._loaded)
        return Health(
            ok=True,
            device="cpu",
            cores=2,
            dtype="bfloat16",
            budget_bytes=1024 * MIB,
            used_bytes=used,
            running=self.busy,
        )

    def _after(self, request: Request) -> None:
        if isinstance(request, UnloadRequest):
            self._loaded.pop(request.model, None)
            self._pinned.discard(request.model)
        elif isinstance(request, AddRequest):
            self._catalog.add(added_card(request))
        elif isinstance(request, PinRequest) and not request.pinned:
            self._pinned.discard(request.model)
        elif not isinstance(request, SizeRequest):
            if isinstance(request, PinRequest):
                self._pinned.add(request.model)
            self._loaded[request.model] = time.time()

    def _bytes(self, card_id: str) -> int:
        return (40 + 13 * (len(card_id) % 7)) * MIB

    def _state(self, card_id: str) -> ModelState:
        card = self._catalog[card_id]
        state = ModelState(card_id, card.kind, "not loaded", card.licence, card.parameters)
        if not card.shipped:
            return replace(state, state="unavailable", reason="Its weights are not on this machine.")
        if card_id in self._loaded:
            return replace(
                state,
                state="ready",
                bytes=self._bytes(card_id),
                device="cpu",
                dtype="bfloat16",
                pinned=card_id in self._pinned,
                idle_s=time.time() - self._loaded[card_id],
                tier="device",
            )
        return state


async def _cancelled(cancel: CancelToken, delay: float) -> bool:
    until = time.monotonic() + delay
    while (left := until - time.monotonic()) > 0:
        if cancel.cancelled:
            return True
        await asyncio.sleep(min(0.02, left))
    return cancel.cancelled


def default_play(request: Request) -> Script:
    """A short answer, a picture in four steps, or a load."""
    if isinstance(request, ChatRequest):
        return answer(f"You said: {request.messages[-1].content}")(request)
    if isinstance(request, ImageRequest):
        return picture()(request)
    if isinstance(request, SizeRequest):
        return [(0.05, Sized(report_of(request.model))), (0.0, Done())]
    if isinstance(request, AddRequest):
        return [(0.05, Added(added_card(request).id)), (0.0, Done())]
    if isinstance(request, LoadRequest):
        return [(0.05, Loading(request.model, i / 4)) for i in range(1, 5)] + [(0.0, Done())]
    return [(0.0, Done())]


def added_card(request: AddRequest) -> ModelCard:
    """The card of something on the hub, or of a form of it."""
    label = "-".join(part for part in (request.model.rpartition("/")[2], request.quantization) if part)
    return ModelCard(
        id=label.lower(), name=label, kind="chat", source=request.model, licence="see its source",
        quantization=request.quantization or None,
    )  # fmt: skip


def report_of(name: str) -> dict:
    """Sizes of a model of a thousand tokens, in the form of the doctor."""
    forms = [
        {
            "form": "bfloat16",
            "dtype": "bfloat16",
            "weights": 800 * MIB,
            "fits": True,
            "kv_per_token": 2048,
            "context": 1000,
        },
        {"form": "float32", "dtype": "float32", "weights": 1600 * MIB, "fits": False, "kv_per_token": 4096},
        {
            "form": "int8",
            "dtype": "bfloat16",
            "weights": 410 * MIB,
            "fits": True,
            "kv_per_token": 2048,
            "context": 1000,
        },
    ]
    parts = [{"name": "model", "parameters": 4 * 10**8, "stored_bytes": 800 * MIB, "stored_dtypes": {"bfloat16": 1},
              "bytes": 800 * MIB}]  # fmt: skip
    return {
        "id": name,
        "parameters": 4 * 10**8,
        "context": 1000,
        "download_bytes": 800 * MIB,
        "budget_bytes": 1024 * MIB,
        "form": "bfloat16",
        "components": parts,
        "forms": forms,
        "working": [],
        "builds": [],
        "notes": ["Its code is not run."],
        "verdict": f"{name} fits as bfloat16.",
    }


def answer(text: str, every: float = 0.01, reasoning: str = "", first: float = 0.0) -> Play:
    """Streams the words of `reasoning`, then those of `text`, one each `every` seconds."""

    def play(request: Request) -> Script:
        assert isinstance(request, ChatRequest)
        thoughts, words = reasoning.split(), text.split()
        script: list[tuple[float, Event]] = [(first, Loading(request.model, 0.5))]
        script += [(every, Token(request.column, word + " ", "reasoning")) for word in thoughts]
        script += [
            (every, Token(request.column, word + (" " if i < len(words) - 1 else ""))) for i, word in enumerate(words)
        ]
        stats = ChatStats(
            ttft_s=first + every,
            tokens_per_s=1 / every,
            prompt_tokens=sum(len(m.content.split()) for m in request.messages),
            completion_tokens=len(thoughts) + len(words),
            reasoning_tokens=len(thoughts),
            context_used=18,
            context_size=2048,
            stop_reason="stop",
            seed=request.seed if request.seed is not None else 7,
        )
        return [*script, (0.0, Done(stats))]

    return play


def failure(error: str, hint: str, after: float = 0.05) -> Play:
    """Fails."""
    return lambda request: [(after, Failed(error, hint))]


def picture(steps: int = 4, every: float = 0.05) -> Play:
    """Draws a disc in a colour that depends on the seed, with a preview at each step; repaints under a mask."""

    def play(request: Request) -> Script:
        assert isinstance(request, ImageRequest)
        seed = request.seed or 0
        script: list[tuple[float, Event]] = []
        for i in range(1, steps + 1):
            script.append((every, Step(i, steps, (steps - i) * every, _png(_disc(request, seed, i / steps)))))
        for index in range(request.batch_size):
            made = _disc(request, seed + index, 1.0)
            parameters = f"{request.prompt}\nSteps: {steps}, Seed: {seed + index}, Model: {request.model}"
            script.append((0.0, Image(index, _png(made), seed + index, *made.size, parameters)))
        identical = True if request.kind == "inpaint" else None
        spent = steps * every
        stats = ImageStats(spent, spent / request.batch_size, steps, seed, outside_identical=identical)
        return [*script, (0.0, Done(stats))]

    return play


def _disc(request: ImageRequest, seed: int, done: float) -> Pictures.Image:
    width, height = request.width or 128, request.height or 128
    ground = Pictures.new("RGB", (width, height), "white")
    if request.image is not None:
        ground = Pictures.open(io.BytesIO(request.image)).convert("RGB")
        width, height = ground.size
    painted = ground.copy()
    colour = ((seed * 97) % 200, (seed * 57 + 90) % 200, (seed * 31 + 40) % 200)
    radius = min(width, height) * 0.36 * done
    box = (width / 2 - radius, height / 2 - radius, width / 2 + radius, height / 2 + radius)
    ImageDraw.Draw(painted).ellipse(box, fill=colour)
    if request.mask is None:
        return painted
    mask = Pictures.open(io.BytesIO(request.mask)).convert("L")
    result = Pictures.composite(painted, ground, mask)
    outside = ImageChops.difference(result, ground)
    assert Pictures.composite(Pictures.new("RGB", ground.size), outside, mask).getbbox() is None
    return result


def _png(image: Pictures.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
