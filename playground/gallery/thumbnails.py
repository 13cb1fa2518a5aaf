"""Small pictures for a gallery, made once and kept beside the others, so that a thousand open as fast as ten."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playground.gallery.kept import Kept

SIDE = 240  # pixels; twice what a tile takes, for dense screens
QUALITY = 80
WORKERS = 2


def thumbnails(folder: Path, pictures: Sequence[Kept]) -> list[Path]:
    """The path of each picture's thumbnail, in order; a grey tile for a picture whose file is missing or damaged."""
    with ThreadPoolExecutor(WORKERS, "thumbnails") as pool:
        return list(pool.map(lambda picture: thumbnail(folder, picture), pictures))


def thumbnail(folder: Path, picture: Kept) -> Path:
    """The thumbnail's path; where the disk is full, the picture's own."""
    target = folder / picture.id[:2] / f"{picture.id}.webp"
    if target.is_file():
        return target
    try:
        source = Path(picture.path)
        if not source.is_file():
            return _blank(folder)
        data = _small(source)
        return _written(target, data) if data is not None else _blank(folder)
    except OSError:  # no room for a small one: the large one does as well
        return Path(picture.path)


def forget(folder: Path, picture_ids: Sequence[str]) -> None:
    """Removes thumbnails of pictures that are gone."""
    for one in picture_ids:
        (folder / one[:2] / f"{one}.webp").unlink(missing_ok=True)


def _small(source: Path) -> bytes | None:
    import io

    from playground.errors import InvalidRequest
    from playground.images.pictures import rgb_picture

    try:
        image = rgb_picture(source.read_bytes())
    except InvalidRequest:
        return None
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=QUALITY)
    return out.getvalue()


def _blank(folder: Path) -> Path:
    """A tile with a cross, for what is no longer there."""
    import io

    from PIL import Image, ImageDraw

    target = folder / "missing.webp"
    if target.is_file():
        return target
    image = Image.new("RGB", (SIDE, SIDE), (148, 161, 161))
    draw = ImageDraw.Draw(image)
    inset = SIDE * 3 // 8
    for ends in ((inset, inset, SIDE - inset, SIDE - inset), (inset, SIDE - inset, SIDE - inset, inset)):
        draw.line(ends, fill=(255, 255, 255), width=6)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=QUALITY)
    return _written(target, out.getvalue())


def _written(target: Path, data: bytes) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{secrets.token_hex(4)}.tmp")
    try:
        partial.write_bytes(data)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target
