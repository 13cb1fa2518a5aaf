"""Grids on disk: a folder for each, with its plan, and a picture and a record for each finished cell.

    <root>/<owner>/<grid>/plan.json          what it makes; written once
                          cells/0007.png     a finished picture, with its own parameters in it
                          cells/0007.json    its record, written after the picture: a cell without one is not made

Every file is written beside its place and moved there, so that a stop or a crash leaves whole files only. Folders have
names that cannot be guessed; an owner's is a hash. Knows files, no engine and no page.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from playground.errors import InvalidRequest, PlaygroundError
from playground.images.grid import cells, plan
from playground.images.grid.cells import Result
from playground.images.grid.plan import Plan

MOST_GRIDS = 100  # of one owner
MOST_NAME = 100
THUMBNAIL = 256  # pixels of the longer side
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Summary:
    """One line of the list; `changed` in seconds since 1970. `done` counts pictures, `failed` errors."""

    id: str
    name: str
    axes: str
    total: int
    done: int
    failed: int
    changed: float
    error: str = ""


class Grids:
    """The grids of one owner below `root`; safe to share between threads.

    Raises (in every method):
        InvalidRequest: the owner has no grid of this id.
        PlaygroundError: a file cannot be written or read.
    """

    def __init__(self, root: Path, owner: str) -> None:
        if not owner:
            raise InvalidRequest("A grid needs an owner.")
        self._folder = root / hashlib.sha256(owner.encode()).hexdigest()[:32]

    def open(self, new: Plan, name: str = "") -> str:
        """Keeps a plan; returns the grid's id."""
        if self._folder.is_dir() and sum(1 for _ in self._folder.iterdir()) >= MOST_GRIDS:
            raise InvalidRequest(f"There are {MOST_GRIDS} grids of yours already.", "Delete some first.")
        grid_id = secrets.token_hex(16)
        about = {"name": " ".join((name or new.base.prompt).split())[:MOST_NAME], "created": time.time()}
        try:
            (self._folder / grid_id / "cells").mkdir(parents=True)
            _write(self._folder / grid_id / "about.json", json.dumps(about).encode())
            _write(self._folder / grid_id / "plan.json", plan.to_json(new).encode())
        except OSError as error:
            raise _unkept(error) from None
        return grid_id

    def plan(self, grid_id: str) -> Plan:
        """What the grid makes."""
        try:
            text = (self.folder(grid_id) / "plan.json").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The grid's plan cannot be read: {type(error).__name__}.", "Delete it.") from None
        return plan.from_json(text)

    def name(self, grid_id: str) -> str:
        """What it is called."""
        try:
            return str(json.loads((self.folder(grid_id) / "about.json").read_text(encoding="utf-8"))["name"])
        except (OSError, ValueError, KeyError, TypeError):
            return grid_id[:8]  # the name alone is lost, and a grid can be told apart without one

    def put(self, grid_id: str, result: Result, png: bytes | None = None) -> None:
        """Keeps a cell: the picture with its small copy, then the record, in place of an earlier one."""
        stem = self.folder(grid_id) / "cells" / f"{result.index:04d}"
        try:
            if png is None:
                for ending in (".png", ".webp"):
                    stem.with_suffix(ending).unlink(missing_ok=True)
            else:
                _write(stem.with_suffix(".png"), png)
                _write(stem.with_suffix(".webp"), thumbnail(png))
            _write(stem.with_suffix(".json"), cells.to_json(result).encode())
        except OSError as error:
            raise _unkept(error) from None

    def results(self, grid_id: str) -> dict[int, Result]:
        """The finished cells by index. One whose picture or record is missing or damaged is not finished."""
        folder, count = self.folder(grid_id) / "cells", self.plan(grid_id).count
        found = {}
        for index in range(count):
            path = folder / f"{index:04d}.json"
            try:
                result = cells.from_json(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, TypeError):
                continue
            if result.index == index and (result.error or path.with_suffix(".png").is_file()):
                found[index] = result
        return found

    def picture(self, grid_id: str, index: int, small: bool = False) -> Path:
        """Where a cell's picture lies, or lay; the small one is WebP."""
        ending = ".webp" if small else ".png"
        return self.folder(grid_id) / "cells" / f"{int(index):04d}{ending}"

    def listed(self) -> list[Summary]:
        """The owner's grids, last changed first; one that cannot be read says so."""
        if not self._folder.is_dir():
            return []
        found = [self._summary(path.name) for path in self._folder.iterdir() if _ID.fullmatch(path.name)]
        return sorted(found, key=lambda one: -one.changed)

    def delete(self, grid_id: str) -> None:
        """Removes the grid with all its pictures."""
        try:
            shutil.rmtree(self.folder(grid_id))
        except OSError as error:
            raise PlaygroundError(
                f"The grid could not be deleted: {error.strerror or error}.", "Stop it first, then try again."
            ) from None

    def folder(self, grid_id: str) -> Path:
        """The grid's folder."""
        if not isinstance(grid_id, str) or not _ID.fullmatch(grid_id) or not (self._folder / grid_id).is_dir():
            raise InvalidRequest(f"There is no grid {str(grid_id)[:40]!r} of yours.", "Look at the list of grids.")
        return self._folder / grid_id

    def _summary(self, grid_id: str) -> Summary:
        folder = self._folder / grid_id
        changed = folder.stat().st_mtime
        with suppress(OSError):
            changed = max(changed, (folder / "cells").stat().st_mtime)
        try:
            made = self.plan(grid_id)
        except InvalidRequest as error:
            return Summary(grid_id, self.name(grid_id), "", 0, 0, 0, changed, error.message)
        axes = ", ".join(axis.axis for _, axis in made.named)
        names = {path.name for path in (folder / "cells").glob("[0-9]*")}  # counted, not read: a list must be quick
        records = {name.removesuffix(".json") for name in names if name.endswith(".json")}
        done = sum(f"{stem}.png" in names for stem in records)
        return Summary(grid_id, self.name(grid_id), axes, made.count, done, len(records) - done, changed)


def missing(made: Plan, results: dict[int, Result], retry: bool = True) -> list[int]:
    """The cells that are not finished, in the order in which they run; with `retry` also those that failed."""
    return [i for i in made.order if i not in results or (retry and results[i].error)]


def thumbnail(png: bytes, side: int = THUMBNAIL) -> bytes:
    """The picture as WebP, no side longer than `side` pixels."""
    import io

    from playground.images.pictures import rgb_picture

    picture = rgb_picture(png)
    picture.thumbnail((side, side))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=90)
    return out.getvalue()


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _unkept(error: OSError) -> PlaygroundError:
    return PlaygroundError(
        f"The grid could not be kept: {error.strerror or error}.", "Free some space, then resume it."
    )
