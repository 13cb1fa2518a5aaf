"""Pictures packed into one zip, with a table of their settings beside them."""

from __future__ import annotations

import csv
import io
import os
import secrets
import zipfile
from collections.abc import Sequence
from pathlib import Path

from playground.errors import InvalidRequest, PlaygroundError
from playground.gallery.kept import Kept

MOST_BYTES = 2 * 2**30
COLUMNS = ("file", "model", "prompt", "seed", "width", "height", "score", "favourite", "created", "parameters")


def packed(pictures: Sequence[Kept], target: Path) -> list[Kept]:
    """Writes the pictures' files, unchanged, and `pictures.csv` to `target`; returns those whose files are missing.

    Raises:
        InvalidRequest: none of them is there, or they are over 2 GiB together.
        PlaygroundError: the zip cannot be written; nothing of it is left.
    """
    there = [picture for picture in pictures if picture.there]
    if not there:
        raise InvalidRequest("None of these pictures' files is there any more.", "Their settings are kept; use those.")
    if sum(Path(picture.path).stat().st_size for picture in there) > MOST_BYTES:
        raise InvalidRequest("These pictures are over 2 GiB together.", "Choose fewer.")
    partial = target.with_suffix(f".{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:  # a PNG does not get smaller
            for picture in there:
                archive.write(picture.path, _name(picture))
            archive.writestr("pictures.csv", _table(there))
        os.replace(partial, target)
    except OSError as error:
        raise PlaygroundError(
            f"The zip could not be written: {error.strerror or error}.", "Free some space; the pictures are as before."
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return [picture for picture in pictures if picture not in there]


def _name(picture: Kept) -> str:
    path = Path(picture.path)
    return f"{picture.created:%Y-%m-%d}-{picture.id[:8]}-{path.stem[:60]}{path.suffix}"


def _table(pictures: Sequence[Kept]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for p in pictures:
        row = (_name(p), p.model, p.prompt, p.seed, p.width, p.height, p.score, p.favourite, p.created.isoformat(),
               p.parameters)  # fmt: skip
        writer.writerow([f"'{v}" if isinstance(v, str) and v[:1] in ("=", "+", "-", "@") else v for v in row])
    return out.getvalue()
