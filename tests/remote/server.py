"""A real HTTP server on loopback that streams chat completions as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 40,
    "total_tokens": 140,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 30},
}


def chunk(finish: str | None = None, usage: dict | None = None, **delta: Any) -> bytes:
    choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return b"data: " + json.dumps(body | ({"usage": usage} if usage else {})).encode() + b"\n\n"


def whole(*texts: str, finish: str = "stop") -> Iterator[bytes]:
    """A complete stream of these texts, with usage."""
    for text in texts:
        yield chunk(content=text)
        time.sleep(0.01)
    yield chunk(finish=finish)
    yield chunk(usage=USAGE)
    yield b"data: [DONE]\n\n"


@dataclass
class Script:
    """What the server does; `gone` is set when a client leaves in the middle. `statuses` come before `status`, one a
    request; 0 hangs up at once. `paths`, `seen` and `asked` are the URLs, headers and bodies that came."""

    status: int = 200
    stream: Callable[[], Iterator[bytes]] = lambda: whole("Hello", " there")
    error: dict | None = None
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    statuses: list[int] = field(default_factory=list)
    asked: list[dict] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    packed: bool = False
    gone: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@contextmanager
def serving(script: Script) -> Iterator[Script]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            self._json(200, {"object": "list", "data": [{"id": "served-model", "object": "model"}]})

        def do_POST(self) -> None:
            script.keys.append(self.headers.get("Authorization", ""))
            script.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            script.paths.append(self.path)
            script.seen.append({name.lower(): value for name, value in self.headers.items()})
            script.before()
            status = script.statuses.pop(0) if script.statuses else script.status
            if status == 0:
                self.close_connection = True
                self.connection.close()
                return
            if status != 200:
                self._json(status, script.error or {"error": {"message": "no"}})
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            if script.packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                for part in script.stream():
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                script.gone.set()
            except ConnectionAbortedError:  # the script asks to hang up
                self.close_connection = True
                self.connection.close()

        def _json(self, status: int, body: dict) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
