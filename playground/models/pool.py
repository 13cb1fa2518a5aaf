"""The model pool: the only code that loads, moves or frees a model. Byte budgets, leases, one load for many callers.

One lock guards the books; nothing slow runs under it. Each load runs in a thread of its own, so that whoever waits
can leave at once when cancelled. What a model is and how it is loaded comes from the callables given here: this file
knows no torch, and tests drive it with byte counts.

Order: leases of loaded models pass first, until somebody who waits for memory has waited `patience` seconds; from then
on later callers wait behind. Nobody holds a reservation while waiting for another one, so waits cannot lock each other.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from playground.catalog import ModelCard
from playground.errors import Cancelled, InvalidRequest, ModelUnavailable, OutOfMemory, PlaygroundError
from playground.models.ledger import Ledger
from playground.models.line import POLL, Line
from playground.models.loads import Loads
from playground.models.records import (
    Ask,
    Entry,
    Key,
    Loader,
    PoolEvent,
    PoolState,
    PoolStats,
    Progress,
    Sizer,
    Ticket,
    Tier,
)
from playground.protocol import CancelToken


class ModelPool:
    """Hands out leases of models within a budget of bytes.

    Args:
        loader: makes a model from a Job, outside the lock, in a thread of its own.
        size: bytes of its weights, asked before anything is read; may fetch files.
        budget_bytes: what weights and working memory may take on the device together.
        ram_bytes: what weights moved off the device may take; used only with `mover`.
        mover: moves a model in place to "ram" or "device".
        free: called after weights were dropped, for instance to empty the device's cache.
        default_dtype: names the dtype of a lease that names none.
        timeout: seconds to wait for running leases to end before memory counts as short.
        patience: seconds after which a waiter holds back those who came later.
    """

    def __init__(
        self,
        loader: Loader,
        *,
        size: Sizer,
        budget_bytes: int,
        ram_bytes: int = 0,
        mover: Callable[[Any, Tier], None] | None = None,
        free: Callable[[], None] | None = None,
        default_dtype: Callable[[ModelCard], str] = lambda card: "float32",
        clock: Callable[[], float] = time.monotonic,
        on_event: Callable[[PoolEvent], None] | None = None,
        timeout: float = 60.0,
        patience: float = 2.0,
    ) -> None:
        self._default_dtype = default_dtype
        self._clock = clock
        self._cond = threading.Condition(threading.Lock())
        self._books = Ledger(budget_bytes, ram_bytes if mover else 0, self._cond, mover, free, on_event)
        self._line = Line(self._books, self._cond, clock, timeout, patience)
        self._loads = Loads(loader, size, mover, self._books, self._line, self._cond, clock)

    # --- public ----------------------------------------------------------------------------------------------------

    @contextmanager
    def lease(
        self,
        card: ModelCard,
        *,
        dtype: str | None = None,
        quantization: str | None = None,
        adapters: Sequence[str] = (),
        working_bytes: int = 0,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[Any]:
        """Pins `card`'s model for the length of the block, loading it first where needed.

        The object handed out is emptied when the block ends. With `adapters` nobody else has the model meanwhile,
        since adapters change shared modules; if such a block raises, the model is dropped, as it may carry leftovers.

        Raises:
            Cancelled: `cancel` was set while waiting.
            OutOfMemory: weights and `working_bytes` do not fit, or running leases did not end in time.
            ModelUnavailable: the model cannot be loaded here.
        """
        if working_bytes < 0:
            raise InvalidRequest(f"working_bytes must be 0 or more, got {working_bytes}.", "Give a number of bytes.")
        quantization = quantization or card.quantization
        key = Key(card.source, card.revision, card.kind, dtype or self._default_dtype(card), quantization, card.file)
        ask = Ask(card, key, working_bytes, bool(adapters), progress, cancel or CancelToken())
        entry = self._acquire(ask)
        view, broken = None, False
        try:
            view = copy.copy(entry.loaded)
            view.card = card
            yield view
        except Exception as error:
            broken = ask.exclusive and not isinstance(error, Cancelled)
            raise
        finally:
            if view is not None:
                vars(view).clear()  # a model kept past its lease could not be freed
            self._release(ask, entry, broken)

    @contextmanager
    def reserve(self, count: int, owner: str, cancel: CancelToken | None = None) -> Iterator[None]:
        """Sets `count` bytes aside for work that the pool does not run itself, such as a training process.

        Raises: as `lease`.
        """
        token = object()
        with self._cond:
            self._line.wait_for_room(lambda: count, owner, None, cancel or CancelToken(), None)
            self._books.reserved[token] = (count, owner)
        try:
            yield
        finally:
            with self._cond:
                del self._books.reserved[token]
                self._cond.notify_all()

    def unload(self, card_id: str) -> bool:
        """Frees `card_id`'s models in every dtype; False where none was loaded.

        Raises:
            PlaygroundError: it is in use or just being loaded.
        """
        with self._cond:
            self._books.wait_for_eviction()
            entries = [e for e in self._books.entries.values() if card_id in e.cards]
            for entry in entries:
                if entry.pins or entry.state == "loading":
                    what = f"in use by {entry.pins} request(s)" if entry.pins else "just being loaded"
                    raise PlaygroundError(
                        f"{entry.name} is {what}, so it stays.", "Wait for it to end, or stop it first."
                    )
            self._books.evict(entries, keep_in_ram=False)
        self._books.tell()
        return bool(entries)

    def trim(self) -> int:
        """Frees every model that nobody uses, in both tiers; returns their bytes. For an engine that ran out."""
        with self._cond:
            freed = self._books.trim()
        self._books.tell()
        return freed

    def close(self, timeout: float = 10.0) -> None:
        """Refuses new leases, cancels loads, waits up to `timeout` seconds for running leases and frees the models."""
        deadline = time.monotonic() + timeout
        with self._cond:
            self._line.closed = True
            for entry in self._books.entries.values():
                entry.cancel.cancel()
            self._cond.notify_all()
            while any(e.pins or e.state == "loading" for e in self._books.entries.values()):
                left = deadline - time.monotonic()
                if left <= 0 or not self._cond.wait(left):
                    break
            threads = list(self._loads.threads)
        self.trim()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def states(self) -> list[PoolState]:
        """What is loaded, loading or kept in RAM now."""
        with self._cond:
            return [
                PoolState(
                    tuple(e.cards), e.state, e.bytes or e.ram, e.key.dtype, e.key.quantization, e.pins, e.last_used
                )
                for e in self._books.entries.values()
            ]

    @property
    def stats(self) -> PoolStats:
        with self._cond:
            return self._books.stats()

    # --- leases ----------------------------------------------------------------------------------------------------

    def _acquire(self, ask: Ask) -> Entry:
        """Waits until `ask` has its lease."""
        ticket: Ticket | None = None
        kind: Literal["hit", "miss"] = "hit"
        try:
            with self._cond:
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
                        if not self._line.held_back(ticket, ask.key):
                            self._loads.start(ask, entry)
                            kind = "miss"
                    # 3. Somebody loads it: join, unless that load is being given up.
                    elif entry.state == "loading":
                        if ask.entry is not entry and not entry.cancel.cancelled:
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
                    if ask.entry is not None:
                        self._line.leave(ticket)  # the load has a ticket of its own
                        ticket = None
                    self._cond.wait(POLL)
        finally:
            with self._cond:
                self._line.leave(ticket)
                self._leave(ask)
            self._books.tell()

    def _free_for(self, ask: Ask, entry: Entry) -> bool:
        return not entry.exclusive and not (ask.exclusive and entry.pins)

    def _fits(self, ask: Ask, entry: Entry) -> bool:
        if entry.size + ask.working > self._books.budget:
            raise self._books.out_of_memory(ask.card.name, entry.size + ask.working)
        return self._books.try_room(ask.working, entry)

    def _release(self, ask: Ask, entry: Entry, broken: bool) -> None:
        with self._cond:
            self._books.reserved.pop(ask, None)
            entry.pins -= 1
            entry.exclusive = False
            entry.last_used = self._clock()
            if (broken or self._line.closed) and not entry.pins:
                self._books.wait_for_eviction()
                if entry.state == "ready" and not entry.pins:
                    self._books.evict([entry], keep_in_ram=False)
            self._cond.notify_all()
        if broken:
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
