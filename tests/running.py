"""The real app as a subprocess on a free port, for tests that look at it from outside."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playground.bench.process import free_port, serve, stop


def environment(data: Path, **more: str) -> dict[str, str]:
    """This process's environment without options of its own, offline, writing to `data` only."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PLAYGROUND_", "GRADIO_", "SPACE_"))}
    return kept | {"HF_HUB_OFFLINE": "1", "PLAYGROUND_DATA_DIR": str(data), "PYTHONUNBUFFERED": "1"} | more


@contextmanager
def running_app(data: Path, *flags: str, port: int = 0, **more: str) -> Iterator[str]:
    """Starts `python app.py` with these flags and variables; yields its address once the page answers.

    `port` is for callers that tell it by a variable; otherwise a free one is given as a flag.
    """
    data.mkdir(parents=True, exist_ok=True)
    if not port:
        port = free_port()
        flags = (*flags, "--port", str(port))
    process = serve([sys.executable, "app.py", *flags], port, environment(data, **more), data / "app.log")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)
