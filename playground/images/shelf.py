"""What each owner keeps by name, as one JSON file an owner below the data folder: chains, and presets of the form.

Files are named by a hash of the owner and replaced whole, so that half of one is never read. Knows nothing of what a
value means; whoever takes one out checks it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from playground.errors import InvalidRequest, PlaygroundError

VERSION = 1
MOST_ENTRIES = 200
MOST_NAME = 80
MOST_BYTES = 30_000_000
_LOCK = threading.Lock()  # one for all files, which are small


class Shelf:
    """The kept things of one kind; `what` names one of them ("chain").

    Raises (in every method):
        InvalidRequest: the owner or a name is empty or too long, or there is nothing of this name.
        PlaygroundError: the file cannot be read or written.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self._folder, self._what = folder, what

    def names(self, owner: str) -> list[str]:
        """The names of what the owner keeps, in their order."""
        with _LOCK:
            return sorted(self._read(owner), key=str.casefold)

    def get(self, owner: str, name: str) -> Any:
        """One value, as it was put."""
        with _LOCK:
            return self._known(self._read(owner), name)

    def put(self, owner: str, name: str, value: Any) -> str:
        """Keeps a JSON value under a name, in place of an earlier one; returns the name as it is kept."""
        name = self._name(name)
        with _LOCK:
            entries = self._read(owner)
            if name not in entries and len(entries) >= MOST_ENTRIES:
                raise InvalidRequest(f"There are {MOST_ENTRIES} {self._what}s of yours already.", "Delete some first.")
            self._write(owner, entries | {name: value})
        return name

    def rename(self, owner: str, name: str, new: str) -> str:
        """Gives something another name, which nothing else has; returns it as it is kept."""
        new = self._name(new)
        with _LOCK:
            entries = self._read(owner)
            value = self._known(entries, name)
            if new != name and new in entries:
                raise InvalidRequest(f"There is a {self._what} {new!r} of yours already.", "Choose another name.")
            del entries[name]
            self._write(owner, entries | {new: value})
        return new

    def delete(self, owner: str, name: str) -> None:
        """Forgets one."""
        with _LOCK:
            entries = self._read(owner)
            self._known(entries, name)
            del entries[name]
            self._write(owner, entries)

    def _known(self, entries: dict[str, Any], name: object) -> Any:
        if not isinstance(name, str) or name not in entries:
            raise InvalidRequest(f"There is no {self._what} {str(name)[:MOST_NAME]!r} of yours.", "Reload the list.")
        return entries[name]

    def _name(self, name: object) -> str:
        line = " ".join(str(name).split()) if isinstance(name, str) else ""
        if not 1 <= len(line) <= MOST_NAME:
            raise InvalidRequest(
                f"A {self._what}'s name has 1 to {MOST_NAME} characters, got {len(line)}.", "Name it shortly."
            )
        return line.encode("utf-8", "replace").decode("utf-8")

    def _path(self, owner: str) -> Path:
        if not owner:  # an empty owner would be shared by everyone who has no name
            raise InvalidRequest(f"Every {self._what} needs an owner, got ''.", "Reload the page for a new session.")
        return self._folder / f"{hashlib.sha256(owner.encode()).hexdigest()[:32]}.json"

    def _read(self, owner: str) -> dict[str, Any]:
        path = self._path(owner)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise self._damaged(path)
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise PlaygroundError(f"The {self._what}s cannot be read: {error.strerror or error}.") from None
        except (ValueError, RecursionError):
            raise self._damaged(path) from None
        entries = found.get("entries") if isinstance(found, dict) and found.get("version") == VERSION else None
        if not isinstance(entries, dict):
            raise self._damaged(path)
        return entries

    def _write(self, owner: str, entries: dict[str, Any]) -> None:
        path = self._path(owner)
        partial = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
        text = json.dumps({"version": VERSION, "entries": entries}, ensure_ascii=False, allow_nan=False)
        if len(text) > MOST_BYTES // 4:
            raise InvalidRequest(f"Your {self._what}s take {len(text) / 1e6:.0f} MB in all.", "Delete some first.")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise PlaygroundError(
                f"The {self._what} could not be kept: {error.strerror or error}.", "What was kept before is as it was."
            ) from None

    def _damaged(self, path: Path) -> PlaygroundError:
        return PlaygroundError(
            f"The file of your {self._what}s, {path.name}, is damaged.", "Move it away, and they can be kept anew."
        )
