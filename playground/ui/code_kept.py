"""Planned projects on the disk: request, plan and files of each, under its owner, so that a reload loses nothing.

A project is a JSON file that is replaced whole. Changes go through `change`, one at a time, since the plan is edited
while other files are written. Knows no page and no model.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from playground.attach.documents import Document
from playground.errors import InvalidRequest
from playground.settings import Settings
from playground.ui.code_writing import Part
from playground.ui.outputs import outputs_folder
from playground.whole_files import write_whole

log = logging.getLogger(__name__)

SCHEMA = 1
MOST_PROJECTS = 20  # of one owner; the oldest goes first
MOST_FILES = 1000  # of all owners: a public page sees many
PROJECT = re.compile(r"[0-9a-f]{32}")
MOST_TITLE = 60


@dataclass(frozen=True)
class Project:
    """`plan` is text as it stands in the editor, valid or not; `files` also those that it has no more."""

    id: str
    message: str = ""
    model: str = ""
    plan: str = ""
    files: Mapping[str, Part] = field(default_factory=dict)
    outline: Document | None = None

    @property
    def title(self) -> str:
        """Its request in one short line."""
        line = " ".join(self.message.split()) or ", ".join(self.files) or "A plan without a request"
        return line if len(line) <= MOST_TITLE else line[: MOST_TITLE - 1] + "…"


class Projects:
    """The projects of all owners. Its methods read and write files: call them from a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def begun(self, owner: str, **fields: Any) -> Project:
        """A new project, kept."""
        project = Project(secrets.token_hex(16), **fields)
        with self._lock:
            self._write(owner, project)
            self._prune(owner)
        return project

    def change(self, owner: str, project_id: str, how: Callable[[Project], Project]) -> Project:
        """The project as `how` changed it, kept.

        Raises:
            InvalidRequest: the owner has no such project.
        """
        with self._lock:
            before = self._read(owner, project_id)
            after = how(before)
            if after != before:
                self._write(owner, after)
        return after

    def found(self, owner: str, project_id: str) -> Project:
        """The project.

        Raises:
            InvalidRequest: the owner has no such project, or it cannot be read.
        """
        return self._read(owner, project_id)

    def last(self, owner: str) -> Project | None:
        """The one that was changed last; None where there is none. What cannot be read is passed over and logged."""
        return next(iter(self.listed(owner)), None)

    def listed(self, owner: str) -> list[Project]:
        """All, the last changed first."""
        projects = []
        for path in self._paths(owner):
            try:
                projects.append(_read(path))
            except FileNotFoundError:  # deleted meanwhile
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("a planned project cannot be read: %s", error)
        return projects

    def delete(self, owner: str, project_id: str) -> None:
        """Deletes it; a project that is not there is none."""
        if PROJECT.fullmatch(project_id):
            with self._lock:
                (self._of(owner) / f"{project_id}.json").unlink(missing_ok=True)

    def _of(self, owner: str) -> Path:
        """A folder whose name tells nobody whose it is."""
        return self._folder / hashlib.sha256(owner.encode()).hexdigest()[:32]

    def _paths(self, owner: str) -> list[Path]:
        return _newest_first(list(self._of(owner).glob("*.json")))

    def _read(self, owner: str, project_id: str) -> Project:
        gone = InvalidRequest("This project is not there any more.", "Plan it again, or open another.")
        if not PROJECT.fullmatch(str(project_id)):
            raise gone
        try:
            return _read(self._of(owner) / f"{project_id}.json")
        except FileNotFoundError:
            raise gone from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidRequest(f"The project cannot be read: {error}.", "Plan it again, or open another.") from None

    def _write(self, owner: str, project: Project) -> None:
        text = json.dumps({"schema": SCHEMA} | asdict(project), ensure_ascii=False)
        # "replace", since a model may write half a character.
        write_whole(self._of(owner) / f"{project.id}.json", text.encode("utf-8", "replace"))

    def _prune(self, owner: str) -> None:
        for path in self._paths(owner)[MOST_PROJECTS:]:
            path.unlink(missing_ok=True)
        for path in _newest_first(list(self._folder.glob("*/*.json")))[MOST_FILES:]:
            path.unlink(missing_ok=True)


def _newest_first(paths: list[Path]) -> list[Path]:
    dated = []
    for path in paths:
        try:
            dated.append((path.stat().st_mtime_ns, path))
        except FileNotFoundError:
            continue
    return [path for _, path in sorted(dated, key=lambda one: one[0], reverse=True)]


def _read(path: Path) -> Project:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found.pop("schema") != SCHEMA:
        raise ValueError(f"it is not of version {SCHEMA}")
    files = {name: Part(**part | {"missing": tuple(part["missing"])}) for name, part in found.pop("files").items()}
    outline = found.pop("outline")
    document = None if outline is None else Document(**outline | {"notes": tuple(outline["notes"])})
    return Project(**found, files=files, outline=document)


def with_files(project: Project, parts: Mapping[str, Part]) -> Project:
    """The project with what there is of these files; without what is being written at this moment.

    A whole file stays where this one is none: another page of the same owner may have finished it.
    """
    files = dict(project.files)
    for path, part in parts.items():
        before = files.get(path)
        worse = part.error and before is not None and before.kept and not before.error
        if part.kept and part.state != "writing" and not worse:
            files[path] = replace(part, live="")
    return replace(project, files=files)


def save_zip(settings: Settings, data: bytes, title: str) -> Path | None:
    """The zip in the outputs folder, under a name that only its content tells; None where there is no file."""
    if not data:
        return None
    folder = outputs_folder(settings) / "code" / hashlib.sha256(data).hexdigest()[:32]
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in title[:200].lower()).split()
    path = folder / f"{'-'.join(words)[:40].strip('-') or 'project'}.zip"
    if not path.exists():
        write_whole(path, data)
    return path
