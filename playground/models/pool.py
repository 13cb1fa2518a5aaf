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
from typing import Any

from playground.catalog import ModelCard
from playground.errors import Cancelled, InvalidRequest, OutOfMemory, PlaygroundError
from playground.models.leases import Leases
from playground.models.ledger import Ledger
from playground.models.line import Line
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
        idle_s: seconds after its last lease at which a model is freed by itself; 0 keeps it until room is needed.
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
        idle_s: float = 0.0,
    ) -> None:
        self._default_dtype = default_dtype
        self._clock = clock
        self._cond = threading.Condition(threading.Lock())
        self._books = Ledger(budget_bytes, ram_bytes if mover else 0, self._cond, mover, free, on_event, clock)
        self._line = Line(self._books, self._cond, clock, timeout, patience)
        self._loads = Loads(loader, size, mover, self._books, self._line, self._cond, clock)
        self._leases = Leases(self._books, self._line, self._loads, self._cond, clock)
        self._idle_s = idle_s
        if idle_s:
            threading.Thread(target=self._watch_idle, name="idle models", daemon=True).start()

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
        staged: bool = False,
        wait: bool = True,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[Any]:
        """Pins `card`'s model for the length of the block, loading it first where needed.

        The object handed out is emptied when the block ends. With `adapters` nobody else has the model meanwhile,
        since adapters change shared modules; if such a block raises, the model is dropped, as it may carry leftovers.
        With `staged` its parts take turns on the device, which is alone with them: the one that is there changes.
        Without `wait` it is had at once or not at all; whoever has leases that cannot end meanwhile must not wait.

        Raises:
            Cancelled: `cancel` was set while waiting.
            NotNow: it could not be had at once.
            OutOfMemory: weights and `working_bytes` do not fit, or running leases did not end in time.
            ModelUnavailable: the model cannot be loaded here.
        """
        if working_bytes < 0:
            raise InvalidRequest(f"working_bytes must be 0 or more, got {working_bytes}.", "Give a number of bytes.")
        quantization = quantization or card.quantization
        dtype = dtype or self.dtype_of(card)
        key = Key(card.source, card.revision, card.kind, dtype, quantization, card.file, staged)
        ask = Ask(card, key, working_bytes, bool(adapters) or staged, progress, cancel or CancelToken(), wait)
        entry = self._leases.acquire(ask)
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
            self._leases.release(ask, entry, broken)

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

    # --- what stays ------------------------------------------------------------------------------------------------

    def unload(self, card_id: str) -> bool:
        """Frees `card_id`'s models in every dtype and takes its pin off; False where none was loaded.

        Raises:
            PlaygroundError: it is in use or just being loaded.
        """
        with self._cond:
            self._books.wait_for_eviction()
            entries = self._entries_of(card_id)
            for entry in entries:
                if entry.pins or entry.state == "loading":
                    what = f"in use by {entry.pins} request(s)" if entry.pins else "just being loaded"
                    raise PlaygroundError(
                        f"{entry.name} is {what}, so it stays.", "Wait for it to end, or stop it first."
                    )
            self._books.pinned.discard(card_id)
            self._books.evict(entries, keep_in_ram=False)
        self._books.tell()
        return bool(entries)

    def pin(self, card_id: str, pinned: bool = True) -> None:
        """Keeps `card_id`'s models on the device until they are unloaded or unpinned, loaded already or not."""
        with self._cond:
            (self._books.pinned.add if pinned else self._books.pinned.discard)(card_id)
            self._cond.notify_all()

    def expire(self, card_id: str) -> None:
        """Says that `card_id`'s files or settings have changed: what is loaded is handed to nobody any more.

        Running leases end with what they have; a load on its way starts again.
        """
        with self._cond:
            self._books.wait_for_eviction()
            for entry in self._entries_of(card_id):
                entry.stale = True
                if entry.state == "loading":
                    entry.cancel.cancel()
            self._books.evict([e for e in self._entries_of(card_id) if self._is_done_with(e)], keep_in_ram=False)
            self._cond.notify_all()
        self._books.tell()

    def resize(self, budget_bytes: int, ram_bytes: int | None = None) -> None:
        """Changes the budgets; what nobody uses leaves at once where they are lower, the rest as its leases end."""
        with self._cond:
            self._books.wait_for_eviction()
            self._books.budget = budget_bytes
            if ram_bytes is not None:
                self._books.resize_ram(ram_bytes)
            self._books.shrink()
            self._cond.notify_all()
        self._books.tell()

    def unload_idle(self, seconds: float) -> list[str]:
        """Frees what nobody has used for `seconds` and nobody has pinned, in both tiers; returns the names."""
        with self._cond:
            self._books.wait_for_eviction()
            limit = self._clock() - seconds
            entries = [e for e in self._books.idle() if e.last_used <= limit]
            self._books.evict(entries, keep_in_ram=False)
        self._books.tell()
        return [e.name for e in entries]

    def trim(self) -> int:
        """Frees every model that nobody uses or has pinned, in both tiers; returns their bytes."""
        with self._cond:
            freed = self._books.trim()
        self._books.tell()
        return freed

    def close(self, timeout: float = 10.0) -> None:
        """Refuses new leases, cancels loads, waits up to `timeout` seconds for running leases and frees the models."""
        deadline = time.monotonic() + timeout
        with self._cond:
            self._line.closed = True
            self._books.pinned.clear()
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

    # --- what there is ---------------------------------------------------------------------------------------------

    def states(self) -> list[PoolState]:
        """What is loaded, loading or kept in RAM now."""
        with self._cond:
            return [
                PoolState(
                    tuple(e.cards),
                    e.state,
                    e.bytes or e.ram,
                    e.key.dtype,
                    e.key.quantization,
                    e.pins,
                    0.0 if e.pins else max(0.0, self._clock() - e.last_used),
                    self._books.is_pinned(e),
                    self._books.working_of(e),
                    getattr(e.loaded, "runtime", ""),
                )
                for e in self._books.entries.values()
            ]

    def holds(self, card_id: str) -> bool:
        """Whether `card_id` is loaded or on its way, on the device or in RAM."""
        with self._cond:
            return bool(self._entries_of(card_id))

    def dtype_of(self, card: ModelCard) -> str:
        """The dtype of a lease of `card` that names none."""
        return self._default_dtype(card)

    def attainable(self, card_id: str) -> int:
        """Bytes that `card_id`'s weights and work can have together: all that is not leased, reserved or pinned."""
        with self._cond:
            return self._books.attainable(card_id)

    def shortage(self, error: OutOfMemory) -> OutOfMemory:
        """An allocator's error with how much is free here and who holds the rest."""
        with self._cond:
            return self._books.told(error)

    @property
    def stats(self) -> PoolStats:
        with self._cond:
            return self._books.stats()

    def _entries_of(self, card_id: str) -> list[Entry]:
        return [e for e in self._books.entries.values() if card_id in e.cards]

    @staticmethod
    def _is_done_with(entry: Entry) -> bool:
        return entry.state in ("ready", "ram") and not entry.pins

    def _watch_idle(self) -> None:
        """Looks often enough that a model is freed at most a quarter of `idle_s`, or half a minute, late."""
        pause = min(self._idle_s / 4, 30.0)
        while True:
            with self._cond:
                if self._cond.wait_for(lambda: self._line.closed, pause):
                    return
            self.unload_idle(self._idle_s)
