"""How much memory a run takes at its peak: resident memory of this process, or what torch allocated on CUDA.

Imports torch never; asks it only where the process has loaded it already.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

_STATM = Path("/proc/self/statm")
INTERVAL_S = 0.01


def resident_bytes() -> int | None:
    """Resident memory of this process in bytes; None where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.Process().memory_info().rss)


def give_back() -> None:
    """Returns freed memory to the system, so that the growth of the next load shows; on Linux with glibc."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class PeakMemory:
    """Samples resident memory between enter and exit: `with PeakMemory() as peak: ...; peak.growth`.

    `growth` is None where nothing could be sampled.
    """

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)
        self.baseline: int | None = None
        self.peak: int | None = None

    def __enter__(self) -> PeakMemory:
        self.baseline = self.peak = resident_bytes()
        if self.baseline is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._look()

    @property
    def growth(self) -> int | None:
        """Bytes that the process grew by at most."""
        return None if self.baseline is None or self.peak is None else self.peak - self.baseline

    def _sample(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._look()

    def _look(self) -> None:
        now = resident_bytes()
        if now is not None and self.peak is not None:
            self.peak = max(self.peak, now)


class CudaPeak:
    """Peak of torch's allocations over all CUDA devices since it was made; `growth` is None without CUDA."""

    def __init__(self) -> None:
        self._cuda = _cuda()
        self._before = 0
        if self._cuda is not None:
            for device in range(self._cuda.device_count()):
                self._cuda.reset_peak_memory_stats(device)
                self._before += self._cuda.memory_allocated(device)

    @property
    def growth(self) -> int | None:
        """Bytes above what was allocated at the start."""
        if self._cuda is None:
            return None
        peaks = sum(self._cuda.max_memory_allocated(device) for device in range(self._cuda.device_count()))
        return int(peaks) - self._before


def _cuda() -> Any:
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None
