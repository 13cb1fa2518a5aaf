"""The files of an answer as a zip: the same bytes for the same files. Touches no disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from playground.code.files import CodeFile, safe_path
from playground.errors import InvalidRequest

FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold, so that the same files give the same zip


def packed(files: Sequence[CodeFile]) -> bytes:
    """The zip.

    Raises:
        InvalidRequest: there are no files, a path leads outside, or two files would lie in one place.
    """
    if not files:
        raise InvalidRequest("There is no file to pack.", "Ask for code with the name of each file above its block.")
    paths = [file.path for file in files]
    out = io.BytesIO()
    folders = {path[:i] for path in paths for i, c in enumerate(path) if c == "/"}
    twice = next((path for path in paths if paths.count(path) > 1 or path in folders), None)
    if twice is not None:
        raise InvalidRequest(f"Two files would lie at {twice!r}.", "Rename one of them.")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            if safe_path(file.path) != file.path:
                raise InvalidRequest(f"The path {file.path[:100]!r} leads outside of the project.", "Rename the file.")
            entry = zipfile.ZipInfo(file.path, FIRST_MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.text.encode("utf-8", "replace"))
    return out.getvalue()
