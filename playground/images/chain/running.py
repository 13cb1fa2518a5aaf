"""Runs a chain step by step over its pictures, on an engine that it is handed. Knows no page and writes no file.

All pictures pass one step before the next begins, so that a model is loaded once for each step that needs it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from playground.cancel import Linked
from playground.catalog import Catalog
from playground.errors import PlaygroundError
from playground.images.chain.document import Chain
from playground.images.chain.events import Begun, ChainEvent, Ended, Made, Progress, StepBegun, StepFailed
from playground.images.chain.items import Item, changed_item, given_item, painted_item, written
from playground.images.chain.pictures import changed
from playground.images.chain.requests import card_for, check, request_for
from playground.images.chain.steps import Generate, Save, Step
from playground.images.metadata import read_metadata, text_of
from playground.images.pictures import picture_size
from playground.protocol import CancelToken, Engine, Failed
from playground.protocol import Image as Picture


def with_seeds(chain: Chain) -> Chain:
    """The chain with a seed drawn for its first step with a model, where none is set; later ones follow the picture."""
    steps = list(chain.steps)
    for place, step in enumerate(steps):
        if step.kind:
            if getattr(step, "seed", 0) is None:
                steps[place] = replace(step, seed=secrets.randbelow(2**32 - 8))  # type: ignore[call-arg]
            break
    return replace(chain, steps=tuple(steps))


async def run_chain(
    engine: Engine,
    catalog: Catalog,
    chain: Chain,
    given: Sequence[tuple[str, bytes]],
    cancel: CancelToken,
    owner: str,
) -> AsyncGenerator[ChainEvent]:
    """Runs the chain over `given`, pictures as (name, file); always ends with Ended.

    Raises:
        InvalidRequest: the chain does not fit the models or the pictures, before anything has run.
    """
    check(chain, catalog, len(given))
    chain = with_seeds(chain)
    run = _Run(engine, catalog, chain, cancel, owner)
    yield Begun(chain, len(given))
    for place, (name, data) in enumerate(given):
        try:
            run.items[place] = await asyncio.to_thread(given_item, name, data)
        except PlaygroundError as error:
            yield run.fails(0, "read", place, name, Failed.of(error))
    for number, step in enumerate(chain.steps, 1):
        if cancel.cancelled or (number > 1 and not run.items):
            break
        count = step.count if isinstance(step, Generate) else len(run.items)
        yield StepBegun(number, step.do, count)
        async with aclosing(run.step(number, step)) as events:
            async for event in events:
                yield event
    yield Ended(len(run.items), run.failed, time.monotonic() - run.began, cancel.cancelled)


class _Run:
    """The state of one run: the pictures that are still on their way, by their place."""

    def __init__(self, engine: Engine, catalog: Catalog, chain: Chain, cancel: CancelToken, owner: str) -> None:
        self._engine, self._catalog, self._chain = engine, catalog, chain
        self._cancel, self._owner = cancel, owner
        self.items: dict[int, Item] = {}
        self.failed = 0
        self.began = time.monotonic()

    async def step(self, number: int, step: Step) -> AsyncGenerator[ChainEvent]:
        """One step over all pictures."""
        places: list[int | None] = [None] if isinstance(step, Generate) else list(self.items)
        for place in places:
            if self._cancel.cancelled:
                return
            work = self._painted(number, step, place) if step.kind else self._changed(number, step, place or 0)
            async with aclosing(work) as events:
                async for event in events:
                    yield event

    def fails(self, number: int, do: str, place: int, name: str, failed: Failed) -> StepFailed:
        """Takes a picture out of the run."""
        self.items.pop(place, None)
        self.failed += 1
        return StepFailed(number, do, place, name, failed)

    async def _painted(self, number: int, step: Step, place: int | None) -> AsyncGenerator[ChainEvent]:
        """A step with a model, on the picture at `place`; None for a Generate step."""
        item = None if place is None else self.items[place]
        name = item.name if item is not None else "the new pictures"
        began = time.monotonic()
        try:
            card = card_for(step, item, self._catalog)
            request = await asyncio.to_thread(request_for, step, item, card, self._owner)
        except PlaygroundError as error:
            yield self.fails(number, step.do, place or 0, name, Failed.of(error))
            return
        made: list[Picture] = []
        failed: Failed | None = None
        stream: Any = self._engine.submit(request, Linked(self._cancel))
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, Picture):
                    made.append(event)
                elif isinstance(event, Failed):
                    failed = event
                else:
                    yield Progress(number, place or 0, event)
        seconds = (time.monotonic() - began) / max(len(made), 1)
        for index, picture in enumerate(made):
            at = index if place is None else place
            prompt, negative = request.prompt, request.negative_prompt
            called = f"picture {at + 1}" if item is None else item.name
            fresh = await asyncio.to_thread(painted_item, called, picture.png, prompt, negative, card.id, picture.seed)
            self.items[at] = fresh
            yield await self._made(number, step, at, fresh, seconds, own=True)
        if failed is not None:
            yield self.fails(number, step.do, place or 0, name, failed)
        elif not made and place is not None:  # stopped within the step
            self.items.pop(place, None)

    async def _changed(self, number: int, step: Step, place: int) -> AsyncGenerator[ChainEvent]:
        """A step without a model."""
        item = self.items[place]
        began = time.monotonic()
        try:
            if not isinstance(step, Save):
                item = await asyncio.to_thread(_after, step, item)
            made = await self._made(number, step, place, item, 0.0, own=self._untouched(number))
            made = replace(made, seconds=time.monotonic() - began)  # with writing it out
        except PlaygroundError as error:
            yield self.fails(number, step.do, place, item.name, Failed.of(error))
            return
        self.items[place] = item
        yield made

    def _untouched(self, number: int) -> bool:
        """Whether the picture of a Save step is as a model made it, so that its own settings still make it."""
        before = [step for step in self._chain.steps[:number] if not isinstance(step, Save)]
        return bool(before) and bool(before[-1].kind)

    async def _made(self, number: int, step: Step, place: int, item: Item, seconds: float, *, own: bool) -> Made:
        form, quality = (step.format, step.quality) if isinstance(step, Save) else ("png", 92)
        data = await asyncio.to_thread(lambda: written(item, self._chain, number, own=own, form=form, quality=quality))
        last = number == len(self._chain.steps)
        saved_next = not last and isinstance(self._chain.steps[number], Save)
        width, height = picture_size(data)
        record = read_metadata(data)
        return Made(
            step=number,
            do=step.do,
            picture=place,
            name=item.name,
            data=data,
            form=form,
            width=width,
            height=height,
            model=item.model,
            prompt=item.prompt,
            seed=item.seed,
            parameters=text_of(record.get("last_request") or record),
            seconds=seconds,
            # What a Save step is about to keep is not kept twice.
            kept=not saved_next and (bool(step.kind) or isinstance(step, Save) or last),
        )


def _after(step: Step, item: Item) -> Item:
    from playground.images.pictures import rgb_picture

    return changed_item(item, changed(step, rgb_picture(item.png)))
