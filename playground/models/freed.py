"""Gives freed memory back to the system: allocators keep it, and a process that switches models would only grow."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_M_ARENA_MAX = -8  # malloc.h


def give_back(device: str) -> None:
    """Empties what the device's allocator and the C library keep of memory that nobody uses any more.

    The C library's part works on the heap that `one_heap` makes all threads share.
    """
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
    elif device.startswith("xpu"):
        import torch

        torch.xpu.empty_cache()
    elif device.startswith("mps"):
        import torch

        torch.mps.empty_cache()
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def one_heap() -> None:
    """Makes threads that start later share the C library's main heap, the only one that it gives back in full.

    glibc keeps freed blocks below 32 MB in heaps of several threads each, and never returns the upper end of any but
    the first (mallopt(3), malloc_trim(3)): sixteen threads that took turns with models of 10 MB left 160 MB behind that
    belonged to nobody. Without glibc this does nothing.
    """
    library = _glibc()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, 1)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
        library.malloc_trim.argtypes, library.mallopt.argtypes = [ctypes.c_size_t], [ctypes.c_int, ctypes.c_int]
    except (OSError, AttributeError):
        return None
    return library
