"""Thumbnails and zips: made once, safe against missing files and a full disk."""

from __future__ import annotations

import csv
import errno
import io
import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from playground.errors import InvalidRequest, PlaygroundError
from playground.gallery import thumbnails as module
from playground.gallery.kept import Search
from playground.gallery.thumbnails import SIDE, forget, thumbnail, thumbnails
from playground.gallery.zipping import packed


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_thumbnails_are_small_and_made_once(pictures, add, tmp_path, monkeypatch):
    for i in range(3):
        add(seed=i)
    found = pictures.search("ana", Search())
    Image.new("RGB", (800, 400), "red").save(found[0].path)
    made = thumbnails(tmp_path / "small", found)
    assert Image.open(made[0]).size == (SIDE, SIDE // 2)
    assert Image.open(made[1]).size == (32, 24)  # nothing is blown up
    monkeypatch.setattr(module, "_small", full)
    assert thumbnails(tmp_path / "small", found) == made
    forget(tmp_path / "small", [found[0].id])
    assert [p.is_file() for p in made] == [False, True, True]


def test_a_missing_and_a_damaged_file_have_a_tile(pictures, add, tmp_path):
    gone, damaged = pictures.get("ana", add("gone")), pictures.get("ana", add("damaged"))
    Path(gone.path).unlink()
    Path(damaged.path).write_bytes(b"not a picture")
    tiles = thumbnails(tmp_path / "small", [gone, damaged])
    assert tiles[0] == tiles[1]
    assert Image.open(tiles[0]).size == (SIDE, SIDE)
    assert not gone.there


def test_a_full_disk_shows_the_picture_itself_and_leaves_no_half_files(pictures, add, tmp_path, monkeypatch):
    one = pictures.get("ana", add())
    monkeypatch.setattr(os, "replace", full)
    assert thumbnail(tmp_path / "small", one) == Path(one.path)
    assert [p for p in (tmp_path / "small").rglob("*") if p.is_file()] == []
    with pytest.raises(PlaygroundError, match="could not be written: No space left on device"):
        packed([one], tmp_path / "zips" / "a.zip")
    assert list((tmp_path / "zips").iterdir()) == []
    assert pictures.get("ana", one.id).there


def test_a_zip_holds_the_files_unchanged_and_a_table(pictures, add, tmp_path):
    first, second = (pictures.get("ana", add(p, seed=i)) for i, p in enumerate(["=1+1", "a cat"]))
    third = pictures.get("ana", add("gone", seed=9))
    Path(third.path).unlink()
    missing = packed([first, second, third], tmp_path / "p.zip")
    assert [p.prompt for p in missing] == ["gone"]
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("pictures.csv").decode())))
        assert [archive.read(row["file"]) for row in rows] == [Path(p.path).read_bytes() for p in (first, second)]
    assert [row["prompt"] for row in rows] == ["'=1+1", "a cat"]  # no spreadsheet runs it


def test_a_zip_of_nothing_is_refused(pictures, add, tmp_path):
    one = pictures.get("ana", add())
    Path(one.path).unlink()
    with pytest.raises(InvalidRequest, match="None of these"):
        packed([one], tmp_path / "p.zip")
