"""Events on their way from worker threads to a stream on an event loop, which is woken once for all that have come."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from playground.protocol import Event


class Mailbox:
    """Events for one stream, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._called = False

    def put(self, event: Event) -> None:
        """Called on any thread."""
        self._events.append(event)
        if not self._called:  # else the loop is on its way, and finds this one too
            self._called = True
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._called = False
        self._ready.set()

    async def come(self, timeout: float) -> list[Event]:
        """What has come, after at most `timeout` seconds; perhaps nothing."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), timeout)
        self._ready.clear()
        events = []
        while self._events:
            events.append(self._events.popleft())
        return events
