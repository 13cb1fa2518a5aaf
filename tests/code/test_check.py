"""Files of an answer are checked without being run: syntax, imports, names, circles."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.code import check as module
from playground.code.check import check
from playground.code.files import CodeFile


def found(files: dict[str, str], **more) -> list[tuple[str, int, str, str]]:
    report = check([CodeFile(path, text) for path, text in files.items()], **more)
    return [(p.path, p.line, p.kind, p.text) for p in report.problems]


def texts(files: dict[str, str], **more) -> list[str]:
    return [text for _, _, _, text in found(files, **more)]


ROOT = Path(__file__).resolve().parents[2]


def undeclared(name: str) -> str:
    return f"'{name}' is no file of this project, not part of Python, and not declared as a requirement."


DYNAMIC = "Names are made while the code runs, so missing ones cannot be found here."
GOOD = {
    "main.py": "import json\nfrom app import core\nfrom app.models import User\nprint(core.run(User), json)\n",
    "app/__init__.py": "from .core import run\n__all__ = ['run', 'models']\n",
    "app/core.py": "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
                   "if TYPE_CHECKING:\n    from app.models import User\ndef run(user: User): return user\n",
    "app/models.py": "from . import helpers\nfrom .helpers import *\nclass User:\n    x = helpers.one() or two()\n",
    "app/helpers.py": "def one(): return 1\ndef two(): return 2\n",
    "tests/test_app.py": "from app.core import run\nimport main\nfrom util import help_out\nhelp_out(run, main)\n",
    "tests/util.py": "def help_out(*a): return a\n",
    "README.md": "# not python (",
    "data.json": "{}",
}  # fmt: skip


def test_a_sound_project_has_no_problem():
    report = check([CodeFile(path, text) for path, text in GOOD.items()])
    assert report.problems == ()
    assert report.ok
    assert report.summary.startswith("8 of 9 files checked with Python 3.")
    assert report.summary.endswith(": no problem found.")


# --- syntax --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("a.py", "x = (1,\ny = 2", 1),
        ("a.py", "x = 1\nreturn x", 2),
        ("a.py", "def f(a, a): pass", 1),
        ("a.py", "for x in y:\n    pass\nbreak", 3),
        ("a.py", "await f()", 1),
        ("a.json", '{\n"a": }', 2),
        ("a.toml", "a = ", 0),
    ],
)
def test_syntax_errors_are_told_with_their_line(path, text, line):
    report = check([CodeFile(path, text)])
    assert [(p.path, p.line, p.kind) for p in report.problems] == [(path, line, "syntax")]
    assert not report.ok
    assert "1 syntax error." in report.summary


WORDS = st.sampled_from(
    ["def f():", "return", "x", "=", "1", "(", ")", "\n", "    ", ":", "if", "else", "yield", "lambda", "*"]
)


@given(st.lists(WORDS, max_size=12).map(" ".join))
@settings(deadline=None, max_examples=300)
def test_a_syntax_error_is_what_the_compiler_says(source):
    try:
        compile(source, "a.py", "exec", dont_inherit=True)
        broken = False
    except SyntaxError:
        broken = True
    assert any(kind == "syntax" for _, _, kind, _ in found({"a.py": source})) == broken


@pytest.mark.parametrize(
    "hostile",
    ["(" * 5000, "-" * 200_000 + "1", "x" + ".a" * 100_000, "1" + "+1" * 100_000, "a\0b", "x = " + "9" * 5000,
     "x = 'a' * 10**18", "x = 2 ** 10 ** 9", "\n".join(" " * i + "if 1:" for i in range(101)),
     "lambda: " * 20_000 + "1", "\ud800", "[x for x in " * 3000 + "y" + "]" * 3000],
)  # fmt: skip
def test_hostile_code_is_judged_and_never_run(hostile):
    assert len(found({"a.py": hostile})) <= 1


def test_what_the_parser_warns_of_is_nobodys_concern(capfd):
    source = """from playground.code.check import check
from playground.code.files import CodeFile
from playground.attach.outline import outline
print(check([CodeFile("a.py", "x = '\\\\d' if 1 is 1 else 2\\n")]).ok, outline("def f(a='\\\\d'): ..."))"""
    subprocess.run([sys.executable, "-W", "default", "-c", source], cwd=ROOT, check=True, timeout=120)
    told = capfd.readouterr()
    assert told.err == ""
    assert told.out.startswith("True ")


def test_a_file_too_large_to_check_says_so(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    assert [p[2] for p in found({"a.py": "x = 1 # and more"})] == ["note"]


def test_nothing_is_run(tmp_path):
    place = tmp_path / "ran"
    found({"a.py": f"open({str(place)!r}, 'w')", "b.py": "import a, antigravity\nraise SystemExit"})
    assert not place.exists()


# --- imports -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.py": "import nowhere"}, [undeclared("nowhere")]),
        ({"a.py": "import numpy as np"}, [undeclared("numpy")]),
        ({"a.py": "from b import x, y", "b.py": "x = 1"}, ["b.py has no 'y'."]),
        ({"a.py": "from . import b"}, [". has no 'b'."]),
        ({"p/a.py": "from ..x import y"}, ["'..x' leads to no file of this project."]),
        ({"p/a.py": "from ...x import y"}, ["'...x' leads to no file of this project."]),
        ({"p/__init__.py": "", "a.py": "from p import q"}, ["p/__init__.py has no 'q'."]),
        ({"p/__init__.py": "", "p/b.py": "", "a.py": "import p.c"}, ["'p.c' leads to no file of this project."]),
        ({"a.py": "from b import c", "b.py": "def ("}, ["Invalid syntax."]),
        ({"a.py": "from b import c", "b.py": "def __getattr__(n): return n"}, []),
        ({"a.py": "from b import c", "b.py": "globals()['c'] = 1"}, [DYNAMIC]),
        ({"a.py": "from b import c", "b.py": "from d import *", "d.py": "c = 1"}, []),
        ({"a.py": "from b import _c", "b.py": "from d import *", "d.py": "_c = 1"}, ["b.py has no '_c'."]),
        ({"a.py": "from b import __name__, __doc__", "b.py": ""}, []),
        ({"src/p/__init__.py": "", "src/p/b.py": "x = 1", "a.py": "from p.b import x"}, []),
        ({"n/b.py": "x = 1", "a.py": "from n.b import x\nfrom n import b"}, []),
        ({"email/local.py": "", "a.py": "import email.mime\nimport email.local"}, []),
        ({"a.py": "try:\n    import rich\nexcept ImportError:\n    rich = None"}, []),
        ({"a.py": "try:\n    import ujson as json\nexcept (ImportError, OSError):\n    import simplejson as json"}, []),
        ({"a.py": "try:\n    import rich\nexcept KeyError:\n    pass"}, [undeclared("rich")]),
        ({"a.py": "import numpy.linalg, PIL, yaml, dateutil.parser, google.protobuf", "requirements.txt":
          "# all\nnumpy>=2 ; python_version > '3'\nPillow==11\nPyYAML\npython_dateutil\nprotobuf\n-r x.txt\n"}, []),
        ({"a.py": "import httpx, yaml, pytest, flask_cors", "pyproject.toml":
          '[project]\ndependencies = ["httpx[http2]>=0.27", "pyyaml"]\n[dependency-groups]\ndev = ["pytest"]\n'
          '[tool.poetry.dependencies]\nflask-cors = "*"\n'}, []),
    ],
)  # fmt: skip
def test_imports_that_lead_nowhere(files, told):
    assert texts(files) == told


def test_installed_modules_can_be_given():
    assert texts({"a.py": "import numpy"}, available=["numpy"]) == []


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.py": "print(x)\nprint(x)"}, [("a.py", 1, "name", "'x' is not defined.")]),
        ({"a.py": "from os import *\nprint(getcwd())"},
         [("a.py", 0, "note", "All names are taken from os, so names that nothing defines cannot be found here.")]),
        ({"a.py": "from b import *\nprint(x, y)", "b.py": "x = 1"}, [("a.py", 2, "name", "'y' is not defined.")]),
        ({"a.py": "from b import *\nprint(x, y)", "b.py": "__all__ = ['x']\nx = y = 1"},
         [("a.py", 2, "name", "'y' is not defined.")]),
        ({"a.py": "from b import *\nprint(x)", "b.py": "from c import *", "c.py": "from b import *\nx = 1"},
         [("b.py", 1, "cycle", "The files import each other in a circle: b.py -> c.py -> b.py.")]),
        ({"a.py": "__all__ = ['x', 'y']\nx = 1"}, [("a.py", 1, "name", "__all__ names 'y', which is not defined.")]),
        ({"p/__init__.py": "__all__ = ['q', 'r']", "p/q.py": ""},
         [("p/__init__.py", 1, "name", "__all__ names 'r', which is not defined.")]),
    ],
)  # fmt: skip
def test_names_that_nothing_defines(files, told):
    assert found(files) == told


# --- circles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "circles"),
    [
        ({"a.py": "import b", "b.py": "import a"}, ["a.py -> b.py -> a.py"]),
        ({"a.py": "import os\nimport b", "b.py": "from c import x", "c.py": "import a\nx = 1"},
         ["a.py -> b.py -> c.py -> a.py"]),
        ({"a.py": "import a"}, ["a.py -> a.py"]),
        ({"a.py": "def f():\n    import b", "b.py": "import a"}, []),
        ({"a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import b", "b.py": "import a"}, []),
        ({"p/__init__.py": "from .a import x", "p/a.py": "from .b import y\nx = y", "p/b.py": "y = 1"}, []),
        ({"p/__init__.py": "from .a import x\nz = 1", "p/a.py": "from . import z\nx = z"},
         ["p/__init__.py -> p/a.py -> p/__init__.py"]),
        ({"p/__init__.py": "", "p/a.py": "from . import b", "p/b.py": "from p import a"},
         ["p/a.py -> p/b.py -> p/a.py"]),
        ({"a.py": "import b", "b.py": "import a", "c.py": "import d", "d.py": "import c"},
         ["a.py -> b.py -> a.py", "c.py -> d.py -> c.py"]),
        ({"a.py": "import b, c", "b.py": "import c", "c.py": "import a"}, ["a.py -> c.py -> a.py"]),
        ({"a.py": "class A:\n    import b", "b.py": "import a"}, ["a.py -> b.py -> a.py"]),
    ],
)  # fmt: skip
def test_files_that_import_each_other_in_a_circle(files, circles):
    assert texts(files) == [f"The files import each other in a circle: {circle}." for circle in circles]


def test_a_circle_is_told_where_it_begins():
    assert found({"a.py": "import os\n\nimport b", "b.py": "import a"})[0][:3] == ("a.py", 3, "cycle")


@given(st.dictionaries(st.integers(0, 7), st.sets(st.integers(0, 7), max_size=3), max_size=8))
@settings(deadline=None)
def test_circles_are_found_exactly_where_a_way_leads_back(edges):
    """The oracle follows every way from each file and looks whether one comes back."""
    names = {f"m{i}.py": "".join(f"import m{j}\n" for j in sorted(targets)) for i, targets in edges.items()}
    told = [text for text in texts(names) if "circle" in text]

    def reaches(start: int) -> set[int]:
        seen: set[int] = set()
        waiting = [start]
        while waiting:
            for following in edges.get(waiting.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
        return seen

    ways = {i: reaches(i) & set(edges) for i in edges}
    groups = {frozenset(j for j in edges if j in ways[i] and i in ways[j]) for i in edges if i in ways[i]}
    assert len(told) == len(groups)
    for text in told:
        way = [int(part.strip(".py m")) for part in text.rstrip(".").split(": ")[1].replace(".py", "").split(" -> ")]
        assert way[0] == way[-1]
        assert all(j in edges[i] for i, j in pairwise(way))
