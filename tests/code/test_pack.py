"""The zip of an answer's files: what went in comes out, and nothing lies outside."""

from __future__ import annotations

import io
import zipfile

import pytest

from playground.code.files import CodeFile
from playground.code.pack import packed
from playground.errors import InvalidRequest


def test_what_goes_in_comes_out_and_the_same_files_give_the_same_zip(tmp_path):
    files = [CodeFile("app/main.py", "x = 'größer'\n"), CodeFile("README.md", "# Hi"), CodeFile("empty.txt", "")]
    data = packed(files)
    assert packed(files) == data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {f.path: f.text for f in files}
        archive.extractall(tmp_path)
    assert (tmp_path / "app/main.py").read_text(encoding="utf-8") == files[0].text


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        ([], "no file to pack"),
        (["../evil.py"], "leads outside"),
        (["/etc/passwd"], "leads outside"),
        (["a.py", "a.py"], "Two files would lie at 'a.py'"),
        (["a", "a/b.py"], "Two files would lie at 'a'"),
    ],
)
def test_what_cannot_be_packed_is_told(paths, told):
    with pytest.raises(InvalidRequest, match=told):
        packed([CodeFile(path, "x") for path in paths])
