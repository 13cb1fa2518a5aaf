"""A model hub on this machine, as far as downloads need one: the listing, HEAD and GET of files, and its refusals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """`folders`: files by repository. `refusals`: status and X-Error-Code by repository. `asked`: files sent."""

    url: str = ""
    folders: dict[str, Path] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args) -> None:
            pass

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self) -> None:
            path = self.path.split("?")[0].strip("/")
            hub.tokens.append(self.headers.get("Authorization", ""))
            is_listing = path.startswith("api/models/")
            repo = "/".join(path.removeprefix("api/models/").split("/")[:2])
            if repo in hub.refusals:
                status, code = hub.refusals[repo]
                self.answer(status, b"{}", X_Error_Code=code)
            elif repo not in hub.folders:
                self.answer(404, b"{}", X_Error_Code="RepoNotFound")
            elif is_listing:
                folder = hub.folders[repo]
                files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
                rows = [{"rfilename": p.relative_to(folder).as_posix(), "size": p.stat().st_size} for p in files]
                info = {"id": repo, "modelId": repo, "sha": SHA, "private": False, "tags": [], "siblings": rows}
                self.answer(200, json.dumps(info).encode(), Content_Type="application/json")
            else:
                name = path.split(f"resolve/{SHA}/")[1]
                data = (hub.folders[repo] / name).read_bytes()
                if self.command == "GET":
                    hub.asked.append(name)
                self.answer(200, data, ETag=f'"{hashlib.sha256(data).hexdigest()}"', X_Repo_Commit=SHA)

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
