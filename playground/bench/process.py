"""The app, or any other page, as a process of its own that can be waited for and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port of the loopback address that nothing listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def serve(
    command: Sequence[str], port: int, environment: Mapping[str, str], log: Path, wait_s: float = 120
) -> subprocess.Popen[bytes]:
    """Starts `command` in the project's root and returns once a page answers on `port`.

    Raises:
        RuntimeError: the process ended or nothing answered in time; carries the end of its log.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  (our own command line)
            command, cwd=ROOT, env=dict(environment), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + wait_s
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            raise RuntimeError(f"no page from {' '.join(command[:3])}: {log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.02)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and its children: politely, then for good."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int) -> bool:
    """Whether a page is served there; one that asks for a login counts."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
            return page.status == 200
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
