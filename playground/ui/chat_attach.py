"""Files that go with the next message: read into documents, pictures and sounds, counted, and made to fit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
from pathlib import Path, PurePosixPath

from playground.attach.budget import fitted
from playground.attach.documents import Document, document, shown_name
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import CancelToken, Counted, CountRequest, Engine, Failed
from playground.talks.tree import Attached
from playground.ui.chat_desk import Attachment

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
SOUNDS = (".wav", ".mp3")
MOST_FILES = 10


class NotCounted(Exception):
    """The model is not loaded, so that its tokens cannot be counted."""


async def read(paths: Sequence[str], before: int) -> list[Attachment]:
    """Uploaded files, read in threads.

    Raises:
        InvalidRequest: a file cannot be read, or there are too many.
    """
    if before + len(paths) > MOST_FILES:
        raise InvalidRequest(f"At most {MOST_FILES} files go with a message, got {before + len(paths)}.")
    return list(await asyncio.gather(*(asyncio.to_thread(_read, Path(path)) for path in paths)))


def _read(path: Path) -> Attachment:
    name, data = shown_name(path.name), path.read_bytes()
    ending = PurePosixPath(name.lower()).suffix
    if ending in IMAGES:
        return Attachment(name, image=data)
    if ending in SOUNDS:
        return Attachment(name, audio=data)
    found = document(name, data)
    return Attachment(found.name, found, notes=found.notes)


async def tokens(engine: Engine, model: str, text: str, owner: str) -> tuple[int, int | None]:
    """(tokens of a text for this model, its context size).

    Raises:
        NotCounted: the model is not loaded, or its tokens are counted elsewhere.
    """
    async for event in engine.submit(CountRequest(model, text, owner), CancelToken()):
        if isinstance(event, Counted):
            return event.tokens, event.size
        if isinstance(event, Failed):
            raise NotCounted(event.error)
    raise NotCounted("nothing was counted")


async def fit(
    engine: Engine, model: str, owner: str, files: Sequence[Attachment], beside: str, answer: int, policy: str
) -> tuple[tuple[Attached, ...], tuple[str, ...]]:
    """The documents for one model, cut or refused where they do not fit, with a sentence for each that was cut.

    Where the model's tokens cannot be counted they go whole, and the model's own limit decides.

    Args:
        beside: all that is sent beside them. answer: tokens that the answer may take.

    Raises:
        InvalidRequest: one does not fit, and `policy` is "refuse".
    """
    documents = [file.document for file in files if file.document is not None]
    if not documents:
        return (), ()
    try:
        used, size = await tokens(engine, model, beside, owner)
    except NotCounted:
        size = None
    if size is None:
        return tuple(map(_attached, documents)), ()

    async def count(text: str) -> int:
        return (await tokens(engine, model, text, owner))[0]

    kept = await fitted(documents, count, size - used - answer, "refuse" if policy == "refuse" else "cut")
    return tuple(map(_attached, kept.documents)), kept.sentences


def _attached(one: Document) -> Attached:
    return Attached(one.name, one.text)


async def chips(engine: Engine, model: str, owner: str, files: Sequence[Attachment]) -> str:
    """What is attached, each with its tokens for this model, as HTML."""
    rows = []
    for file in files:
        rows.append(f"<li><b>{escape(file.name)}</b> {escape(await _size(engine, model, owner, file))}</li>")
    notes = "".join(f"<li>{escape(text)}</li>" for file in files for text in file.notes)
    return f'<ul class="pg-attached">{"".join(rows)}{notes}</ul>' if files else ""


async def _size(engine: Engine, model: str, owner: str, file: Attachment) -> str:
    if file.document is None:
        return "picture" if file.image else "sound"
    text = file.document.text
    try:
        count, size = await tokens(engine, model, text[:2_000_000], owner)
    except (NotCounted, PlaygroundError):
        return f"{len(text):,} characters; tokens are counted once the model is loaded"
    of = f" of {size:,}" if size else ""
    return f"{count:,}{of} tokens"


def of_message(files: Sequence[Attachment]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """(pictures, sounds) of the message."""
    return tuple(f.image for f in files if f.image), tuple(f.audio for f in files if f.audio)
