"""The plan of a project: its files, and what each exports and takes from others. Editable data; asks no model.

A plan is checked as a whole before a file is written: paths stay inside of the project, what a file takes is exported
by the file that it names, and files do not wait for each other in a circle.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from playground.code.files import MOST_PATH, safe_path
from playground.code.modules import cycles
from playground.errors import InvalidRequest

MOST_FILES = 40
MOST_NAMES = 60
MOST_TEXT = 400
MOST_NAME = 80
MOST_JSON = 200_000
_FENCED = re.compile(r"(?P<fence>`{3,}|~{3,})[^\n`]*\n(?P<inside>.*)\n[ \t]*(?P=fence)", re.DOTALL)


def _texts(length: int, most: int, description: str) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": length},
        "maxItems": most,
        "description": description,
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_PATH = {"type": "string", "minLength": 1, "maxLength": MOST_PATH, "description": "relative path, with slashes"}
_IMPORT = _object({"path": _PATH, "names": _texts(MOST_NAME, MOST_NAMES, "names that this file takes from there")})
_FILE = _object(
    {
        "path": _PATH,
        "purpose": {"type": "string", "maxLength": MOST_TEXT, "description": "what the file is for, in one sentence"},
        "exports": _texts(MOST_NAME, MOST_NAMES, "functions, classes and values that others may use"),
        "imports": {
            "type": "array",
            "items": _IMPORT,
            "maxItems": MOST_FILES,
            "description": "what it takes from other files of this plan",
        },
    }
)
SCHEMA = _object(
    {
        "files": {"type": "array", "items": _FILE, "minItems": 1, "maxItems": MOST_FILES},
        "packages": _texts(MOST_NAME, MOST_NAMES, "packages that have to be installed, without the standard library"),
    }
)
PLAN_SCHEMA = json.dumps(SCHEMA)  # for `ChatRequest.json_schema`


@dataclass(frozen=True)
class PlannedImport:
    """Names that a file takes from the file at `path`; none of them means the file as a whole."""

    path: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedFile:
    """One file; `exports` are the names that others may take from it."""

    path: str
    purpose: str = ""
    exports: tuple[str, ...] = ()
    imports: tuple[PlannedImport, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Files in the order in which they are shown; `packages` are installed from elsewhere."""

    files: tuple[PlannedFile, ...]
    packages: tuple[str, ...] = ()

    def file(self, path: str) -> PlannedFile | None:
        return next((file for file in self.files if file.path == path), None)


def plan_as_json(plan: Plan) -> str:
    """The plan for people to edit; `plan_from_json` reads it back."""
    return json.dumps(asdict(plan), ensure_ascii=False, indent=2)


def plan_from_json(text: object) -> Plan:
    """A plan as a model or a person wrote it, also in a fenced block; whether it holds together tells `problems_of`.

    Raises:
        InvalidRequest: it is not JSON, or has not the form of PLAN_SCHEMA; names the place.
    """
    from jsonschema import Draft202012Validator

    if not isinstance(text, str) or len(text) > MOST_JSON:
        raise InvalidRequest(f"A plan must be JSON text of at most {MOST_JSON:,} characters.", "Shorten it.")
    try:
        found = json.loads(_unfenced(text))
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The plan is not JSON: {error}.", "Correct it, or ask for it again.") from None
    errors = sorted(Draft202012Validator(SCHEMA).iter_errors(found), key=lambda error: list(map(str, error.path)))
    if errors:
        place = "/".join(map(str, errors[0].path)) or "its top"
        raise InvalidRequest(f"The plan is wrong at {place}: {errors[0].message[:200]}.", "Correct it there.")
    return Plan(tuple(map(_file, found["files"])), tuple(found["packages"]))


def _unfenced(text: str) -> str:
    fenced = _FENCED.fullmatch(text.strip())
    return text if fenced is None else fenced["inside"]


def _file(row: Mapping[str, Any]) -> PlannedFile:
    imports = tuple(PlannedImport(_path(one["path"]), tuple(one["names"])) for one in row["imports"])
    return PlannedFile(_path(row["path"]), row["purpose"], tuple(row["exports"]), imports)


def _path(written: str) -> str:
    """The path as it is compared: ./a.py is a.py. What leads outside stays as it is, to be told."""
    return safe_path(written) or written


def problems_of(plan: Plan, *, allow_cycles: bool = False) -> list[str]:
    """What is wrong with a plan, one sentence each; nothing can be written before these are gone."""
    found: list[str] = []
    places: dict[str, str] = {}
    folders = {str(folder).lower() for file in plan.files for folder in PurePosixPath(file.path).parents}
    if not plan.files:
        found.append("The plan has no files.")
    for file in plan.files:
        if safe_path(file.path) != file.path:
            found.append(f"The path {file.path[:100]!r} leads outside of the project.")
        if file.path.lower() in places:
            found.append(f"Two files would lie at {file.path!r}.")
        elif file.path.lower() in folders:
            found.append(f"{file.path!r} is a file and a folder.")
        places[file.path.lower()] = file.path
        found += [f"{file.path} exports {name!r} twice." for name in sorted(_twice(file.exports))]
        if file.path.endswith(".py"):
            found += [f"{file.path} exports {n!r}, which is no name." for n in file.exports if not n.isidentifier()]
        for imported in file.imports:
            found += _of_import(plan, file, imported)
    if not allow_cycles:
        for circle in cycles(_edges(plan)):
            if len(circle) > 2:  # one file alone is told above
                found.append(f"The files wait for each other in a circle: {' -> '.join(circle)}.")
    return list(dict.fromkeys(found))


def _of_import(plan: Plan, file: PlannedFile, imported: PlannedImport) -> list[str]:
    source = plan.file(imported.path)
    if imported.path == file.path:
        return [f"{file.path} takes names from itself."]
    if source is None:
        return [f"{file.path} takes names from {imported.path}, which the plan does not have."]
    lacking = [name for name in imported.names if name not in source.exports]
    return [f"{file.path} takes {name!r} from {source.path}, which does not export it." for name in lacking]


def _twice(names: tuple[str, ...]) -> set[str]:
    return {name for name in names if names.count(name) > 1}


def _edges(plan: Plan) -> dict[str, set[str]]:
    return {file.path: {imported.path for imported in file.imports} for file in plan.files}


def in_order(plan: Plan) -> list[PlannedFile]:
    """The files so that each comes after those that it takes names from; else in the order of the plan.

    Of files in a circle, the one that waits for fewest others comes first.
    """
    waiting = {file.path: file for file in plan.files}
    edges = _edges(plan)
    found: list[PlannedFile] = []
    while waiting:
        path = min(waiting, key=lambda path: len(edges[path] & (waiting.keys() - {path})))  # the first of the least
        found.append(waiting.pop(path))
    return found
