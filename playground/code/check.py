"""A check over all files of an answer by their syntax trees: nothing is run, nothing is imported.

Found are syntax errors, imports that lead nowhere, names that nothing defines, and files that import each other in a
circle. What cannot be told for sure (a star import from elsewhere, exec) is said and not guessed. JSON and TOML files
are parsed, too.
"""

from __future__ import annotations

import ast
import json
import sys
import tomllib
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from playground.code.declared import declared
from playground.code.files import CodeFile
from playground.code.modules import Import, Project, cycles, imports_of
from playground.code.names import Names, names_of

Kind = Literal["syntax", "import", "name", "cycle", "note"]

MOST_BYTES = 2**20

NOT_OURS = "<answer>"
# What the parser warns of in such a file is nothing that this app's log should hold. A filter for good, since the
# temporary ones of `warnings` are not safe among threads.
warnings.filterwarnings("ignore", module=NOT_OURS)

MODULE_NAMES = {"__name__", "__file__", "__doc__", "__path__", "__all__", "__dict__", "__package__", "__spec__"}


@dataclass(frozen=True)
class Problem:
    """One finding; `line` from 1, 0 where it belongs to the whole file. A "note" is no mistake."""

    path: str
    line: int
    kind: Kind
    text: str


@dataclass(frozen=True)
class Report:
    """What the check found; `checked` counts the files that it could judge, `grammar` is the Python that it knows."""

    problems: tuple[Problem, ...]
    checked: int
    files: int
    grammar: str

    @property
    def ok(self) -> bool:
        """Whether there is no mistake; notes are none."""
        return all(problem.kind == "note" for problem in self.problems)

    @property
    def summary(self) -> str:
        """One line: 3 of 4 files checked with Python 3.11: 1 syntax error, 2 unresolved imports."""
        names = {
            "syntax": "syntax error",
            "import": "unresolved import",
            "name": "undefined name",
            "cycle": "import cycle",
        }
        counts = {kind: sum(problem.kind == kind for problem in self.problems) for kind in names}
        told = [f"{n} {names[kind]}{'s' if n > 1 else ''}" for kind, n in counts.items() if n]
        found = ", ".join(told) or "no problem found"
        return f"{self.checked} of {self.files} files checked with Python {self.grammar}: {found}."


@dataclass(frozen=True)
class _Parsed:
    tree: ast.Module
    imports: tuple[Import, ...]
    names: Names


def check(files: Sequence[CodeFile], available: Collection[str] = ()) -> Report:
    """The findings over these files, by path and line.

    Args:
        available: top-level names of modules that are installed where the code shall run, beside the standard library
            and what the files' own requirements.txt and pyproject.toml declare.
    """
    problems: list[Problem] = []
    parsed: dict[str, _Parsed] = {}
    checked = 0
    for file in files:
        found = _parse(file, parsed)
        if found is not None:
            checked += 1
            problems += found
    project = Project([file.path for file in files])
    known = {*sys.stdlib_module_names, *available, *declared(files)}
    for path, one in parsed.items():
        problems += _imports(path, one, parsed, project, known)
        problems += _names(path, one, parsed, project)
    problems += _cycles(parsed, project)
    ordered = sorted(set(problems), key=lambda problem: (problem.path, problem.line, problem.kind, problem.text))
    return Report(tuple(ordered), checked, len(files), ".".join(map(str, sys.version_info[:2])))


# --- syntax --------------------------------------------------------------------------------------------------------


def _parse(file: CodeFile, parsed: dict[str, _Parsed]) -> list[Problem] | None:
    """The syntax errors of a file, which is put to the parsed ones if it has none; None for a form unknown here."""
    ending = file.path.rsplit(".", 1)[-1].lower()
    if ending not in ("py", "pyi", "json", "toml"):
        return None
    if len(file.text) > MOST_BYTES:
        return [
            Problem(file.path, 0, "note", f"The file is larger than {MOST_BYTES // 2**20} MiB and was not checked.")
        ]
    try:
        if ending == "json":
            json.loads(file.text)
        elif ending == "toml":
            tomllib.loads(file.text)
        else:
            parsed[file.path] = _python(file)
    except SyntaxError as error:
        return [Problem(file.path, error.lineno or 0, "syntax", f"{error.msg}.".capitalize())]
    except json.JSONDecodeError as error:
        return [Problem(file.path, error.lineno, "syntax", f"{error.msg}.")]
    except tomllib.TOMLDecodeError as error:
        return [Problem(file.path, 0, "syntax", f"{error}.")]
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return [Problem(file.path, 0, "syntax", "The file is nested too deep or holds characters that no code can.")]
    return []


def _python(file: CodeFile) -> _Parsed:
    tree = ast.parse(file.text, NOT_OURS)
    # What the grammar lets pass and the compiler does not: return outside of a function, two arguments of one name.
    compile(tree, NOT_OURS, "exec", dont_inherit=True)
    return _Parsed(tree, tuple(imports_of(tree)), names_of(tree))


# --- imports -------------------------------------------------------------------------------------------------------


def _imports(
    path: str, one: _Parsed, parsed: dict[str, _Parsed], project: Project, known: Collection[str]
) -> Iterator[Problem]:
    for imported in one.imports:
        place = project.found(imported, path)
        if place is None:
            text = _unresolved(imported, path, project, known)
            if text and not imported.optional:
                yield Problem(path, imported.line, "import", text)
        elif imported.name not in ("", "*") and project.inside(place, imported.name) is None:
            told = _defines(place, imported.name, parsed, project)
            if told is False and not imported.optional:
                yield Problem(path, imported.line, "import", f"{place} has no {imported.name!r}.")


def _unresolved(imported: Import, path: str, project: Project, known: Collection[str]) -> str:
    """Why an import that leads to no file is a mistake; '' where it is none."""
    if imported.level:
        return f"{imported.written!r} leads to no file of this project."
    first = imported.module.split(".", 1)[0]
    if first in known:
        return ""
    if project.begins(imported.module, path):
        return f"{imported.module!r} leads to no file of this project."
    return f"{first!r} is no file of this project, not part of Python, and not declared as a requirement."


def _defines(place: str, name: str, parsed: dict[str, _Parsed], project: Project) -> bool | None:
    """Whether a file defines a name; None where that cannot be told."""
    names, sure = _all_names(place, parsed, project, set())
    if name in names or name in MODULE_NAMES or "__getattr__" in names:
        return True
    return False if sure else None


def _all_names(place: str, parsed: dict[str, _Parsed], project: Project, seen: set[str]) -> tuple[set[str], bool]:
    """The names that a file defines, stars of the project included, and whether these are surely all."""
    if place in seen:
        return set(), True
    seen.add(place)
    one = parsed.get(place)
    if one is None:  # a folder has no names; a file with a syntax error may have any
        return set(), place not in project.paths
    names, sure = set(one.names.defined), not one.names.dynamic
    for imported in one.imports:
        if imported.name == "*":
            target = project.found(imported, place)
            more, all_told = _exported(target, parsed, project, seen) if target else (set(), False)
            names |= more
            sure = sure and all_told
    return names, sure


def _exported(place: str, parsed: dict[str, _Parsed], project: Project, seen: set[str]) -> tuple[set[str], bool]:
    """The names that a star takes from a file: those in `__all__`, or those without an underscore in front."""
    one = parsed.get(place)
    if one is not None and one.names.listed is not None:
        return set(one.names.listed), True
    names, sure = _all_names(place, parsed, project, seen)
    return {name for name in names if not name.startswith("_")}, sure


# --- names ---------------------------------------------------------------------------------------------------------


def _names(path: str, one: _Parsed, parsed: dict[str, _Parsed], project: Project) -> Iterator[Problem]:
    names, sure = _all_names(path, parsed, project, set())
    if one.names.stars and not sure:
        stars = ", ".join(one.names.stars)
        text = f"All names are taken from {stars}, so names that nothing defines cannot be found here."
        yield Problem(path, 0, "note", text)
        return
    if one.names.dynamic:
        yield Problem(path, 0, "note", "Names are made while the code runs, so missing ones cannot be found here.")
        return
    for missing in one.names.missing:
        if missing.name not in names:
            yield Problem(path, missing.line, "name", f"{missing.name!r} is not defined.")
    for missing in one.names.unlisted:
        if missing.name not in names and project.inside(path, missing.name) is None:
            yield Problem(path, missing.line, "name", f"__all__ names {missing.name!r}, which is not defined.")


# --- cycles --------------------------------------------------------------------------------------------------------


def _cycles(parsed: dict[str, _Parsed], project: Project) -> Iterator[Problem]:
    edges: dict[str, set[str]] = {}
    lines: dict[tuple[str, str], int] = {}
    for path, one in parsed.items():
        edges[path] = set()
        for imported in one.imports:
            for target in project.targets(imported, path) if not imported.late else ():
                edges[path].add(target)
                line = lines.setdefault((path, target), imported.line)
                lines[path, target] = min(line, imported.line)
    for circle in cycles(edges):
        text = f"The files import each other in a circle: {' -> '.join(circle)}."
        yield Problem(circle[0], lines[circle[0], circle[1]], "cycle", text)
