"""Files that the gallery serves: thumbnails and zips, below the outputs folder, under names that cannot be guessed."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from playground.gallery.kept import Kept, Pictures
from playground.gallery.zipping import packed
from playground.ui.context import AppContext
from playground.ui.outputs import outputs_folder

ZIPS_KEPT_S = 24 * 3600.0


def thumbnails_folder(context: AppContext) -> Path:
    """Where thumbnails lie."""
    return outputs_folder(context.settings) / "thumbnails"


def zip_of(context: AppContext, owner: str, ids: object) -> tuple[Path, list[Kept]]:
    """A zip of the owner's pictures, and those of them whose files are missing. Zips of yesterday are removed.

    Raises:
        PlaygroundError: an id is not the owner's, no file is there, or the zip cannot be written.
    """
    pictures = Pictures(context.store()).several(owner, ids)  # type: ignore[arg-type]  # checked there
    folder = outputs_folder(context.settings) / "zips"
    for old in folder.glob("*.zip"):
        try:
            if old.stat().st_mtime < time.time() - ZIPS_KEPT_S:
                old.unlink()
        except OSError:
            continue  # somebody reads it, or it went meanwhile
    target = folder / f"pictures-{secrets.token_hex(12)}.zip"
    return target, packed(pictures, target)
