"""A model hub on this machine: listings, trees, files by range, a host apart for big files, refusals and accidents.

Answers as the real one does as far as downloads see it. What it is told to do wrong it does once per `Act`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR
from threading import Event, Thread
from urllib.parse import unquote

SHA = "0123456789abcdef0123456789abcdef01234567"
BIG = (".safetensors", ".bin", ".gguf", ".onnx", ".data", ".msgpack", ".ckpt")  # kept in LFS, under their SHA-256
STEP = 16_384  # bytes written at once


@dataclass(frozen=True)
class Act:
    """What goes wrong at one request, in place of a plain answer.

    Args:
        status: answered with `code` as X-Error-Code and with `headers`.
        drop: the connection breaks after that many bytes of the body.
        stall: nothing more comes after that many bytes, until the hub closes or `Hub.release` is set.
        claim: the Content-Length, instead of the true one.
        flip: the byte at that place is another.
        cut: the body is so much shorter, and its length says so.
    """

    status: int = 200
    code: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    drop: int | None = None
    stall: int | None = None
    claim: int | None = None
    flip: int | None = None
    cut: int = 0


@dataclass
class Hub:
    """`folders`: files by repository. `refusals`: status and X-Error-Code by repository, for every request.

    `acts`: by file name or "listing", one for each request to come. `asked`: names of files sent, in order; `ranges`:
    with the first byte of each; `sent`: bytes of bodies that went out, by name. `tokens`: as they came in, at the hub
    itself and at the host that keeps the big files.
    """

    url: str = ""
    folders: dict[str, Path] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    acts: defaultdict[str, list[Act]] = field(default_factory=lambda: defaultdict(list))
    asked: list[str] = field(default_factory=list)
    ranges: list[tuple[str, int]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    tokens: list[str] = field(default_factory=list)
    far_tokens: list[str] = field(default_factory=list)
    gated: set[str] = field(default_factory=set)
    has_ranges: bool = True
    release: Event = field(default_factory=Event)
    wrong_hashes: dict[str, str] = field(default_factory=dict)
    extra_names: list[str] = field(default_factory=list)

    def rows(self, repo: str) -> list[dict]:
        """The files of a repository as the hub's interface lists them."""
        folder = self.folders[repo]
        rows = [self._row(folder, p) for p in sorted(folder.rglob("*")) if p.is_file()]
        return rows + [{"rfilename": name, "size": 1, "blobId": "0" * 40} for name in self.extra_names]

    def _row(self, folder: Path, path: Path) -> dict:
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        row = {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
        if name.endswith(BIG):
            sha = self.wrong_hashes.get(name, hashlib.sha256(data).hexdigest())
            row["lfs"] = {"sha256": sha, "size": len(data), "pointerSize": 134}
        return row


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path.split("?")[0]).strip("/")
        far = path.startswith("far/")
        (self.hub.far_tokens if far else self.hub.tokens).append(self.headers.get("Authorization", ""))
        path = path.removeprefix("far/")
        is_api = path.startswith("api/models/")
        parts = path.removeprefix("api/models/").split("/")
        repo, rest = "/".join(parts[:2]), parts[2:]
        if repo in self.hub.refusals:
            status, code = self.hub.refusals[repo]
            self.plain(status, b"{}", X_Error_Code=code)
        elif repo not in self.hub.folders:
            self.plain(404, b"{}", X_Error_Code="RepoNotFound")
        elif is_api:
            self.listing(repo, rest)
        elif rest[1] != SHA and rest[1] != "main":
            self.plain(404, b"{}", X_Error_Code="RevisionNotFound")
        elif repo in self.hub.gated and "Bearer" not in self.headers.get("Authorization", "") and not far:
            self.plain(401, b"{}", X_Error_Code="GatedRepo")
        else:
            self.file(repo, "/".join(rest[2:]), far)

    do_HEAD = do_GET

    def listing(self, repo: str, rest: list[str]) -> None:
        if act := self.act("listing"):
            self.plain(act.status, b"{}", X_Error_Code=act.code, **dict(act.headers))
        elif rest and rest[1] not in (SHA, "main"):
            self.plain(404, b"{}", X_Error_Code="RevisionNotFound")
        elif rest and rest[0] == "tree":
            rows = [{"type": "file", "path": r["rfilename"], "oid": r["blobId"], **r} for r in self.hub.rows(repo)]
            for row in rows:
                if "lfs" in row:
                    row["lfs"] = {**row["lfs"], "oid": row["lfs"]["sha256"]}
            self.plain(200, json.dumps(rows).encode(), Content_Type="application/json")
        else:
            info = {"id": repo, "sha": SHA, "private": False, "tags": [], "siblings": self.hub.rows(repo)}
            info["gated"] = "auto" if repo in self.hub.gated else False
            self.plain(200, json.dumps(info).encode(), Content_Type="application/json")

    def file(self, repo: str, name: str, far: bool) -> None:
        path = self.hub.folders[repo] / name
        if not path.is_file():
            self.plain(404, b"{}", X_Error_Code="EntryNotFound")
            return
        data = path.read_bytes()
        big = name.endswith(BIG)
        etag = hashlib.sha256(data).hexdigest() if big else git_sha1(data)
        if big and not far:
            self.plain(
                302,
                Location=f"http://localhost:{self.server.server_port}/far{self.path}",
                X_Linked_ETag=f'"{etag}"',
                X_Linked_Size=str(len(data)),
                X_Repo_Commit=SHA,
            )
            return
        if self.command == "HEAD":
            self.head(200, {"Content-Length": str(len(data)), "ETag": f'"{etag}"', "X-Repo-Commit": SHA})
            return
        act = self.act(name) or Act()
        if act.status != 200:
            self.plain(act.status, b"{}", X_Error_Code=act.code, **dict(act.headers))
            return
        self.body(name, data, act)

    def body(self, name: str, data: bytes, act: Act) -> None:
        if act.flip is not None:
            data = data[: act.flip] + bytes([data[act.flip] ^ 1]) + data[act.flip + 1 :]
        data = data[: len(data) - act.cut]
        start, end, status, head = 0, len(data), 200, {}
        asked = self.headers.get("Range", "") if self.hub.has_ranges else ""
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(len(data), int(last) + 1 if last else len(data))
            if start >= len(data):
                self.plain(416, b"", Content_Range=f"bytes */{len(data)}")
                return
            status, head = 206, {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        self.hub.asked.append(name)
        self.hub.ranges.append((name, start))
        self.head(status, head | {"Content-Length": str(end - start if act.claim is None else act.claim)})
        stop = min(n for n in (act.drop, act.stall, end - start) if n is not None)
        try:
            for at in range(start, start + stop, STEP):
                piece = data[at : min(at + STEP, start + stop)]
                self.wfile.write(piece)
                self.hub.sent[name] += len(piece)
            if act.stall is not None:
                self.hub.release.wait(30)
        except OSError:
            self.close_connection = True
        if (act.drop, act.stall, act.claim) != (None, None, None):
            self.close_connection = True
            self.connection.shutdown(SHUT_RDWR)

    def act(self, name: str) -> Act | None:
        acts = self.hub.acts[name]
        return acts.pop(0) if acts and self.command == "GET" else None

    def plain(self, status: int, body: bytes = b"", **headers: str) -> None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.head(status, {"Content-Length": str(len(body)), **names})
        if self.command == "GET":
            self.wfile.write(body)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address) -> None:
        pass  # clients that go away are what these tests are about


@contextmanager
def serve() -> Iterator[Hub]:
    hub = Hub()
    server = Server(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()


def at_home(monkeypatch, cache: Path) -> None:
    """Points the hub's client at an empty cache, online, with no token of the person at this machine."""
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
