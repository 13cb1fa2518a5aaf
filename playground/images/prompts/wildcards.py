"""Reads wildcard files: one choice a line, in the app's own folder and nowhere else."""

from __future__ import annotations

from pathlib import Path

from playground.images.prompts.variants import Lines

MAX_BYTES = 1_000_000
MAX_LINE = 20_000
FOLDER = "wildcards"


def wildcard_lines(folder: Path | None) -> Lines:
    """A reader of `folder`/NAME.txt: its lines without blank ones and those that begin with "#".

    A name that leads out of the folder, also by a link, is one of no file. Of a long file the first megabyte is read.
    """
    read: dict[str, tuple[str, ...] | None] = {}

    def lines(name: str) -> tuple[str, ...] | None:
        if name not in read:
            read[name] = _read(folder, name)
        return read[name]

    return lines


def _read(folder: Path | None, name: str) -> tuple[str, ...] | None:
    if folder is None:
        return None
    root = folder.resolve()
    path = (root / f"{name}.txt").resolve()
    if not path.is_relative_to(root) or not path.is_file():
        return None
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8-sig", errors="replace")
    stripped = (line.strip()[:MAX_LINE] for line in text.splitlines())
    return tuple(line for line in stripped if line and not line.startswith("#"))
