"""Ends code that others wrote after a bounded time. Works by the interpreter's own trace hook, on one thread."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

Trace: TypeAlias = Callable[[FrameType, str, Any], Any]


class OutOfTime(Exception):
    """The code took longer than it was given."""


@contextmanager
def time_limit(seconds: float, traced: Callable[[str], bool]) -> Iterator[None]:
    """Ends code on this thread after `seconds` of processor time, by looking at the clock on every line of it.

    `traced` says of a code object's file name whether its lines are looked at. Does nothing under a debugger, which
    uses the same hook.

    Raises:
        OutOfTime: in the middle of a traced line.
    """
    if sys.gettrace() is not None:
        yield
        return
    end = time.thread_time() + seconds

    def line(frame: FrameType, event: str, _: Any) -> Trace:
        if time.thread_time() > end:
            raise OutOfTime
        return line

    def call(frame: FrameType, event: str, _: Any) -> Trace | None:
        return line if traced(frame.f_code.co_filename) else None

    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(None)
