"""Runs what a kept batch still lacks, and keeps it: where the store and the runner meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from playground.batches.asking import Told
from playground.batches.kept import Batches
from playground.batches.running import Run, Update, run
from playground.protocol import CancelToken, Engine


async def resume(
    batches: Batches,
    owner: str,
    batch_id: str,
    engine: Engine,
    cancel: CancelToken,
    *,
    at_once: Mapping[str, int],
    thinkers: frozenset[str] = frozenset(),
    retry: bool = True,
    told: Told = lambda model, event: None,
) -> AsyncIterator[Update]:
    """What `run` tells of the owner's batch, beginning with what is missing; each result is kept before it is told.

    Raises:
        InvalidRequest: the owner has no such batch, or a number of prompts at once cannot be.
        PlaygroundError: a result could not be kept.
    """
    spec = await asyncio.to_thread(batches.spec, owner, batch_id)
    rows, thoughts = await asyncio.to_thread(batches.results, owner, batch_id)
    work = Run(
        engine,
        owner,
        rows,
        thoughts,
        lambda result: batches.put(owner, batch_id, result),
        at_once,
        thinkers,
        retry,
        told,
    )
    async with aclosing(run(spec, work, cancel)) as updates:  # type: ignore[type-var]  # an async generator
        async for update in updates:
            yield update
