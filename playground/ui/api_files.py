"""Files that cross the API: what a caller uploaded comes in as bytes, what was made goes out as a download.

A file arrives as a dict whatever the function's hint says, and gradio passes a bare `{"path": …}` through unchecked; so
nothing is read unless it was uploaded in this app's upload folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradio.data_classes import FileData
from gradio.utils import get_upload_folder

from playground.errors import InvalidRequest

MAX_BYTES = 20_000_000
MAX_FILES = 32  # of one message


def uploaded(value: Any, what: str) -> bytes | None:
    """The bytes of an uploaded file, None where none was given.

    Raises:
        InvalidRequest: `value` is no uploaded file, lies outside the upload folder or is over 20 MB.
    """
    path = uploaded_path(value, what)
    if path is None:
        return None
    if path.stat().st_size > MAX_BYTES:
        raise InvalidRequest(f"The {what} has {path.stat().st_size / 1e6:.0f} MB; the limit is 20 MB.", "Shrink it.")
    return path.read_bytes()


def uploaded_path(value: Any, what: str) -> Path | None:
    """Where an uploaded file lies, of any size that the server took; None where none was given.

    Raises:
        InvalidRequest: `value` is no uploaded file or lies outside the upload folder.
    """
    if value is None or value == "":
        return None
    hint = "Upload it, with gradio_client by handle_file(path)."
    if not isinstance(value, dict) or (value.get("meta") or {}).get("_type") != "gradio.FileData":
        raise InvalidRequest(f"The {what} is not an uploaded file.", hint)
    path = Path(str(value.get("path", ""))).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
        raise InvalidRequest(f"The {what} is not an uploaded file.", hint)
    return path


def all_uploaded(values: Any, what: str) -> tuple[bytes, ...]:
    """The bytes of a list of uploaded files, or of one; () where none was given.

    Raises:
        InvalidRequest: as `uploaded`, or there are more than 32.
    """
    rows = values if isinstance(values, list) else [values]
    if len(rows) > MAX_FILES:
        raise InvalidRequest(f"A message holds {len(rows)} files; at most {MAX_FILES} are taken.", "Send fewer.")
    found = [uploaded(value, what) for value in rows]
    return tuple(data for data in found if data is not None)


def downloadable(path: Path) -> dict[str, Any]:
    """A finished file as gradio's file dict; the file must lie in the outputs folder."""
    return FileData(path=str(path), orig_name=path.name, mime_type="image/png").model_dump()
