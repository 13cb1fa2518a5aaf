"""The queue of those who wait for memory, or for a model to themselves. All is called with the pool's lock held."""

from __future__ import annotations

import threading
from collections.abc import Callable

from playground.errors import Cancelled, ModelUnavailable
from playground.models.ledger import Ledger
from playground.models.records import Entry, Key, Ticket
from playground.protocol import CancelToken

POLL = 0.05  # seconds between two looks at a cancel token


class Line:
    """Tickets in order of arrival; who has waited `patience` seconds is not overtaken any more."""

    def __init__(
        self, books: Ledger, cond: threading.Condition, clock: Callable[[], float], timeout: float, patience: float
    ) -> None:
        self.timeout = timeout
        self.closed = False
        self._books = books
        self._cond = cond
        self._clock = clock
        self._patience = patience
        self._tickets: list[Ticket] = []

    def check(self, cancel: CancelToken) -> None:
        """Raises Cancelled once stopped, ModelUnavailable once the pool is closed."""
        if cancel.cancelled:
            raise Cancelled
        if self.closed:
            raise ModelUnavailable("The app is shutting down, so no model is handed out.", "Start it again.")

    def join(self, key: Key | None, *, wants_room: bool) -> Ticket:
        ticket = Ticket(self._clock(), key, wants_room)
        self._tickets.append(ticket)
        return ticket

    def leave(self, ticket: Ticket | None) -> None:
        if ticket in self._tickets:
            self._tickets.remove(ticket)

    def is_late(self, ticket: Ticket) -> bool:
        return self._clock() - ticket.since > self.timeout

    def held_back(self, own: Ticket | None, key: Key | None) -> bool:
        """Whether somebody who came before `own` has waited too long to be overtaken."""
        for ticket in self._tickets:
            if ticket is own:
                return False
            if self._clock() - ticket.since > self._patience and (ticket.wants_room or ticket.key == key):
                return True
        return False

    def wait_for_room(
        self, need: Callable[[], int], name: str, key: Key | None, cancel: CancelToken, keep: Entry | None
    ) -> None:
        """Returns once `need()` bytes are free: evicts what nobody uses, then waits for leases to end.

        Raises:
            Cancelled, ModelUnavailable: as `check`.
            OutOfMemory: `need()` is more than the whole budget, or is not free in time.
        """
        ticket = self.join(key, wants_room=True)
        try:
            while True:
                self.check(cancel)
                if need() > self._books.budget:
                    raise self._books.out_of_memory(name, need())
                if not self.held_back(ticket, None) and self._books.try_room(need(), keep):
                    return
                if self.is_late(ticket):
                    raise self._books.out_of_memory(name, need())
                self._cond.wait(POLL)
        finally:
            self.leave(ticket)
