"""Finished pictures: written to the outputs folder at once, and noted in the store under their owner."""

from __future__ import annotations

import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

from playground.errors import PlaygroundError
from playground.gallery.kept import Pictures
from playground.protocol import Image, ImageRequest, ImageStats
from playground.settings import Settings
from playground.ui.context import AppContext


def outputs_folder(settings: Settings) -> Path:
    """The one folder from which the page may serve files."""
    folder = settings.data_path / "outputs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep_image(context: AppContext, owner: str, request: ImageRequest, image: Image, stats: ImageStats) -> Path:
    """Writes the PNG under an unguessable name and adds it to the owner's pictures; returns its path.

    Raises:
        PlaygroundError: the file or the row cannot be written; half a file is never left.
    """
    stem = re.sub(r"[^a-z0-9]+", "-", request.prompt.lower()).strip("-")[:40] or request.kind
    partial: Path | None = None
    try:
        day = outputs_folder(context.settings) / time.strftime("%Y-%m-%d")
        day.mkdir(exist_ok=True)
        path = day / f"{stem}-{image.seed}-{secrets.token_hex(8)}.png"
        partial = path.with_suffix(".tmp")
        partial.write_bytes(image.png)
        partial.replace(path)
    except OSError as error:
        if partial is not None:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        raise PlaygroundError(
            f"The picture could not be kept: {error.strerror or error}.",
            "Save it from here, and free some space; what was kept before is as it was.",
        ) from None
    asked = {
        "model": request.model,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": image.seed,
        "width": image.width,
        "height": image.height,
        "steps": stats.steps,
    }
    made = {"parameters": image.parameters, "seconds": stats.seconds_per_image, "load_s": stats.load_s}
    Pictures(context.store()).add(owner, request.kind, request.model, asked, made, str(path))
    return path
