"""A device of so many bytes for pool tests: it knows what lies on it, and raises when it is full, as a card does."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from tests.models.builders import Fake, FakeLoader


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


class FakeDevice:
    """Counts the bytes of the weights that are alive on it; `limit` is where its allocator gives up."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.peak = 0
        self.fail_next_move = False
        self._lock = threading.RLock()
        self._on: dict[int, int] = {}  # id of the weights to bytes

    @property
    def used(self) -> int:
        with self._lock:
            return sum(self._on.values())

    def put(self, loaded: Fake) -> None:
        with self._lock:
            if self.used + loaded.bytes > self.limit:
                raise OutOfMemoryError(f"{loaded.bytes} asked, {self.limit - self.used} free")
            self._on[id(loaded.model)] = loaded.bytes
            self.peak = max(self.peak, self.used)
            weakref.finalize(loaded.model, self._take, id(loaded.model))
        loaded.device = "device"

    def _take(self, key: int) -> None:
        with self._lock:
            self._on.pop(key, None)

    def move(self, loaded: Any, tier: str) -> None:
        """The pool's mover."""
        if self.fail_next_move:
            self.fail_next_move = False
            raise OutOfMemoryError("the move failed midway")
        if tier == "ram":
            self._take(id(loaded.model))
            loaded.device = "ram"
        else:
            self.put(loaded)


class DeviceLoader(FakeLoader):
    """Loads fakes onto a FakeDevice."""

    def __init__(self, device: FakeDevice, sizes: dict[str, int], seconds: float = 0.0) -> None:
        super().__init__(sizes, seconds)
        self.on = device

    def __call__(self, job: Any) -> Fake:
        fake = super().__call__(job)
        self.on.put(fake)
        return fake
