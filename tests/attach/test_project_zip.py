"""A zipped project becomes its outline; bombs, links and paths that lead outside are refused by name."""

from __future__ import annotations

import stat
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.attach import project_zip
from playground.attach.documents import document
from playground.attach.outline import outline
from playground.errors import InvalidRequest
from tests.attach.files import zipped

SOURCE = '''
"""A module."""
import os, json
from . import sibling
from .pkg.deep import thing
from typing import Any

LIMIT = 3

def area(width: float, height: float = 2.0, *, unit: str = "m", **rest: Any) -> float:
    """The area of a rectangle.

    More.
    """
    def inner(): ...
    return width * height

async def fetch(url): ...

def _hidden(): ...

class Shape(Base, metaclass=Meta):
    """Something with sides."""

    def __init__(self, sides: int) -> None: ...

    @property
    def sides(self) -> int: ...

    def _secret(self): ...

    class Inner:
        def deep(self, /, a, *args): ...
'''


def test_a_python_file_is_told_by_its_signatures():
    assert outline(SOURCE) == [
        "imports os, json, ., .pkg.deep, typing",
        "def area(width: float, height: float=2.0, *, unit: str='m', **rest: Any) -> float  # The area of a rectangle.",
        "async def fetch(url)",
        "class Shape(Base, metaclass=Meta)  # Something with sides.",
        "    def __init__(self, sides: int) -> None",
        "    def sides(self) -> int",
        "    class Inner",
        "        def deep(self, /, a, *args)",
    ]


def test_a_file_that_does_not_parse_says_where():
    assert outline("x = 1\ndef f(:\n") == ["(line 2: invalid syntax)"]
    for hostile in ("(" * 5000, "-" * 200_000 + "1", "x" + ".a" * 100_000, "1" + "+1" * 100_000, "a\0b", "[" * 100_000):
        assert len(outline(hostile)) <= 1


def test_the_outline_of_a_project():
    made = document(
        "project.zip",
        zipped(
            {
                "app/": b"",
                "app/main.py": SOURCE,
                "app/data.csv": "x" * 3000,
                "app/node_modules/a/index.js": "x",
                "app/node_modules/b.js": "x",
                "app/venv/lib.py": "def never(): ...",
                "README.md": "Hi",
                "broken.py": "def (",
                "empty.py": "",
            }
        ),
    )
    assert (made.kind, made.about) == ("project", "project, 8 files, 4 KiB")
    assert made.body.split("\n")[:11] == [
        "Files:",
        "app/",
        "  node_modules/ (2 files)",
        "  venv/ (1 files)",
        "  data.csv (3 KiB)",
        f"  main.py ({len(SOURCE)} B)",
        "README.md (2 B)",
        "broken.py (5 B)",
        "empty.py (0 B)",
        "",
        "Python files:",
    ]
    assert "app/main.py:\n    imports os, json" in made.body
    assert "broken.py:\n    (line 1: invalid syntax)\nempty.py:\n    (nothing public)" in made.body
    assert "never" not in made.body


def as_link(entry: zipfile.ZipInfo) -> None:
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16


def with_flag(data: bytes) -> bytes:
    """The zip with the encryption bit set in its directory."""
    at = data.index(b"PK\x01\x02") + 8
    return data[:at] + b"\x01" + data[at + 1 :]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (lambda: zipped({"../evil.py": "x"}), "outside of itself: '../evil.py'"),
        (lambda: zipped({"a/../../evil.py": "x"}), "outside of itself"),
        (lambda: zipped({"/etc/passwd": "x"}), "outside of itself"),
        (lambda: zipped({"C:/evil.py": "x"}), "outside of itself"),
        (lambda: zipped({"..\\evil.py": "x"}), "outside of itself"),
        (lambda: zipped({"link": "/etc/passwd"}, as_link), "holds a link: 'link'"),
        (lambda: zipped({"zeros": bytes(5 * 2**20)}), "packed like a bomb: 'zeros' unpacks to 5.0 MiB"),
        (lambda: zipped({"d/" * 50 + "x": "x"}), "more than 40 deep"),
        (lambda: zipped({}), "holds no file"),
        (lambda: zipped({"folder/": ""}), "holds no file"),
        (lambda: with_flag(zipped({"a.py": "x"})), "is encrypted: 'a.py'"),
        (lambda: b"PK\x03\x04 and nothing more", "no zip"),
        (lambda: zipped({"a.py": "x = 1"})[:-10], "no zip"),
        (lambda: b"", "no zip"),
    ],
)
def test_what_is_dangerous_is_refused_by_name(data, told):
    with pytest.raises(InvalidRequest, match=told) as error:
        document("p.zip", data())
    assert str(error.value).startswith("p.zip ")


def test_too_many_or_too_large_files_are_refused(monkeypatch):
    monkeypatch.setattr(project_zip, "MOST_ENTRIES", 3)
    with pytest.raises(InvalidRequest, match="4 files; at most 3"):
        document("p.zip", zipped({f"{i}.py": "" for i in range(4)}))
    with pytest.raises(InvalidRequest, match="more than 3 files"):
        document("p.zip", zipped({f"{i}.py": "" for i in range(7)}))
    monkeypatch.setattr(project_zip, "MOST_UNPACKED", 2**20)
    with pytest.raises(InvalidRequest, match=r"unpacks to 2\.0 MiB"):
        document("p.zip", zipped({"a": b"ab" * 2**19, "b": b"cd" * 2**19}))


def test_a_zip_that_lies_about_a_size_is_refused(monkeypatch):
    """The directory says 10 bytes; what comes out is more. Python's zipfile stops there, and the checksum tells."""
    data = zipped({"a.py": "x = 1\n" * 1000})
    at = data.index(b"PK\x01\x02") + 24
    lying = data[:at] + (10).to_bytes(4, "little") + data[at + 4 :]
    with pytest.raises(InvalidRequest, match="no zip that can be read: Bad CRC"):
        document("p.zip", lying)


def test_long_lists_and_large_files_are_cut_and_told(monkeypatch):
    monkeypatch.setattr(project_zip, "MOST_LISTED", 2)
    monkeypatch.setattr(project_zip, "MOST_OF_A_FILE", 10)
    made = document("p.zip", zipped({"a.py": "x = 1", "b.py": "y = 1 # and more", "c.py": "z = 1"}))
    assert made.notes == (
        "1 Python files of p.zip were too large to outline.",
        "Of p.zip the first 2 of 3 lines of the file list are told.",
    )
    assert made.body.startswith("Files:\na.py (5 B)\nb.py (16 B)\n\nPython files:\na.py:")


@given(st.binary(max_size=200), st.integers(0, 300))
@settings(deadline=None, max_examples=200)
def test_spoiled_zips_are_read_or_refused(junk, at):
    whole = bytearray(zipped({"a.py": "def f(x): ...", "b/c.txt": "hello"}))
    whole[at : at + len(junk) // 20] = junk[: len(junk) // 20]
    with suppress(InvalidRequest):
        assert document("p.zip", bytes(whole)).kind == "project"


def test_a_file_that_begins_before_the_zip_is_refused():
    whole = bytearray(zipped({"a.py": "def f(x): ..."}))
    end = whole.rindex(b"PK\x05\x06")
    whole[end + 16 : end + 20] = (0x7FFFFFF0).to_bytes(4, "little")  # where the directory is said to begin
    with pytest.raises(InvalidRequest, match="no zip that can be read"):
        document("p.zip", bytes(whole))


def test_nothing_is_written_to_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document("p.zip", zipped({"a.py": "x = 1"}))
    assert list(tmp_path.iterdir()) == []
