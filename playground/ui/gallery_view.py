"""What the gallery shows: a page of tiles, one picture large, and the words around them. Knows rows, no controls."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from playground.errors import InvalidRequest
from playground.gallery.kept import Kept, Pictures, Search
from playground.gallery.thumbnails import forget, thumbnails
from playground.images.infotext import from_text
from playground.images.metadata import read_metadata
from playground.ui.context import AppContext
from playground.ui.gallery_files import thumbnails_folder
from playground.ui.image_recall import MOST_BYTES
from playground.ui.words import empty

PAGE = 40
NOTHING = empty("Nothing here yet", "Every finished picture is kept here, also after a reload.")
NOT_FOUND = empty("Nothing found", "No picture fits all of this. Take a word or a filter away.")


@dataclass(frozen=True)
class Shown:
    """A page of the gallery: `ids` in the order of the tiles, `count` of all that fit, `page` from 0."""

    ids: tuple[str, ...] = ()
    count: int = 0
    page: int = 0
    tiles: tuple[tuple[str, str], ...] = field(default=())

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.count // PAGE))

    @property
    def line(self) -> str:
        """Pictures 41 to 80 of 1,000."""
        if not self.count:
            return ""
        first = self.page * PAGE + 1
        return f"Pictures {first:,} to {first + len(self.ids) - 1:,} of {self.count:,}"


def page_of(context: AppContext, owner: str, search: Search, page: int, chosen: Collection[str] = ()) -> Shown:
    """The page, or the last one where there are fewer; thumbnails that are new are made on the way.

    Raises:
        PlaygroundError: a filter cannot be, or the database cannot be used.
    """
    kept = Pictures(context.store())
    folder = thumbnails_folder(context)
    forget(folder, kept.purge(owner))
    count = kept.count(owner, search)
    page = max(0, min(page, (count - 1) // PAGE if count else 0))
    found = kept.search(owner, search, PAGE, page * PAGE)
    names = {card.id: card.name for card in context.catalog}
    tiles = zip(thumbnails(folder, found), found, strict=True)
    shown = tuple((str(tile), caption(one, names, one.id in chosen)) for tile, one in tiles)
    return Shown(tuple(one.id for one in found), count, page, shown)


def caption(kept: Kept, names: dict[str, str], chosen: bool = False) -> str:
    """A tile's line: marks, model and seed."""
    marks = ("✓ " if chosen else "") + ("★ " if kept.favourite else "")
    seed = f" · {kept.seed}" if kept.seed is not None else ""
    return f"{marks}{names.get(kept.model, kept.model)}{seed}"


def record_of_kept(kept: Kept) -> dict[str, Any]:
    """The picture's settings from its file, else from what is kept beside it."""
    path = Path(kept.path)
    if path.is_file() and path.stat().st_size <= MOST_BYTES:
        try:
            record = read_metadata(path.read_bytes())
        except InvalidRequest:
            record = {}
        if record:
            return record
    record = from_text(kept.parameters) if kept.parameters else {"prompt": kept.prompt, "seed": kept.seed}
    return {"source": "a1111", **record, "model": record.get("model") or kept.model}


def about_html(kept: Kept, names: dict[str, str]) -> str:
    """What stands beside a large picture: prompt, model, seed, size, seconds, day."""
    rows = [
        ("Model", names.get(kept.model, kept.model)),
        ("Seed", "" if kept.seed is None else str(kept.seed)),
        ("Size", f"{kept.width} × {kept.height}" if kept.width and kept.height else ""),
        ("Took", f"{kept.seconds:.2g} s" if kept.seconds is not None else ""),
        ("Score", f"{kept.score:.3g}" if kept.score is not None else ""),
        ("Made", f"{kept.created:%Y-%m-%d %H:%M} UTC"),
    ]
    body = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in rows if v)
    prompt = escape(kept.prompt[:2_000]) or "No prompt"
    star = '<span class="pg-star" title="Favourite">★</span> ' if kept.favourite else ""
    return f'<div class="pg-about"><p>{star}{prompt}</p><dl>{body}</dl></div>'
