"""Leases of the pool: who gets a model, who waits, and what is given back. Every wait ends with a cancel."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Literal

from playground.errors import Cancelled, ModelUnavailable, NotNow, OutOfMemory, PlaygroundError
from playground.models.ledger import Ledger
from playground.models.line import POLL, Line
from playground.models.loads import Loads
from playground.models.records import Ask, Entry, Ticket


class Leases:
    """Hands models to callers and takes them back."""

    def __init__(
        self, books: Ledger, line: Line, loads: Loads, cond: threading.Condition, clock: Callable[[], float]
    ) -> None:
        self._books = books
        self._line = line
        self._loads = loads
        self._cond = cond
        self._clock = clock

    def acquire(self, ask: Ask) -> Entry:
        """Waits until `ask` has its lease."""
        try:
            with self._cond:
                return self._wait(ask)
        finally:
            self._books.tell()

    def _wait(self, ask: Ask) -> Entry:
        """The wait of `acquire`; called with the lock held, and leaves the ask's load before it gives it up.

        A caller that left between the two would be handed a lease that nobody returns.
        """
        ticket: Ticket | None = None
        kind: Literal["hit", "miss"] = "hit"
        try:
            while True:
                # 1. The load that we waited for is over.
                if ask.leased:
                    assert ask.entry is not None
                    return ask.entry
                self._line.check(ask.cancel)
                if ask.entry is not None and ask.entry.error is not None:
                    self._raise_or_retry(ask, ask.entry)
                entry = self._books.entries.get(ask.key)
                # 2. Nobody has it: lead a load.
                if entry is None or entry.state == "ram":
                    if ask.wait and not self._line.held_back(ticket, ask.key):
                        self._loads.start(ask, entry)
                        kind = "miss"
                # 3. Somebody loads it: join, unless that load is being given up.
                elif entry.state == "loading":
                    if ask.wait and ask.entry is not entry and not entry.cancel.cancelled:
                        ask.entry = entry
                        entry.asks.append(ask)
                        kind = "miss"
                # 4. It is there: take it if nobody has it alone and the working memory fits.
                elif entry.state == "ready":
                    free = self._free_for(ask, entry)
                    if free and not self._line.held_back(ticket, ask.key) and self._fits(ask, entry):
                        if entry.state != "ready" or not self._free_for(ask, entry):
                            continue  # it changed while room was made
                        self._books.grant(ask, entry, kind, self._clock())
                        return entry
                    ticket = ticket or self._line.join(ask.key, wants_room=free)
                    ticket.wants_room = free
                    if self._line.is_late(ticket):
                        raise self._late(ask, entry, free)
                if not ask.wait:
                    raise NotNow(f"{ask.card.name} cannot be had at once.", "Try again.")
                if ask.entry is not None:
                    self._line.leave(ticket)  # the load has a ticket of its own
                    ticket = None
                self._cond.wait(POLL)
        finally:
            self._line.leave(ticket)
            self._leave(ask)

    def _free_for(self, ask: Ask, entry: Entry) -> bool:
        return not entry.stale and not entry.exclusive and not (ask.exclusive and entry.pins)

    def _fits(self, ask: Ask, entry: Entry) -> bool:
        if entry.size + ask.working > self._books.budget:
            raise self._books.out_of_memory(ask.card.name, entry.size + ask.working)
        return self._books.try_room(ask.working, entry)

    def release(self, ask: Ask, entry: Entry, broken: bool) -> None:
        with self._cond:
            self._books.reserved.pop(ask, None)
            entry.pins -= 1
            entry.exclusive = False
            entry.last_used = self._clock()
            if (broken or entry.stale or self._line.closed) and not entry.pins:
                self._books.wait_for_eviction()
                if entry.state == "ready" and not entry.pins:
                    self._books.evict([entry], keep_in_ram=False)
            self._books.shrink()
            self._cond.notify_all()
        self._books.tell()

    def _leave(self, ask: Ask) -> None:
        """Takes a caller without a lease out of its load; a load that nobody waits for any more is given up."""
        entry = ask.entry
        if ask.leased or entry is None or ask not in entry.asks:
            return
        entry.asks.remove(ask)
        self._books.reserved.pop(ask, None)
        if not entry.asks and entry.state == "loading":
            entry.cancel.cancel()
        self._cond.notify_all()

    def _raise_or_retry(self, ask: Ask, entry: Entry) -> None:
        error, ask.entry = entry.error, None
        assert error is not None
        if isinstance(error, Cancelled) and not self._line.closed:
            return  # given up for others; this caller starts clean
        if isinstance(error, OutOfMemory) and ask is not entry.leader and ask.working < entry.leader.working:
            return  # it was the leader's working memory that did not fit
        raise copy.copy(error)  # each caller's traceback is its own

    def _late(self, ask: Ask, entry: Entry, wants_room: bool) -> PlaygroundError:
        if wants_room:
            return self._books.out_of_memory(ask.card.name, ask.working)
        return ModelUnavailable(
            f"{ask.card.name} was in use by {entry.pins} other request(s) for {self._line.timeout:.0f} s.",
            "Try again when they have ended.",
        )
