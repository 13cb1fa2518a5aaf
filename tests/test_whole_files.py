"""A file is there whole or not at all, whoever writes it at the same time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from playground.whole_files import write_whole


def test_writers_of_one_path_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.bin"
    texts = [bytes([65 + number]) * 200_000 for number in range(8)]
    read: list[bytes] = []
    done = threading.Event()

    def reader() -> None:
        while not done.is_set():
            if path.exists():
                read.append(path.read_bytes())

    watching = threading.Thread(target=reader)
    watching.start()
    writers = [threading.Thread(target=write_whole, args=(path, text)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    watching.join()
    assert path.read_bytes() in texts
    assert all(data in texts for data in read)
    assert [file.name for file in path.parent.iterdir()] == ["b.bin"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError):  # a folder is not replaced by a file
        write_whole(path, b"text")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


def test_a_name_as_long_as_names_may_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_whole(path, b"text")
    assert path.read_bytes() == b"text"
