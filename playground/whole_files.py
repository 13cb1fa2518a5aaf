"""Files that are written whole or not at all, so that no reader ever finds half of one."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` at `path`, in the place of what was there; makes the folders that it lies in.

    The bytes go into a file of a name of its own first, so that writers of one path do not meet.

    Raises:
        OSError: the file cannot be written; `path` is then as it was, and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
