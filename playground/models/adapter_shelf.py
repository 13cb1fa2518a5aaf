"""The adapter files that lie here, by name: what each of them is, or why it cannot be used. No torch.

A file is known by its stem, in which upper and lower case are the same, as A1111 does it. Everybody reads the shared
folder and the one that the settings name; what somebody who logged in has added lies in a folder of their own.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from playground.errors import InvalidRequest, ModelUnavailable, PlaygroundError
from playground.models.adapter_files import InversionFile, LoraFile, read_adapter
from playground.models.checks import PICKLES, SINGLE_FILE
from playground.settings import Settings

FOLDER = "adapters"
OWNERS = "adapters-of"
MOST_FILES = 2_000
MOST_ADDED = 200  # files of one person
_NAME = re.compile(r"[\w ()+.@-]{1,100}")  # no sign of the tag that names it


@dataclass(frozen=True)
class Shelved:
    """One file. `file` is None where it cannot be used, and `reason` and `hint` say why; `own` is in a person's folder.

    `kind` is "lora", "embedding" or, for what cannot be read, "".
    """

    name: str
    path: Path
    bytes: int
    file: LoraFile | InversionFile | None
    reason: str = ""
    hint: str = ""
    own: bool = False

    @property
    def kind(self) -> str:
        if self.file is None:
            return ""
        return "lora" if isinstance(self.file, LoraFile) else "embedding"


class Shelf:
    """The files of some folders and of the folders in them; `own` is the one that a person fills."""

    def __init__(self, folders: Sequence[Path], own: Path | None = None) -> None:
        self.folders = tuple(folders)
        self.own = own

    def entries(self) -> list[Shelved]:
        """Every file, by name; of very many the first 2,000."""
        found = [
            _shelved(path, own=folder == self.own)
            for folder in (*self.folders, *([self.own] if self.own else []))
            for path in _files(folder)
        ]
        return sorted(found[:MOST_FILES], key=lambda one: (one.name.lower(), str(one.path)))

    def lora(self, name: str) -> Shelved:
        """The LoRA of this name.

        Raises:
            InvalidRequest: there is none, or there are several.
            ModelUnavailable: its file cannot be used.
        """
        entries = self.entries()
        found = [one for one in entries if one.name.lower() == name.strip().lower()]
        loras = [one for one in found if one.kind != "embedding"]
        if not loras and found:
            raise InvalidRequest(
                f"{found[0].name} is a textual inversion and no LoRA.",
                f"Write {found[0].name} as a word of the prompt.",
            )
        if not loras:
            raise InvalidRequest(f"There is no LoRA {name[:100]!r}.", near(name, entries) or self.where())
        one = sole(loras)
        if one.file is None:
            raise ModelUnavailable(one.reason, one.hint)
        return one

    def where(self) -> str:
        """A sentence on where files go."""
        return f"Put .safetensors files into {self.folders[0]}." if self.folders else "Add one first."

    def add(self, source: Path, name: str, folder: Path) -> Shelved:
        """Copies a checked file into `folder` as `name`.

        Raises:
            InvalidRequest: the name does not do or is taken, or the folder is full.
            ModelUnavailable: the file cannot be used, and why.
        """
        stem, ending = os.path.splitext(Path(name.replace("\\", "/")).name)
        if ending.lower() in PICKLES:
            raise ModelUnavailable(
                f"{stem[:100]}{ending} is a pickle, which can run code while it is read, so it is not taken.",
                "Take its .safetensors version.",
            )
        if not _NAME.fullmatch(stem) or ending.lower() != SINGLE_FILE:
            raise InvalidRequest(
                f"The file cannot be called {(stem + ending)[:100]!r}.",
                f"Use up to 100 letters, digits, spaces and ().+-_@, and the ending {SINGLE_FILE}.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        if any(one.name.lower() == stem.lower() for one in self.entries()):
            raise InvalidRequest(f"There is an adapter {stem} already.", "Rename the file.")
        if len(_files(folder)) >= MOST_ADDED:
            raise InvalidRequest(f"The folder holds {MOST_ADDED} files, which is the most.", "Remove some first.")
        path, partial = folder / f"{stem}{SINGLE_FILE}", folder / f".{stem}.part{SINGLE_FILE}"
        try:
            shutil.copyfile(source, partial)
            with _named(partial, path):
                read_adapter(partial)
            partial.replace(path)
        except OSError as error:
            raise PlaygroundError(
                f"{path.name} could not be kept: {error.strerror or error}.", "Free some space, then try again."
            ) from None
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        return _shelved(path, own=folder == self.own)


class _named:  # noqa: N801  (a context manager)
    """Errors on a file that has another name for the moment tell its real one."""

    def __init__(self, now: Path, then: Path) -> None:
        self._now, self._then = now.name, then.name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PlaygroundError):
            message, hint = (text.replace(self._now, self._then) for text in (error.message, error.hint))
            raise type(error)(message, hint) from None


def open_shelf(settings: Settings, owner: str = "") -> Shelf:
    """The shelf of `owner`: the shared folder, which is made where it is not there, the settings' and the owner's."""
    shared = settings.data_path / FOLDER
    shared.mkdir(exist_ok=True)
    more = [settings.adapters_dir.expanduser()] if settings.adapters_dir is not None else []
    return Shelf([shared, *more], _owners_folder(settings, owner))


def place_for(settings: Settings, owner: str) -> Path:
    """The folder into which `owner` may put files: the shared one where the app runs for its owner alone.

    Raises:
        InvalidRequest: nobody may here, or not without a login.
    """
    if settings.is_private:
        return settings.data_path / FOLDER
    folder = _owners_folder(settings, owner)
    if settings.profile == "public" or folder is None:
        raise InvalidRequest(
            "Adapters can be added only where the app runs for its owner alone, or by those who have logged in.",
            "Run the app yourself, or choose one from the list.",
        )
    return folder


def near(name: str, entries: Sequence[Shelved], kind: str = "lora") -> str:
    """A sentence with names that are like this one; empty where there are none."""
    names = {one.name.lower(): one.name for one in entries if one.kind == kind}
    found = difflib.get_close_matches(name.strip().lower(), names, n=3, cutoff=0.4) or list(names)[:3]
    return f"There are: {', '.join(names[one] for one in found)}." if found else ""


def sole(found: Sequence[Shelved]) -> Shelved:
    """The only one of files of one name.

    Raises:
        InvalidRequest: there are several.
    """
    if len(found) > 1:
        raise InvalidRequest(
            f"The name {found[0].name!r} is that of {len(found)} files: "
            f"{', '.join(f'{one.path.parent.name}/{one.path.name}' for one in found[:4])}.",
            "Rename all but one of them.",
        )
    return found[0]


def _owners_folder(settings: Settings, owner: str) -> Path | None:
    if not owner.startswith("user:"):
        return None
    return settings.data_path / OWNERS / hashlib.sha256(owner.encode()).hexdigest()[:32]


def _files(folder: Path) -> list[Path]:
    """What may be an adapter in a folder and those in it, sorted; no hidden files."""
    if not folder.is_dir():
        return []
    endings = PICKLES | {SINGLE_FILE}
    found = []
    for place, inside, names in os.walk(folder):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        found += [Path(place) / name for name in names if Path(name).suffix in endings and not name.startswith(".")]
        if len(found) >= MOST_FILES:
            break
    return sorted(found)[:MOST_FILES]


def _shelved(path: Path, *, own: bool) -> Shelved:
    try:
        status = path.stat()
    except OSError as error:
        return Shelved(path.stem, path, 0, None, f"{path.name} cannot be read: {error.strerror}.", own=own)
    file, reason, hint = _read(str(path), status.st_size, status.st_mtime_ns)
    return Shelved(path.stem, path, status.st_size, file, reason, hint, own)


@lru_cache(maxsize=2 * MOST_FILES)
def _read(path: str, size: int, changed: int) -> tuple[LoraFile | InversionFile | None, str, str]:
    """What the file is, read once while its size and time stay."""
    try:
        return read_adapter(Path(path)), "", ""
    except PlaygroundError as error:
        return None, error.message, error.hint
