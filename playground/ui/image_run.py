"""Runs one picture request on several models in turn: events in; pictures, problems and progress out."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from html import escape

from playground.catalog import ModelCard
from playground.errors import PlaygroundError
from playground.protocol import (
    CancelToken,
    Done,
    Event,
    Failed,
    Image,
    ImageRequest,
    ImageStats,
    Loading,
    Notice,
    Queued,
    Step,
)
from playground.ui.context import AppContext
from playground.ui.image_progress import Progress, Speeds
from playground.ui.outputs import keep_image
from playground.ui.stream import batches
from playground.ui.words import bar, loading, note, problem, queued, seconds

SEEDS = 2**32


@dataclass(frozen=True)
class Picture:
    """A finished picture on disk, with what the page says of it. `made_s` is seconds, None where unknown."""

    path: str
    model: str
    name: str
    seed: int
    made_s: float | None
    prompt: str
    parameters: str

    @property
    def caption(self) -> str:
        took = f" · {seconds(self.made_s)}" if self.made_s is not None else ""
        return f"{self.name} · seed {self.seed}{took}"


@dataclass
class Painting:
    """What the page shows at one moment. `fresh`: pictures were added since the last one; `fraction`: of the job."""

    pictures: list[Picture] = field(default_factory=list)
    status: str = ""
    fresh: bool = False
    stats: ImageStats | None = None
    fraction: float | None = None


def drawn_seed() -> int:
    """A fresh seed."""
    return secrets.randbelow(SEEDS)


async def paint(
    context: AppContext,
    cards: Sequence[ModelCard],
    wanted: ImageRequest,
    cancel: CancelToken,
    speeds: Speeds | None = None,
) -> AsyncGenerator[Painting]:
    """Runs `wanted` on each card, with one seed, and keeps every finished picture; yields what to show.

    One model's failure is told in its place, and the others go on. `speeds` are those of earlier jobs.
    """
    painting = Painting()
    planned = [wanted.steps or card.defaults.steps or 1 for card in cards]
    keys = [f"{card.id} {wanted.width}x{wanted.height} {wanted.batch_size}" for card in cards]
    progress = Progress(planned, keys, speeds or Speeds())
    notes: list[str] = []
    for number, card in enumerate(cards, 1):
        if cancel.cancelled:
            break
        where = f"{card.name}, model {number} of {len(cards)}" if len(cards) > 1 else card.name
        request = replace(wanted, model=card.id)
        progress.begin()
        watch = _Watch(where, request.prompt, progress)
        painting.status = "".join(notes) + watch.html()
        yield painting
        async with aclosing(batches(context.engine, request, cancel)) as found:
            async for batch in found:
                for event in batch:
                    watch.take(event)
                painting.fraction = progress.fraction
                painting.status = "".join(notes) + watch.html()
                yield painting
        if watch.failed is not None:
            notes.append(problem(watch.failed, card.name))
        notes += [note(text) for text in watch.notices]
        stats = watch.finished_stats()
        for image in watch.images:
            try:
                path = await asyncio.to_thread(keep_image, context, request.owner, request, image, stats)
            except PlaygroundError as error:
                notes.append(problem(Failed.of(error), card.name) + _unkept(image, request.prompt))
                continue
            painting.pictures.append(
                Picture(
                    str(path), card.id, card.name, image.seed, stats.seconds_per_image, request.prompt, image.parameters
                )
            )
            painting.fresh = True
        painting.stats = watch.stats or painting.stats
        painting.status = "".join(notes)
        yield painting
        painting.fresh = False


class _Watch:
    """One model's run as it goes on."""

    def __init__(self, where: str, prompt: str, progress: Progress) -> None:
        self.images: list[Image] = []
        self.notices: list[str] = []
        self.failed: Failed | None = None
        self.stats: ImageStats | None = None
        self._where = where
        self._prompt = prompt
        self._progress = progress
        self._text = "Starting"
        self._fraction: float | None = None
        self._preview: bytes | None = None
        self._began = time.monotonic()
        self._steps = 0

    def take(self, event: Event) -> None:
        if isinstance(event, Queued):
            self._text, self._fraction, self._began = queued(event), None, time.monotonic()
        elif isinstance(event, Loading):
            self._text, self._fraction, self._began = loading(event), event.fraction, time.monotonic()
        elif isinstance(event, Step):
            self._text, self._fraction = self._progress.take(event), self._progress.fraction
            self._preview = event.preview or self._preview
            self._steps = event.total
        elif isinstance(event, Image):
            self.images.append(event)
        elif isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, Failed):
            self.failed = event
        elif isinstance(event, Done) and isinstance(event.stats, ImageStats):
            self.stats = event.stats

    def finished_stats(self) -> ImageStats:
        """The engine's own figures; after a stop, the time since the work began."""
        if self.stats is not None:
            return self.stats
        took = time.monotonic() - self._began
        seed = self.images[0].seed if self.images else 0
        return ImageStats(took, took / max(1, len(self.images)), self._steps, seed)

    def html(self) -> str:
        """The preview, the step and the bar."""
        picture = ""
        if self._preview is not None:
            kind = "png" if self._preview.startswith(b"\x89PNG") else "jpeg"
            data = base64.b64encode(self._preview).decode("ascii")
            alt = escape(f"Preview: {self._prompt[:200]}")
            picture = f'<img class="pg-preview" alt="{alt}" src="data:image/{kind};base64,{data}">'
        line = escape(self._text)
        return (
            f'<div class="pg-painting">{picture}<div class="pg-painting-words"><b>{escape(self._where)}</b>'
            f"<span>{line}</span>{bar(self._fraction, self._text)}</div></div>"
        )


def _unkept(image: Image, prompt: str) -> str:
    """A finished picture that could not be kept, as a part of the page, from which it can be saved."""
    data = base64.b64encode(image.png).decode("ascii")
    return f'<img class="pg-unkept" alt="{escape(prompt[:200])}" src="data:image/png;base64,{data}">'


def items(pictures: Sequence[Picture]) -> list[tuple[str, str]]:
    """Pictures as a gallery takes them."""
    return [(picture.path, picture.caption) for picture in pictures]
