"""The text of a PDF, read in a process of its own with bounded time, memory, pages and characters.

A PDF can unpack to any size and loop for ever, so the process may end at any moment: the pages that it had told by then
are kept, and a sentence says how many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from playground.attach.documents import Document
from playground.errors import InvalidRequest, PlaygroundError

WORKER = Path(__file__).with_name("pdf_worker.py")
MOST_PAGES = 1000
MOST_CHARACTERS = 4_000_000
MOST_SECONDS = 30  # of one core
MOST_WAIT_S = 90.0  # more than that, since the machine may be busy
MOST_MEMORY = 2**30

_WHY = {
    "encrypted": ("{name} is encrypted and needs a password.", "Save it without one, then attach that."),
    "cipher": ("{name} is encrypted in a way that this app cannot read.", "Save it without encryption."),
    "limit": ("{name} unpacks to more than a document may hold: {detail}.", "Attach another form of it."),
    "memory": ("{name} takes more than 1 GiB of memory to read.", "Attach a part of it."),
    "broken": ("{name} is no PDF that can be read: {detail}.", "Save it again with another program."),
}


@dataclass(frozen=True)
class _Read:
    """What the process told: `pages` None where it did not come so far; `error` is '' or a key of `_WHY`."""

    pages: int | None
    texts: tuple[str, ...]
    images: int
    error: str = ""
    detail: str = ""


def pdf_document(name: str, data: bytes) -> Document:
    """The text of a PDF, page by page, each under its number.

    Raises:
        InvalidRequest: it is broken, encrypted, a bomb, or has no text, such as a scan; one sentence that names it.
        PlaygroundError: the Python package pypdf is missing.
    """
    if find_spec("pypdf") is None:
        raise PlaygroundError("Reading PDFs needs the Python package pypdf.", "Run pip install pypdf, then try again.")
    read = _read(data)
    some = any(text.strip() for text in read.texts)
    if read.error and not (some and read.error != "encrypted"):
        message, hint = _WHY[read.error]
        raise InvalidRequest(message.format(name=name, detail=read.detail.rstrip(".")), hint)
    pages = read.pages or 0
    if not some:
        if len(read.texts) < min(pages, MOST_PAGES) or read.pages is None:
            raise InvalidRequest(f"{name} took too long to read.", "Attach a part of it.")
        raise _no_text(name, pages, read.images)
    return Document(name, "pdf", _body(read.texts), f"PDF, {_count(pages, 'page')}", notes=_notes(name, read, pages))


def _read(data: bytes) -> _Read:
    arguments = [str(n) for n in (MOST_MEMORY, MOST_SECONDS, MOST_PAGES, MOST_CHARACTERS)]
    # The process needs no secret of this one, and a hostile file shall find none.
    environment = {k: os.environ[k] for k in ("PATH", "SYSTEMROOT", "TEMP", "TMPDIR") if k in os.environ}
    try:
        done = subprocess.run(  # noqa: S603  a fixed program; the file goes in as data
            [sys.executable, "-I", str(WORKER), *arguments],
            input=data,
            capture_output=True,
            timeout=MOST_WAIT_S,
            env=environment,
            check=False,
        )
        told = done.stdout
        if done.returncode > 0 and not told:
            last = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
            return _Read(None, (), 0, "broken", last[:200])
    except subprocess.TimeoutExpired as late:
        told = late.stdout or b""
    return _understood(told)


def _understood(told: bytes) -> _Read:
    """The lines of the process; the last may be half, where it was stopped."""
    pages: int | None = None
    texts: list[str] = []
    images, error, detail = 0, "", ""
    for line in told.split(b"\n")[:-1]:
        values: Mapping[str, Any] = json.loads(line)
        if "error" in values:
            error, detail = values["error"], values["detail"]
        elif "pages" in values:
            pages = values["pages"]
        else:
            texts.append(values["text"].encode("utf-8", "replace").decode())
            images += values["images"]
    return _Read(pages, tuple(texts), images, error, detail)


def _body(texts: tuple[str, ...]) -> str:
    pages = ((number, text.replace("\0", "").strip()) for number, text in enumerate(texts, 1))
    return "\n\n".join(f"[Page {number}]\n{text}" for number, text in pages if text)


def _notes(name: str, read: _Read, pages: int) -> tuple[str, ...]:
    notes = []
    if len(read.texts) < pages:
        why = ": the next one is broken" if read.error else ""
        notes.append(f"Of the {pages:,} pages of {name} the first {len(read.texts):,} were read{why}.")
    blank = sum(not text.strip() for text in read.texts)
    if blank:
        notes.append(f"{_count(blank, 'page')} of {name} {'has' if blank == 1 else 'have'} no text, such as scans.")
    return tuple(notes)


def _no_text(name: str, pages: int, images: int) -> InvalidRequest:
    if images:
        return InvalidRequest(
            f"{name} has no text: its {_count(pages, 'page')} {'is a picture' if pages == 1 else 'are pictures'}.",
            "Attach the pages as pictures to a model that sees, or run text recognition on it first.",
        )
    return InvalidRequest(f"{name} has no text on its {_count(pages, 'page')}.", "Choose another file.")


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
