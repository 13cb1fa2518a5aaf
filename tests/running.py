"""The real app as a subprocess on a free port, for tests that look at it from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(data: Path, **more: str) -> dict[str, str]:
    """This process's environment without options of its own, offline, writing to `data` only."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PLAYGROUND_", "GRADIO_", "SPACE_"))}
    return kept | {"HF_HUB_OFFLINE": "1", "PLAYGROUND_DATA_DIR": str(data), "PYTHONUNBUFFERED": "1"} | more


@contextmanager
def running_app(data: Path, *flags: str, port: int = 0, wait_s: float = 120, **more: str) -> Iterator[str]:
    """Starts `python app.py` with these flags and variables; yields its address once the page answers."""
    port = port or free_port()
    log = data / "app.log"
    data.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "app.py",
                *(flags if "--port" in flags or "GRADIO_SERVER_PORT" in more else (*flags, "--port", str(port))),
            ],
            cwd=ROOT,
            env=environment(data, **more),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + wait_s
        while not answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the app did not start: {log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(url: str) -> bool:
    """Whether something serves a page there; a login page counts."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
