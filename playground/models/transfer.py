"""How bytes come from a hub: waits where it is busy, goes on where it broke off, checks every file against its hash.

Knows HTTP and one file on disk; knows nothing of models, cards or the cache's layout. The hub's own client is not used
for files: it starts every broken download anew, checks sizes only, and cannot be stopped between two chunks of 10 MB.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from playground.models.hub_errors import BrokenOff, Busy, Damaged
from playground.models.hub_files import HubFile
from playground.models.meter import Meter

AGAIN = {408, 429, 500, 502, 503, 504}
READ = 4 * 2**20  # bytes read at once from a part that is here
SPAN = 32 * 10**9  # bytes asked for at once: the hub's servers send no answer over 50 GB


@dataclass(frozen=True)
class Patience:
    """How long to put up with a hub. Times in seconds; `tries` counts failures in a row without one new byte."""

    tries: int = 6
    wait_s: float = 1.0
    longest_wait_s: float = 120.0
    connect_s: float = 5.0
    silence_s: float = 15.0


PATIENCE = Patience()


@dataclass
class _Grown:
    """How far a part has come: the hash of its bytes, and their number."""

    digest: Any
    have: int


class Wire:
    """A client of one hub, for one download.

    Args:
        client: an asynchronous client as huggingface_hub makes it.
        headers: sent with every request, among them the token; the client drops it when it is sent to another host.
    """

    def __init__(self, client: Any, headers: dict[str, str], meter: Meter, patience: Patience | None = None) -> None:
        self._client = client
        # A compressed answer would make ranges and lengths meaningless.
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._meter = meter
        self._patience = patience or PATIENCE

    async def get(self, url: str) -> bytes:
        """The whole answer to a small request.

        Raises:
            HfHubHTTPError: the hub refuses.
            HTTPError: it cannot be reached; asked once, so that a missing network shows at once.
            Busy: it stayed busy.
        """
        failures = _Failures(self._patience, self._meter)
        while True:
            try:
                async with self._ask(url) as answer:
                    return await answer.aread()
            except Busy as error:
                await failures.one_more(error)

    async def fetch(self, url: str, part: Path, file: HubFile) -> None:
        """Brings `part` to the whole of `file`, from where it stands.

        Raises:
            HfHubHTTPError, Busy: as `get`.
            BrokenOff: the connection failed `tries` times in a row; what came stays.
            Damaged: size or hash were wrong twice; the part is deleted.
            OSError: the disk refuses.
        """
        problem = ""
        for _ in range(3 if part.exists() else 2):  # what an earlier download left is no fault of this one
            problem = await self._fill(url, part, file)
            if not problem:
                return
            part.unlink(missing_ok=True)
            self._meter.found(file.etag, 0)
        raise Damaged(file.name, problem)

    async def _fill(self, url: str, part: Path, file: HubFile) -> str:
        """Appends what `part` lacks. What is wrong with the result, "" where nothing is."""
        from huggingface_hub.errors import HfHubHTTPError, HTTPError

        grown = await self._grown(part, file)
        failures = _Failures(self._patience, self._meter)
        with part.open("ab", buffering=0) as out:
            while grown.have < file.bytes:
                before = grown.have
                broken: Exception | None = None
                try:
                    if problem := await self._receive(url, out, file, grown):
                        return problem
                except HfHubHTTPError:
                    raise
                except Busy as error:
                    broken = error
                except HTTPError as error:
                    broken = BrokenOff(file.name, type(error).__name__)
                if grown.have > before:
                    failures.forget()
                if broken or grown.have == before:
                    await failures.one_more(broken or BrokenOff(file.name, "it ends early"))
        if (came := grown.digest.hexdigest()) == file.etag:
            return ""
        kind = "SHA-256" if file.has_sha256 else "git SHA-1"
        return f"its {kind} is {came[:12]}…, announced was {file.etag[:12]}…"

    async def _receive(self, url: str, out: Any, file: HubFile, grown: _Grown) -> str:
        """Appends what one connection brings. What is wrong with it, "" where nothing is."""
        async with self._ask(url, _range(grown.have, file.bytes)) as answer:
            if problem := _mismatch(answer, grown.have, file.bytes):
                return problem
            skip = grown.have if answer.status_code == 200 else 0  # a server without ranges begins anew
            async for chunk in answer.aiter_bytes():
                chunk, skip = chunk[skip:], max(0, skip - len(chunk))
                if grown.have + len(chunk) > file.bytes:
                    return f"more than the announced {file.bytes} bytes came"
                _write(out, chunk)
                grown.digest.update(chunk)
                grown.have += len(chunk)
                self._meter.received(file.etag, len(chunk), file.name)
        return ""

    async def _grown(self, part: Path, file: HubFile) -> _Grown:
        """What an earlier download left."""
        # Files in git are named by the SHA-1 of a header and their contents.
        digest = hashlib.sha256() if file.has_sha256 else hashlib.sha1(b"blob %d\0" % file.bytes, usedforsecurity=False)
        have = part.stat().st_size if part.exists() else 0
        if have > file.bytes:
            os.truncate(part, 0)
            have = 0
        self._meter.found(file.etag, have)
        if have:
            self._meter.note("checking what is already here")
            with part.open("rb") as read:
                while block := read.read(READ):
                    digest.update(block)
                    await asyncio.sleep(0)  # a stop, and the other files, get their turn
        return _Grown(digest, have)

    @asynccontextmanager
    async def _ask(self, url: str, headers: dict[str, str] | None = None) -> AsyncIterator[Any]:
        """An open answer with a good status."""
        from huggingface_hub.utils import hf_raise_for_status

        patience = self._patience
        # httpx's own Timeout class has two names by now; it takes the same four numbers as a tuple.
        timeout = (patience.connect_s, patience.silence_s, patience.silence_s, patience.connect_s)
        async with self._client.stream(
            "GET", url, headers=self._headers | (headers or {}), timeout=timeout, follow_redirects=True
        ) as answer:
            if answer.status_code in AGAIN:
                raise Busy(answer.status_code, _asked_wait(answer.headers))
            if answer.status_code != 416:  # a range beyond the end; `_mismatch` words it
                if answer.status_code >= 400:
                    await answer.aread()
                hf_raise_for_status(answer)
            yield answer


class _Failures:
    """Failures in a row, and the waits between them: 1, 2, 4, 8 s … or as long as the hub asks."""

    def __init__(self, patience: Patience, meter: Meter) -> None:
        self._patience = patience
        self._meter = meter
        self._count = 0

    def forget(self) -> None:
        self._count = 0

    async def one_more(self, error: Exception) -> None:
        """Waits before the next try, or raises `error` where patience ends."""
        self._count += 1
        asked_s = error.wait_s if isinstance(error, Busy) else None
        if self._count >= self._patience.tries or (asked_s or 0) > self._patience.longest_wait_s:
            raise error
        wait = self._patience.wait_s * 2 ** (self._count - 1) if asked_s is None else asked_s
        wait = min(wait, self._patience.longest_wait_s)
        who = "the hub is busy" if isinstance(error, Busy) else "the connection broke off"
        self._meter.note(f"{who}, next try in {max(1, round(wait))} s")
        await asyncio.sleep(wait)


def _range(have: int, total: int) -> dict[str, str]:
    if have == 0 and total <= SPAN:
        return {}
    return {"Range": f"bytes={have}-{min(total, have + SPAN) - 1}"}


def _mismatch(answer: Any, have: int, total: int) -> str:
    """What an answer's head says against the file that was listed, "" where nothing."""
    if answer.status_code == 416:
        return f"the hub has less than the announced {total} bytes"
    if answer.status_code == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != have or span[2] not in (str(total), "*"):
            return f"the hub sent {answer.headers.get('Content-Range')!r} for bytes {have} and on of {total}"
        return ""
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != total and "Content-Encoding" not in answer.headers:
        return f"the hub sends {length} bytes, announced were {total}"
    return ""


def _asked_wait(headers: Any) -> float | None:
    """Seconds that the hub asks to wait: `Retry-After` in both its forms, or the reset of its own rate limit."""
    from huggingface_hub.utils import parse_ratelimit_headers

    asked = headers.get("Retry-After", "").strip()
    if asked.isdigit():
        return float(asked)
    if asked:
        try:
            return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError):
            return None
    limit = parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit is not None and limit.remaining == 0 else None


def _write(out: Any, chunk: bytes) -> None:
    """All of `chunk`; unbuffered files may take less at once."""
    view = memoryview(chunk)
    while view:
        view = view[out.write(view) :]
