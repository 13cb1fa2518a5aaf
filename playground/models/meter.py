"""Counts the bytes of a download: how many are here, how fast they come, how long the rest takes. Knows no network.

One thread counts and any number of threads read.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from playground.models.sizes import human

WINDOW = 8.0  # seconds over which the speed is averaged
SAMPLE = 0.25  # seconds between two points of that average


@dataclass(frozen=True)
class Transfer:
    """A download at one moment. `done_bytes` counts what was here before too; `bytes_per_s` only what came over now.

    `bytes_per_s` and `eta_s` are None while they cannot be told; `file` is the one that grew last; `note` says what is
    being waited for, "" while bytes come.
    """

    name: str
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_s: float | None = None
    eta_s: float | None = None
    file: str = ""
    note: str = ""

    @property
    def fraction(self) -> float:
        """What is here of the whole, 0 to 1; 0 while the size of the whole is not known."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0

    @property
    def text(self) -> str:
        """One line: `Downloading Phi-4: 1.2 of 29.3 GB, 85.0 MB/s, 5 min left`."""
        if not self.total_bytes:
            return f"Looking up {self.name}" + (f", {self.note}" if self.note else "")
        parts = [f"Downloading {self.name}: {part_of(self.done_bytes, self.total_bytes)}"]
        if self.note:
            parts.append(self.note)
        elif self.bytes_per_s is not None:
            parts.append(f"{human(self.bytes_per_s)}/s")
            if self.eta_s is not None:
                parts.append(f"{duration(self.eta_s)} left")
        return ", ".join(parts)


def part_of(part: int, whole: int) -> str:
    """`1.2 of 29.3 GB`; the unit stands twice where it differs."""
    number, unit = human(part).split()
    return f"{number if human(whole).endswith(f' {unit}') else human(part)} of {human(whole)}"


def duration(seconds: float) -> str:
    """Seconds in words, rounded up to what is worth reading: 40 s, 5 min, 2 h 10 min."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Meter:
    """The count of one download, by contents, so that no byte counts twice.

    Args:
        name: the model's name, for the line that people read.
        clock: seconds on any scale.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._name = name
        self._total = 0
        self._here: dict[str, int] = {}
        self._done = 0
        self._received = 0
        self._samples = deque([(clock(), 0)])
        self._file = ""
        self._note = ""

    def expect(self, total: int) -> None:
        """Sets the size of the whole, in bytes."""
        with self._lock:
            self._total = total

    def found(self, etag: str, count: int) -> None:
        """`count` bytes of the contents `etag` are here, without having come over the network just now."""
        with self._lock:
            self._done += count - self._here.get(etag, 0)
            self._here[etag] = count

    def received(self, etag: str, count: int, file: str) -> None:
        """`count` more bytes of `etag` have come, as the file of that name."""
        with self._lock:
            self._here[etag] = self._here.get(etag, 0) + count
            self._done += count
            self._received += count
            self._file, self._note = file, ""
            now = self._clock()
            if now - self._samples[-1][0] >= SAMPLE:
                self._samples.append((now, self._received))
                while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
                    self._samples.popleft()

    def note(self, text: str) -> None:
        """What is being waited for; the next byte that comes takes it away."""
        with self._lock:
            self._note = text

    def read(self) -> Transfer:
        with self._lock:
            since, before = self._samples[0]
            seconds, count = self._clock() - since, self._received - before
            # A rate over less than two samples would jump about.
            rate = count / seconds if count and seconds >= 2 * SAMPLE else None
            left = max(0, self._total - self._done)
            return Transfer(
                self._name, self._done, self._total, rate, left / rate if rate else None, self._file, self._note
            )
