"""Undefined names are those that Python's own compiler would look for in vain; `symtable` is the oracle."""

from __future__ import annotations

import ast
import symtable
import sysconfig
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from playground.code.names import names_of
from playground.code.scopes import BUILTINS

STDLIB = Path(sysconfig.get_paths()["stdlib"])


def missing(source: str) -> set[str]:
    return {found.name for found in names_of(ast.parse(source)).missing}


def by_symtable(source: str) -> set[str]:
    """Names that the compiler takes for global and that no statement makes one."""
    top = symtable.symtable(source, "x", "exec")
    tables = [top]
    for table in tables:
        tables += table.get_children()

    def bound(symbol: symtable.Symbol) -> bool:
        return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace() or symbol.is_annotated()

    made = {symbol.get_name() for symbol in top.get_symbols() if bound(symbol)}
    for table in tables[1:]:
        made |= {s.get_name() for s in table.get_symbols() if s.is_declared_global() and bound(s)}
    used = {
        symbol.get_name()
        for table in tables
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table is top or symbol.is_global())
    }
    return used - made - BUILTINS


# --- written out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("x = 1\nprint(x, y)", {"y"}),
        ("def f(a, *b, c=d, **e):\n    return a, b, c, e, g", {"d", "g"}),
        ("def f():\n    x = 1\ndef g():\n    return x", {"x"}),
        ("def f():\n    global x\n    x = 1\nprint(x)", set()),
        ("def f():\n    global x\n    print(x)", {"x"}),
        ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2\n    return g", set()),
        ("def f():\n    def g():\n        return x\n    x = 1\n    return g", set()),
        ("class A:\n    x = 1\n    def f(self):\n        return x", {"x"}),
        ("class A:\n    x = 1\n    y = x", set()),
        ("class A:\n    x = [1]\n    y = [i for i in x]", set()),
        ("class A:\n    x = [1]\n    y = [x for i in x]", {"x"}),
        ("class A:\n    x = [1]\n    y = lambda: x", {"x"}),
        ("class A:\n    def f(self):\n        return __class__, super()", set()),
        ("class A:\n    print(__qualname__, __module__)", set()),
        ("[i for i in range(3)]\nprint(i)", {"i"}),
        ("[j := i for i in range(3)]\nprint(j)", set()),
        ("def f():\n    if any((found := i) for i in []): return found", set()),
        ("[a for a in b for b in a]", {"b"}),
        ("{k: v for k, v in {}.items() if w}", {"w"}),
        ("lambda x, y=z: x + y + q", {"z", "q"}),
        ("try:\n    pass\nexcept E as e:\n    print(e)", {"E"}),
        ("try:\n    unicode\nexcept NameError:\n    unicode = str", set()),
        ("try:\n    reveal\nexcept NameError:\n    pass", set()),
        ("with open('x') as (a, b): print(a, b, c)", {"c"}),
        ("for a, *b in []: pass\nprint(a, b)", set()),
        ("import a.b.c, d as e\nprint(a, e, d)", {"d"}),
        ("from a import b as c\nprint(b, c)", {"b"}),
        ("x: int\nprint(x)", set()),
        ("def f(x: T) -> U: pass", {"T", "U"}),
        ("@deco\nclass A(Base, metaclass=Meta): pass", {"deco", "Base", "Meta"}),
        ("match x:\n  case {'a': a, **rest}: print(a, rest)\n  case [b, *c]: print(b, c)\n  case P(q=d) as e: d, e",
         {"x", "P"}),
        ("x += 1", set()),
        ("del x", set()),
        ("f'{a!r:{b}}'", {"a", "b"}),
        ("print(__name__, __file__, __doc__, __debug__, WindowsError)", set()),
        ("async def f():\n    async for i in a:\n        async with b as c: await c, i", {"a", "b"}),
        ("try:\n    pass\nexcept* E as g:\n    print(g)", {"E"}),
    ],
)  # fmt: skip
def test_names_of_every_kind_of_scope(source, names):
    assert missing(source) == names


def test_the_first_use_is_told_with_its_line():
    found = names_of(ast.parse("x = 1\ndef f():\n    return y\ny2 = z\nprint(y)\n")).missing
    assert [(one.name, one.line) for one in found] == [("y", 3), ("z", 4)]


def test_what_a_module_lists_and_takes_whole():
    names = names_of(ast.parse("from os import *\nfrom .a import *\n__all__ = ['a', 'b']\n__all__ += ('c',)\nb = 1\n"))
    assert names.stars == ("os", ".a")
    assert names.listed == ("a", "b", "c")
    assert [(one.name, one.line) for one in names.unlisted] == [("a", 3), ("c", 4)]
    assert names_of(ast.parse("x = 1")).listed is None


def test_names_made_while_running_are_told():
    assert names_of(ast.parse("globals()['x'] = 1\nprint(x)")).dynamic
    assert names_of(ast.parse("exec('x = 1')")).dynamic
    assert names_of(ast.parse("@enum.global_enum\nclass A(Enum): x = 1")).dynamic
    assert not names_of(ast.parse("x.exec('y')")).dynamic


@pytest.mark.skipif(not hasattr(ast, "TypeAlias"), reason="type parameters came with Python 3.12")
def test_type_parameters_are_bound_where_they_stand():
    assert missing("def f[T](x: T) -> U: return T") == {"U"}
    assert missing("class A[T: B](C[T]):\n    x: T\nprint(T)") == {"B", "C", "T"}
    assert missing("type X[T] = list[T] | Y") == {"Y"}


# --- against the compiler ------------------------------------------------------------------------------------------

NAME = st.sampled_from(["a", "b", "c", "d", "print"])


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines] or ["    pass"]


EXPRESSION = st.recursive(
    NAME,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda x: f"({x[0]}, {x[1]})"),
        st.tuples(NAME, inner, inner).map(lambda x: f"[{x[1]} for {x[0]} in {x[2]}]"),
        st.tuples(NAME, NAME, inner, inner, inner).map(
            lambda x: f"{{{x[2]} for {x[0]} in {x[3]} for {x[1]} in {x[4]}}}"
        ),
        st.tuples(NAME, inner, inner).map(lambda x: f"(lambda {x[0]}={x[1]}: {x[2]})"),
        st.tuples(NAME, inner).map(lambda x: f"({x[0]} := {x[1]})"),
    ),
    max_leaves=3,
)
SIMPLE = st.one_of(
    st.tuples(NAME, EXPRESSION).map(lambda x: [f"{x[0]} = {x[1]}"]),
    EXPRESSION.map(lambda x: [f"{x}"]),
    NAME.map(lambda x: [f"global {x}"]),
    NAME.map(lambda x: [f"nonlocal {x}"]),
    NAME.map(lambda x: [f"del {x}"]),
    NAME.map(lambda x: [f"import {x}"]),
    st.tuples(NAME, EXPRESSION).map(lambda x: [f"{x[0]}: {x[1]}"]),
    st.tuples(NAME, EXPRESSION).map(lambda x: [f"{x[0]} += {x[1]}"]),
)


def _compound(inner: st.SearchStrategy) -> st.SearchStrategy:
    body = st.lists(inner, max_size=3).map(lambda parts: _indented([line for part in parts for line in part]))
    return st.one_of(
        st.tuples(NAME, NAME, EXPRESSION, body).map(lambda x: [f"def {x[0]}({x[1]}={x[2]}):", *x[3]]),
        st.tuples(NAME, EXPRESSION, body).map(lambda x: [f"class {x[0]}({x[1]}):", *x[2]]),
        st.tuples(NAME, EXPRESSION, body).map(lambda x: [f"for {x[0]} in {x[1]}:", *x[2]]),
        st.tuples(EXPRESSION, NAME, body, body).map(lambda x: ["try:", *x[2], f"except {x[0]} as {x[1]}:", *x[3]]),
    )


PROGRAM = st.lists(st.recursive(SIMPLE, _compound, max_leaves=4), min_size=1, max_size=3).map(
    lambda parts: "\n".join(line for part in parts for line in part)
)


@given(PROGRAM)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_any_program_misses_what_the_compiler_misses(source):
    try:
        compile(source, "x", "exec", dont_inherit=True)
    except SyntaxError:
        assume(False)
    assert missing(source) == by_symtable(source)


@pytest.mark.parametrize("path", sorted(STDLIB.glob("*.py"))[::5], ids=lambda path: path.name)
def test_the_standard_library_misses_nothing(path):
    """Its modules run, so what is found missing there is a mistake of ours, unless they make names while running."""
    source = path.read_text(encoding="utf-8")
    names = names_of(ast.parse(source))
    if any(text in source for text in ("_convert_", "NameError", "def top(")):
        return  # they make names of enums, or fool symtable, which takes a function of this name for a module
    assert {found.name for found in names.missing} == by_symtable(source)
    assert names.missing == () or names.stars or names.dynamic
