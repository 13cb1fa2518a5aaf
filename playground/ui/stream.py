"""An engine's events in batches, at the pace that a page can show, with ticks while nothing comes.

Ends soon after a cancel even where an engine is slow to answer it, so that a Stop button always works.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from playground.errors import PlaygroundError
from playground.protocol import CancelToken, Done, Engine, Event, Failed, Linked, Request

log = logging.getLogger(__name__)

UPDATE_S = 0.085  # at most about twelve updates a second
TICK_S = 0.5
GRACE_S = 2.0  # how long an engine may take to end after a cancel


def batches(engine: Engine, request: Request, cancel: CancelToken) -> AsyncGenerator[list[Event]]:
    """Yields events as they come, those of one interval together; an empty list every half second without any.

    The last batch holds Done or Failed, unless the user cancelled and the engine did not answer in time. Leaving the
    iterator cancels the request, not the token.
    """
    return paced(lambda linked: engine.submit(request, linked), cancel)


async def paced(start: Callable[[CancelToken], AsyncIterator[Any]], cancel: CancelToken) -> AsyncGenerator[list[Any]]:
    """The same for any stream of events; `start` is handed the token that this cancels when it is left."""
    queue: asyncio.Queue[Any] = asyncio.Queue()
    linked = Linked(cancel)

    async def pump() -> None:
        try:
            async for event in start(linked):
                queue.put_nowait(event)
        except PlaygroundError as error:
            queue.put_nowait(Failed.of(error))
        except Exception as error:  # the traceback goes to the log, a sentence to the user
            log.exception("the engine raised")
            queue.put_nowait(
                Failed(f"The engine failed: {type(error).__name__}.", "The log of the app has the details.", "Internal")
            )
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(pump())
    cancelled_at: float | None = None
    try:
        while True:
            batch: list[Any] = []
            ended = False
            with suppress(TimeoutError):
                first = await asyncio.wait_for(queue.get(), TICK_S)
                ended = first is None
                if first is not None:
                    batch.append(first)
            while not ended and not queue.empty():
                event = queue.get_nowait()
                ended = event is None
                if event is not None:
                    batch.append(event)
            if ended and not batch:
                return
            yield batch
            if ended or any(isinstance(event, Done | Failed) for event in batch):
                return
            if cancel.cancelled:
                cancelled_at = cancelled_at or time.monotonic()
                if time.monotonic() - cancelled_at > GRACE_S:
                    return
            if batch:
                await asyncio.sleep(UPDATE_S)
    finally:
        linked.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
