"""The pool's books: who takes how many bytes, and making room. Every method is called with the pool's lock held.

`evict` and `try_room` give the lock up while weights are moved or freed, and have it again when they return.
"""

from __future__ import annotations

import gc
import logging
import threading
import traceback
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from playground.errors import OutOfMemory
from playground.models.records import Ask, Entry, EventKind, Key, Leak, PoolEvent, PoolStats, Tier, weight_parts
from playground.models.sizes import human

log = logging.getLogger(__name__)

WAY_OUT = "Choose a smaller model or size, unload or unpin another model, or raise PLAYGROUND_MEMORY_BUDGET."


class Ledger:
    """Entries, reservations and leaks of one pool, with their sums."""

    def __init__(
        self,
        budget: int,
        ram_budget: int,
        cond: threading.Condition,
        mover: Callable[[Any, Tier], None] | None,
        free: Callable[[], None] | None,
        on_event: Callable[[PoolEvent], None] | None,
        clock: Callable[[], float],
    ) -> None:
        self.budget = budget
        self.ram_budget = ram_budget
        self.entries: dict[Key, Entry] = {}
        self.reserved: dict[Hashable, tuple[int, str]] = {}
        self.pinned: set[str] = set()  # card ids that only an explicit unload takes off the device
        self._cond = cond
        self._mover = mover
        self._free = free
        self._on_event = on_event
        self._clock = clock
        self._leaks: list[Leak] = []
        self._outbox: list[PoolEvent] = []
        self._evicting = False
        self._counts: dict[str, int] = {}
        self._load_s = 0.0
        self._moved_bytes = 0
        self._move_s = 0.0

    # --- sums ------------------------------------------------------------------------------------------------------

    @property
    def used(self) -> int:
        """Bytes on the device: weights, working memory, reservations, and what was dropped but is still referred to."""
        weights = sum(e.bytes for e in self.entries.values()) + self.kept
        return weights + sum(count for count, _ in self.reserved.values()) + sum(leak.bytes for leak in self._leaks)

    @property
    def kept(self) -> int:
        """Bytes of the caches that models keep for a next turn: the first to go when room is needed."""
        return sum(e.kept.bytes for e in self.entries.values() if e.kept is not None)

    @property
    def ram_used(self) -> int:
        return sum(e.ram for e in self.entries.values())

    def stats(self) -> PoolStats:
        self._forget_freed()
        count = self._counts.get
        return PoolStats(
            hits=count("hit", 0),
            misses=count("miss", 0),
            evictions=count("evicted", 0),
            loads=count("loaded", 0),
            failures=count("failed", 0),
            load_s=self._load_s,
            moves=count("moved", 0),
            moved_bytes=self._moved_bytes,
            move_s=self._move_s,
            used_bytes=self.used,
            weight_bytes=sum(e.bytes for e in self.entries.values()),
            working_bytes=sum(n for n, _ in self.reserved.values()),
            kept_bytes=self.kept,
            leaked_bytes=sum(leak.bytes for leak in self._leaks),
            budget_bytes=self.budget,
            ram_used_bytes=self.ram_used,
            ram_bytes=self.ram_budget,
        )

    def working_of(self, entry: Entry) -> int:
        """Bytes that the leases of `entry` have reserved for their work."""
        return sum(n for ask, (n, _) in self.reserved.items() if isinstance(ask, Ask) and ask.entry is entry)

    # --- room ------------------------------------------------------------------------------------------------------

    def try_room(self, need: int, keep: Entry | None) -> bool:
        """Whether `need` more bytes fit now, after evicting what nobody uses (never `keep`)."""
        while True:
            if need <= 0 and self.used <= self.budget:
                return True
            self._forget_freed()
            if self._evicting:
                return False  # what another caller frees is that caller's
            short = self.used + need - self.budget
            if short <= 0:
                return True
            if self._clear_kept():
                continue
            victims = self._victims(short, keep)
            if not victims:
                return False
            self.evict(victims, keep_in_ram=True)

    def _victims(self, short: int, keep: Entry | None) -> list[Entry]:
        """Least recently used first, what nobody uses or has pinned. Empty where that would not do."""
        chosen: list[Entry] = []
        for entry in _oldest_first(e for e in self.idle() if e.state == "ready" and e is not keep):
            if short <= 0:
                break
            chosen.append(entry)
            short -= entry.bytes
        return chosen if short <= 0 else []

    def idle(self) -> list[Entry]:
        """What nobody uses or has pinned, in both tiers."""
        entries = [e for e in self.entries.values() if e.state in ("ready", "ram") and not e.pins]
        return [e for e in entries if not self.is_pinned(e)]

    def is_pinned(self, entry: Entry) -> bool:
        return not self.pinned.isdisjoint(entry.cards)

    def shrink(self) -> None:
        """Evicts what nobody uses for as long as the budget, lowered meanwhile, is exceeded."""
        while self.used > self.budget and not self._evicting:
            if self._clear_kept():
                continue
            victims = _oldest_first(e for e in self.idle() if e.state == "ready")
            if not victims:
                return
            self.evict(victims[:1], keep_in_ram=True)

    def _clear_kept(self) -> bool:
        """Lets all kept caches go; whether there were any."""
        kept = [e.kept for e in self.entries.values() if e.kept is not None and e.kept.bytes]
        for caches in kept:
            caches.clear()
        return bool(kept)

    def grant(self, ask: Ask, entry: Entry, kind: EventKind, now: float) -> None:
        """Pins `entry` for `ask` and books its working memory."""
        entry.pins += 1
        entry.exclusive = ask.exclusive
        entry.cards[ask.card.id] = ask.card.name
        entry.last_used = now
        ask.leased, ask.entry = True, entry
        if ask.working:
            self.reserved[ask] = (ask.working, f"work on {ask.card.name}")
        self.count(kind, entry)

    def trim(self) -> int:
        """Frees every model that nobody uses or has pinned, in both tiers; returns their bytes."""
        self.wait_for_eviction()
        entries = self.idle()
        freed = sum(e.bytes + e.ram for e in entries)
        self.evict(entries, keep_in_ram=False)
        return freed

    def wait_for_eviction(self) -> None:
        while self._evicting:
            self._cond.wait()

    def evict(self, entries: Sequence[Entry], *, keep_in_ram: bool) -> None:
        """Moves entries to the RAM tier where it has room, and frees the others. One eviction at a time."""
        if not entries:
            return
        assert not self._evicting
        self._evicting = True
        try:
            plan: list[tuple[Entry, bool]] = []
            for entry in entries:
                to_ram = keep_in_ram and entry.state == "ready" and self._ram_room(entry, plan)
                plan.append((entry, to_ram))
            for entry, _ in plan:
                entry.state = "leaving"
                if entry.kept is not None:
                    entry.kept.clear()
            self._cond.release()
            try:
                began = self._clock()
                moved = {entry: to_ram and self._move(entry) for entry, to_ram in plan}
                seconds = self._clock() - began
                leaks = self._drop([entry for entry in moved if not moved[entry]])
            finally:
                self._cond.acquire()
            self._leaks += leaks
            for entry, in_ram in moved.items():
                if in_ram:
                    entry.ram, entry.bytes, entry.state = entry.size, 0, "ram"
                    self.count("moved", entry, seconds / sum(moved.values()), tier="ram")
                else:
                    tier: Tier = "ram" if entry.ram else "device"
                    entry.bytes, entry.ram, entry.state = 0, 0, "gone"
                    self.entries.pop(entry.key, None)
                    self.count("evicted", entry, tier=tier)
        finally:
            self._evicting = False
            self._cond.notify_all()

    def resize_ram(self, ram_budget: int) -> None:
        """Changes the RAM tier's budget, and frees what it keeps beyond it."""
        self.ram_budget = ram_budget if self._mover else 0
        kept = _oldest_first(e for e in self.entries.values() if e.state == "ram")
        while kept and self.ram_used > self.ram_budget:
            self.evict([kept.pop(0)], keep_in_ram=False)

    def _ram_room(self, entry: Entry, plan: list[tuple[Entry, bool]]) -> bool:
        """Whether the RAM tier can take `entry`; plans to free its least recently used entries for it."""
        if not getattr(entry.loaded, "movable", True):
            return False
        leaving = {e for e, _ in plan}
        coming = sum(e.size for e, to_ram in plan if to_ram)
        kept = _oldest_first(e for e in self.entries.values() if e.state == "ram" and e not in leaving)
        # Entries on their way back to the device hold their RAM until they are there.
        fixed = sum(e.ram for e in self.entries.values() if e.state == "loading")
        short = coming + entry.size + fixed + sum(e.ram for e in kept) - self.ram_budget
        out: list[Entry] = []
        while short > 0 and kept:
            out.append(kept.pop(0))
            short -= out[-1].ram
        if short > 0:
            return False
        plan += [(e, False) for e in out]
        return True

    def _move(self, entry: Entry) -> bool:
        assert self._mover is not None
        try:
            self._mover(entry.loaded, "ram")
        except Exception:  # noqa: BLE001  whatever went wrong, the entry is dropped and its memory returned
            # As text: a log record that kept the traceback would keep the weights alive with it.
            log.error("moving %s to RAM failed, so it is dropped\n%s", entry.name, traceback.format_exc())
            return False
        return True

    def _drop(self, entries: Sequence[Entry]) -> list[Leak]:
        """Frees the weights; what is still referred to afterwards is returned and counts until it is gone."""
        leaks = []
        for entry in entries:
            parts, entry.loaded = weight_parts(entry.loaded), None
            if entry.bytes:
                leaks.append(Leak(entry.name, entry.bytes, parts))
        if any(leak.alive for leak in leaks):
            gc.collect()  # modules can lie in reference cycles
        if entries and self._free is not None:
            self._free()
        held = [leak for leak in leaks if leak.alive]
        for leak in held:
            log.warning("%s was evicted but is still referred to: %s not freed", leak.name, human(leak.bytes))
            self._outbox.append(PoolEvent("leaked", leak.name, leak.bytes))
        return held

    def _forget_freed(self) -> None:
        if self._leaks:
            self._leaks = [leak for leak in self._leaks if leak.alive]

    # --- words -----------------------------------------------------------------------------------------------------

    def out_of_memory(self, name: str, need: int) -> OutOfMemory:
        """How much was needed, how much there is, and who holds it."""
        return OutOfMemory(f"{name} needs {human(need)}, and {self._free_and_held()}.", WAY_OUT)

    def told(self, error: OutOfMemory) -> OutOfMemory:
        """An allocator's error, with how much is free by these books and who holds the rest."""
        return OutOfMemory(f"{error.message.rstrip('.')}; by the pool's account {self._free_and_held()}.", WAY_OUT)

    def _free_and_held(self) -> str:
        holders = [
            f"{e.name} ({human(e.bytes)}{f', {e.pins} in use' if e.pins else ', pinned' if self.is_pinned(e) else ''})"
            for e in self.entries.values()
            if e.bytes
        ]
        holders += [f"{owner} ({human(count)})" for count, owner in self.reserved.values()]
        holders += [f"{leak.name} (being freed, {human(leak.bytes)})" for leak in self._leaks]
        free = max(0, self.budget - self.used)
        return f"{human(free)} of {human(self.budget)} is free" + (f"; held by {', '.join(holders)}" if holders else "")

    def attainable(self, card_id: str) -> int:
        """Bytes that `card_id`'s weights and work can have together, once all that nobody uses or has pinned is gone.

        Reservations count in full: other requests for the same model work beside this one.
        """
        own = sum(e.bytes for e in self.entries.values() if card_id in e.cards)
        gone = sum(e.bytes for e in self.idle() if e.state == "ready" and card_id not in e.cards)
        return self.budget - (self.used - self.kept - own - gone)

    def count(
        self, kind: EventKind, entry: Entry, seconds: float = 0.0, *, tier: Tier = "device", text: str = ""
    ) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if kind == "loaded":
            self._load_s += seconds
        elif kind == "moved":
            self._moved_bytes += entry.size
            self._move_s += seconds
        card = entry.leader.card.id
        self._outbox.append(PoolEvent(kind, card, entry.size, seconds, tier, text))

    def tell(self) -> None:
        """Hands collected events to the listener; called without the lock."""
        if self._on_event is None:
            self._outbox.clear()
            return
        while self._outbox:
            try:
                event = self._outbox.pop(0)
            except IndexError:  # another thread took the last one
                return
            try:
                self._on_event(event)
            except Exception:
                log.exception("the listener of pool events failed on %s", event)


def _oldest_first(entries: Iterable[Entry]) -> list[Entry]:
    """By their last use."""
    return sorted(entries, key=lambda e: e.last_used)
