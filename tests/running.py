"""The real app as a subprocess on a free port, or some of its endpoints in this process, for tests from outside."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playground.bench.process import free_port, serve, stop
from playground.ui.context import AppContext
from playground.ui.outputs import outputs_folder

if TYPE_CHECKING:
    from gradio_client import Client


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


@contextmanager
def api_client(context: AppContext, register: Callable[[AppContext], object], got: Path) -> Iterator[Client]:
    """Serves what `register` adds to an empty page; yields a client that puts files that it is given into `got`."""
    import gradio as gr
    from gradio_client import Client

    with gr.Blocks() as page:
        register(context)
    port = free_port()
    page.queue(default_concurrency_limit=None)
    page.launch(
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        allowed_paths=[str(outputs_folder(context.settings))],
    )
    try:
        yield Client(f"http://127.0.0.1:{port}", verbose=False, download_files=str(got))
    finally:
        page.close()
