"""Names of a Python file that nothing defines, found by walking its scopes as the language defines them.

Follows the Python reference, chapter 4.2 (naming and binding): classes are no enclosing scope for their methods, the
first iterable of a comprehension belongs outside, decorators, defaults and annotations belong to the scope around a
function. No order is followed: a name bound anywhere in a scope counts as defined there. Runs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from playground.code.scopes import Scope

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True)
class Missing:
    """A name that is used and defined nowhere; `line` is the first use."""

    name: str
    line: int


@dataclass(frozen=True)
class Names:
    """What a file's own scopes say.

    `defined`: names of the module's scope. `missing`: names that nothing defines. `unlisted`: names in `__all__` that
    the module does not have. `stars`: modules that it takes all names from, as written. `dynamic`: it makes names while
    it runs (exec, globals, enum.global_enum), so that `missing` is no more than a guess.
    """

    defined: frozenset[str]
    missing: tuple[Missing, ...]
    listed: tuple[str, ...] | None
    unlisted: tuple[Missing, ...]
    stars: tuple[str, ...]
    dynamic: bool


def names_of(tree: ast.Module) -> Names:
    """The names of a parsed file; RecursionError where it is nested without end."""
    module = Scope("module")
    walk = _Walk(module)
    walk.body(tree.body, module)
    walk.resolve()
    listed = _listed(tree)
    seen: dict[str, int] = {}
    for name, line in sorted(walk.missing, key=lambda found: found[1]):
        seen.setdefault(name, line)
    at = dict(listed or ())
    unlisted = tuple(Missing(name, line) for name, line in at.items() if name not in module.bound)
    return Names(
        frozenset(module.bound),
        tuple(Missing(name, line) for name, line in seen.items()),
        None if listed is None else tuple(at),
        unlisted,
        tuple(walk.stars),
        walk.dynamic,
    )


class _Walk:
    """Walks the statements of every scope; what they use is looked up once all bindings are known."""

    def __init__(self, module: Scope) -> None:
        self.scopes = [module]
        self.stars: dict[str, None] = {}
        self.dynamic = False
        self.missing: list[tuple[str, int]] = []

    def resolve(self) -> None:
        """Looks every used name up."""
        for scope in self.scopes:
            self.missing += [(name, line) for name, line in scope.used if not scope.finds(name)]

    def inner(self, kind: str, parent: Scope) -> Scope:
        scope = Scope(kind, parent)
        self.scopes.append(scope)
        return scope

    def body(self, statements: list[ast.stmt], scope: Scope) -> None:
        """A body of statements; what it declares global or nonlocal counts from its first line."""
        for node in _own(statements):
            if isinstance(node, ast.Global):
                scope.globals.update(node.names)
            elif isinstance(node, ast.Nonlocal):
                scope.nonlocals.update(node.names)
        for statement in statements:
            self.visit(statement, scope)

    def visit(self, node: ast.AST, scope: Scope) -> None:
        """One node in its scope; those that open a scope or bind a name have methods of their own."""
        method = _METHODS.get(type(node).__name__)
        if method:
            method(self, node, scope)
        else:
            self.children(node, scope)

    def children(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child, scope)

    def each(self, nodes: list[ast.expr | None] | list[ast.expr], scope: Scope) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node, scope)

    # --- names ---

    def name(self, node: ast.Name, scope: Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            scope.used.append((node.id, node.lineno))
        else:
            scope.bind(node.id)

    def named(self, node: ast.NamedExpr, scope: Scope) -> None:
        self.visit(node.value, scope)
        while scope.kind == "comprehension" and scope.parent:  # PEP 572: the name belongs to the scope around
            scope = scope.parent
        scope.bind(node.target.id)

    def augmented(self, node: ast.AugAssign, scope: Scope) -> None:
        self.visit(node.value, scope)
        self.visit(node.target, scope)

    def declared(self, node: ast.Global | ast.Nonlocal, scope: Scope) -> None:
        """Seen by `body`; that the name is bound somewhere is for the assignments to say."""

    def imported(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            scope.bind(alias.asname or alias.name.split(".", 1)[0])

    def imported_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.stars["." * node.level + (node.module or "")] = None
            else:
                scope.bind(alias.asname or alias.name)

    def except_handler(self, node: ast.ExceptHandler, scope: Scope) -> None:
        if node.name:
            scope.bind(node.name)
        self.children(node, scope)

    def match_as(self, node: ast.MatchAs, scope: Scope) -> None:
        if node.name:
            scope.bind(node.name)
        self.children(node, scope)

    def match_star(self, node: ast.MatchStar, scope: Scope) -> None:
        if node.name:
            scope.bind(node.name)

    def match_mapping(self, node: ast.MatchMapping, scope: Scope) -> None:
        if node.rest:
            scope.bind(node.rest)
        self.children(node, scope)

    def tried(self, node: ast.Try, scope: Scope) -> None:
        """Names that a handler of NameError waits for may be missing."""
        if any(_catches(handler, {"NameError", "UnboundLocalError"}) for handler in node.handlers):
            before = len(scope.used)
            for statement in node.body:
                self.visit(statement, scope)
            del scope.used[before:]
            for part in (*node.handlers, *node.orelse, *node.finalbody):
                self.visit(part, scope)
        else:
            self.children(node, scope)

    def call(self, node: ast.Call, scope: Scope) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in ("exec", "globals"):
            self.dynamic = True
        self.children(node, scope)

    # --- scopes ---

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        scope.bind(node.name)
        self.each(node.decorator_list, scope)
        self.each([*node.args.defaults, *node.args.kw_defaults], scope)
        around = self.type_parameters(node, scope)
        arguments = _arguments(node.args)
        self.each([argument.annotation for argument in arguments], around)
        self.each([node.returns], around)
        inside = self.inner("function", around)
        inside.bound.update(argument.arg for argument in arguments)
        self.body(node.body, inside)

    def nameless(self, node: ast.Lambda, scope: Scope) -> None:
        self.each([*node.args.defaults, *node.args.kw_defaults], scope)
        inside = self.inner("function", scope)
        inside.bound.update(argument.arg for argument in _arguments(node.args))
        self.visit(node.body, inside)

    def class_(self, node: ast.ClassDef, scope: Scope) -> None:
        scope.bind(node.name)
        self.each(node.decorator_list, scope)
        self.dynamic |= any(ast.unparse(one).endswith("global_enum") for one in node.decorator_list)
        around = self.type_parameters(node, scope)
        self.each(node.bases, around)
        self.each([keyword.value for keyword in node.keywords], around)
        self.body(node.body, self.inner("class", around))

    def type_alias(self, node: ast.AST, scope: Scope) -> None:
        self.visit(node.name, scope)  # type: ignore[attr-defined]
        self.visit(node.value, self.type_parameters(node, scope))  # type: ignore[attr-defined]

    def type_parameters(self, node: ast.AST, scope: Scope) -> Scope:
        """The scope in which the type parameters of Python 3.12 are bound, the scope itself where there are none."""
        parameters = getattr(node, "type_params", None)
        if not parameters:
            return scope
        around = self.inner("function", scope)
        for parameter in parameters:
            around.bound.add(parameter.name)
            self.children(parameter, around)
        return around

    def comprehension(self, node: Comprehension, scope: Scope) -> None:
        first, *others = node.generators
        self.visit(first.iter, scope)
        inside = self.inner("comprehension", scope)
        for generator in node.generators:
            self.visit(generator.target, inside)
        for generator in others:
            self.visit(generator.iter, inside)
        self.each([condition for generator in node.generators for condition in generator.ifs], inside)
        self.each([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], inside)


_METHODS: dict[str, Callable[[_Walk, Any, Scope], None]] = {
    "Name": _Walk.name,
    "NamedExpr": _Walk.named,
    "AugAssign": _Walk.augmented,
    "Global": _Walk.declared,
    "Nonlocal": _Walk.declared,
    "Import": _Walk.imported,
    "ImportFrom": _Walk.imported_from,
    "ExceptHandler": _Walk.except_handler,
    "MatchAs": _Walk.match_as,
    "MatchStar": _Walk.match_star,
    "MatchMapping": _Walk.match_mapping,
    "Call": _Walk.call,
    "FunctionDef": _Walk.function,
    "Lambda": _Walk.nameless,
    "ClassDef": _Walk.class_,
    "TypeAlias": _Walk.type_alias,
    "AsyncFunctionDef": _Walk.function,
    **dict.fromkeys(("ListComp", "SetComp", "DictComp", "GeneratorExp"), _Walk.comprehension),
    **dict.fromkeys(("Try", "TryStar"), _Walk.tried),
}


def _own(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes of these statements that are in their scope, without those of functions and classes inside."""
    waiting: list[ast.AST] = list(statements)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            waiting += ast.iter_child_nodes(node)


def _arguments(args: ast.arguments) -> list[ast.arg]:
    found = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    return [argument for argument in found if argument]


def _catches(handler: ast.ExceptHandler, names: Collection[str]) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in names for kind in kinds)


def _listed(tree: ast.Module) -> list[tuple[str, int]] | None:
    """The names in `__all__` with their lines, as far as they are written out; None where it is not set."""
    found: list[tuple[str, int]] | None = None
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AugAssign | ast.AnnAssign) and node.value:
            targets, value = [node.target], node.value
        else:
            continue
        if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            continue
        elements = value.elts if isinstance(value, ast.List | ast.Tuple) else []
        texts = [e for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)]
        before = found or [] if isinstance(node, ast.AugAssign) else []
        found = [*before, *((str(e.value), e.lineno) for e in texts)]
    return found
