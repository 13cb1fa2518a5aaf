"""Follows a chain as it runs: every picture is written to disk as it comes, and what the page shows is put together."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from playground.errors import PlaygroundError
from playground.gallery.kept import Pictures
from playground.images.chain.document import Chain
from playground.images.chain.events import Begun, Ended, Made, Progress, StepBegun, StepFailed
from playground.images.chain.running import run_chain
from playground.images.chain.steps import STEPS
from playground.protocol import CancelToken, Failed, Loading, Notice, Queued, Step
from playground.ui.context import AppContext
from playground.ui.outputs import outputs_folder
from playground.ui.stream import paced
from playground.ui.words import loading, queued, stepping

_ENDINGS = {"png": "png", "jpeg": "jpg", "webp": "webp"}


@dataclass(frozen=True)
class Shot:
    """One picture on disk; `path` is "" where it could not be written, and then `data` has it."""

    made: Made
    path: str
    data: bytes = b""


@dataclass
class Following:
    """What is known of a run at one moment. `now` is the step that runs, 0 before the first."""

    chain: Chain
    now: int = 0
    counts: dict[int, int] = field(default_factory=dict)  # pictures by step, how many there are to be
    shots: list[Shot] = field(default_factory=list)
    failures: list[StepFailed] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    text: str = ""
    fraction: float | None = None
    preview: bytes | None = None
    picture: int = 0
    ended: Ended | None = None
    failed: Failed | None = None  # the chain as a whole, before it ran
    fresh: bool = False  # whether pictures or failures came since the last time

    def take(self, event: Begun | StepBegun | Progress | StepFailed | Ended | Failed) -> None:
        """Takes in what needs no disk."""
        if isinstance(event, Begun):
            self.chain = event.chain
        elif isinstance(event, StepBegun):
            self.now, self.counts[event.step] = event.step, event.pictures
            self.text, self.fraction, self.preview, self.picture = "Starting", None, None, 0
        elif isinstance(event, StepFailed):
            self.failures.append(event)
            self.fresh = True
        elif isinstance(event, Ended):
            self.ended = event
        elif isinstance(event, Failed):
            self.failed = event
        else:
            self._progress(event)

    def _progress(self, event: Progress) -> None:
        if event.picture != self.picture:
            self.picture, self.preview = event.picture, None
        one = event.event
        if isinstance(one, Queued):
            self.text, self.fraction = queued(one), None
        elif isinstance(one, Loading):
            self.text, self.fraction = loading(one), one.fraction
        elif isinstance(one, Step):
            self.text, self.fraction = stepping(one), one.index / max(1, one.total)
            self.preview = one.preview or self.preview
        elif isinstance(one, Notice) and one.text not in self.notices:
            self.notices.append(one.text)

    def of_step(self, number: int) -> list[Shot]:
        """The pictures of one step."""
        return [shot for shot in self.shots if shot.made.step == number]

    @property
    def last(self) -> list[Shot]:
        """The last picture of each of the pictures on their way."""
        by_place = {shot.made.picture: shot for shot in self.shots}
        return [by_place[place] for place in sorted(by_place)]


async def follow(
    context: AppContext, chain: Chain, given: Sequence[tuple[str, bytes]], owner: str, cancel: CancelToken
) -> AsyncGenerator[Following]:
    """Runs the chain and keeps its pictures; yields the same object again and again, as it grows."""
    state = Following(chain)

    def start(linked: CancelToken) -> AsyncGenerator[object]:
        return run_chain(context.engine, context.catalog, chain, given, linked, owner)  # type: ignore[return-value]

    async with aclosing(paced(start, cancel)) as batches:
        async for batch in batches:
            for event in batch:
                if isinstance(event, Made):
                    state.shots.append(await asyncio.to_thread(keep, context, owner, event))
                    state.fresh = True
                else:
                    state.take(event)
            yield state
            state.fresh = False
    if state.ended is None and state.failed is None:  # an engine that did not answer a stop in time
        state.ended = Ended(len(state.last), len(state.failures), 0.0, True)
        yield state


def keep(context: AppContext, owner: str, made: Made) -> Shot:
    """Writes the picture below the outputs folder, and into the owner's gallery where it belongs there."""
    stem = re.sub(r"[^a-z0-9]+", "-", (made.prompt or Path(made.name).stem).lower()).strip("-")[:40] or "chain"
    partial: Path | None = None
    try:
        day = outputs_folder(context.settings) / time.strftime("%Y-%m-%d")
        day.mkdir(exist_ok=True)
        path = day / f"{stem}-{made.step}-{made.do.replace('_', '-')}-{secrets.token_hex(8)}.{_ENDINGS[made.form]}"
        partial = path.with_suffix(".tmp")
        partial.write_bytes(made.data)
        partial.replace(path)
        if made.kept:
            _into_gallery(context, owner, made, path)
    except (OSError, PlaygroundError):
        if partial is not None:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        return Shot(made, "", made.data)
    return Shot(replace(made, data=b""), str(path))


def _into_gallery(context: AppContext, owner: str, made: Made, path: Path) -> None:
    asked = {
        "model": made.model,
        "prompt": made.prompt,
        "seed": made.seed,
        "width": made.width,
        "height": made.height,
        "chain_step": made.step,
    }
    result = {"parameters": made.parameters, "seconds": made.seconds}
    Pictures(context.store()).add(owner, "chain", made.model or "none", asked, result, str(path))


def shot_row(shot: Shot) -> dict[str, object]:
    """What the API tells of a picture."""
    made = shot.made
    return {
        "step": made.step,
        "do": made.do,
        "picture": made.picture,
        "name": made.name,
        "model": made.model,
        "seed": made.seed,
        "width": made.width,
        "height": made.height,
        "format": made.form,
        "seconds": round(made.seconds, 4),
        "in_gallery": made.kept and bool(shot.path),
        "parameters": made.parameters,
    }


def failure_row(one: StepFailed) -> dict[str, object]:
    """What the API tells of a failure."""
    error = f"{one.failed.error} {one.failed.hint}".strip()
    return {"step": one.step, "do": one.do, "picture": one.picture, "name": one.name, "error": error}


def title_of(do: str) -> str:
    """A step's name on the page."""
    return STEPS[do].title if do in STEPS else "Reading"


def data_uri(data: bytes, form: str = "png") -> str:
    """A picture as a part of the page."""
    return f"data:image/{form};base64,{base64.b64encode(data).decode('ascii')}"
