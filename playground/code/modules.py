"""Which file of a project an import means, and which files import each other in a circle. Knows paths and syntax trees.

Where a project starts is not known, so a module is looked for from the top, from `src`, from every folder that is no
package, and beside the file that imports it, as Python does for a script. Reads nothing but what it is handed.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True)
class Import:
    """One import as written: `module` without its leading dots, of which there were `level`.

    `name` is what is taken from it ('' for `import module`, "*" for all). `late` ones run inside of a function or for a
    type checker alone; `optional` ones stand where a failure is caught.
    """

    module: str
    name: str
    level: int
    line: int
    late: bool = False
    optional: bool = False

    @property
    def written(self) -> str:
        """..pkg.module"""
        return "." * self.level + self.module


def imports_of(tree: ast.Module) -> list[Import]:
    """Every import of a file, in no order."""
    found: list[Import] = []
    waiting: list[tuple[ast.AST, bool, bool]] = [(tree, False, False)]
    while waiting:
        node, late, optional = waiting.pop()
        if isinstance(node, ast.Import):
            found += [Import(alias.name, "", 0, node.lineno, late, optional) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found.append(Import(node.module or "", alias.name, node.level, node.lineno, late, optional))
        elif isinstance(node, ast.Try | ast.TryStar):
            caught = optional or any(_catches_imports(handler) for handler in node.handlers)
            waiting += [(child, late, caught) for child in node.body]
            # What a handler imports instead may fail like what it replaces.
            waiting += [(child, late, caught) for child in node.handlers]
            waiting += [(child, late, optional) for child in (*node.orelse, *node.finalbody)]
        elif isinstance(node, ast.If) and _for_type_checkers(node.test):
            waiting += [(child, True, optional) for child in node.body]
            waiting += [(child, late, optional) for child in node.orelse]
        elif not isinstance(node, ast.expr):
            inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            waiting += [(child, inside, optional) for child in ast.iter_child_nodes(node)]
    return found


class Project:
    """The Python files of a project by the names under which they can be imported."""

    def __init__(self, paths: Collection[str]) -> None:
        self.paths = frozenset(path for path in paths if path.endswith((".py", ".pyi")))
        self._folders = {str(folder) for path in self.paths for folder in PurePosixPath(path).parents}
        packages = {str(PurePosixPath(p).parent) for p in self.paths if PurePosixPath(p).stem == "__init__"}
        self._roots = sorted({".", *(self._folders - packages)})

    def place(self, module: str, root: str) -> str | None:
        """The file or folder of a dotted module below a folder: a path of a file, or a folder's path without `.py`."""
        base = str(PurePosixPath(root, *module.split("."))) if module else root
        for path in (f"{base}.py", f"{base}/__init__.py", f"{base}.pyi", f"{base}/__init__.pyi"):
            if (path := path.removeprefix("./")) in self.paths:
                return path
        return base if base in self._folders else None

    def found(self, imported: Import, importer: str) -> str | None:
        """Where the module of this import lies, None where it is not part of the project."""
        here = PurePosixPath(importer).parent
        if imported.level:
            for _ in range(imported.level - 1):
                if str(here) == ".":
                    return None
                here = here.parent
            return self.place(imported.module, str(here))
        for root in (str(here), *self._roots):
            place = self.place(imported.module, root)
            if place is not None:
                return place
        return None

    def begins(self, module: str, importer: str) -> bool:
        """Whether the first part of a dotted module is a file or folder of the project."""
        first = module.split(".", 1)[0]
        roots = (str(PurePosixPath(importer).parent), *self._roots)
        return any(self.place(first, root) is not None for root in roots)

    def inside(self, place: str, name: str) -> str | None:
        """The submodule of this name of a package or folder, None where it has none."""
        folder = PurePosixPath(place)
        if place in self.paths:
            if folder.stem != "__init__":
                return None
            folder = folder.parent
        return self.place(name, str(folder))

    def targets(self, imported: Import, importer: str) -> Iterator[str]:
        """The files that this import runs: the submodule that it names, else the module itself."""
        place = self.found(imported, importer)
        if place is None:
            return
        inside = self.inside(place, imported.name) if imported.name not in ("", "*") else None
        for path in (inside, place) if inside is None or inside not in self.paths else (inside,):
            if path in self.paths:
                yield str(path)
                return


def cycles(edges: Mapping[str, Collection[str]]) -> list[list[str]]:
    """A shortest circle of imports for each group of files that import each other, each begun at its first path.

    The groups are the strongly connected components (Tarjan, 1972), found without recursion.
    """
    found = []
    for group in _groups(edges):
        first = min(group)
        if len(group) > 1 or first in edges.get(first, ()):
            found.append(_circle(first, group, edges))
    return sorted(found)


def _groups(edges: Mapping[str, Collection[str]]) -> list[set[str]]:
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    groups: list[set[str]] = []
    for start in edges:
        if start in index:
            continue
        work = [(start, iter(sorted(edges.get(start, ()))))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group: set[str] = set()
                    while node not in group:
                        group.add(stack.pop())
                    on_stack -= group
                    groups.append(group)
            elif following not in index:
                index[following] = low[following] = len(index)
                stack.append(following)
                on_stack.add(following)
                work.append((following, iter(sorted(edges.get(following, ())))))
            elif following in on_stack:
                low[node] = min(low[node], index[following])
    return groups


def _circle(first: str, group: Collection[str], edges: Mapping[str, Collection[str]]) -> list[str]:
    """The shortest way from a file back to itself within its group."""
    ways = [[first]]
    seen: set[str] = set()
    for way in ways:
        for following in sorted(edges.get(way[-1], ())):
            if following == first:
                return [*way, first]
            if following in group and following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return [first]


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in CAUGHT) for kind in kinds)


def _for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"
