"""A zipped project as its outline: the tree of files with sizes, and what each Python file offers.

Nothing is unpacked to the disk. A zip may lie about sizes, unpack to any size, name files outside of itself or hold
links: such a one is refused whole.
"""

from __future__ import annotations

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from playground.attach.documents import Document
from playground.attach.encodings import decoded
from playground.attach.outline import MOST_BYTES as MOST_OF_A_FILE
from playground.attach.outline import outline
from playground.errors import InvalidRequest

MOST_ENTRIES = 20_000
MOST_UNPACKED = 500 * 2**20
MOST_RATIO = 200  # deflate packs real code 3 to 10 times, long runs of one byte 1,000 times
RATIO_COUNTS_FROM = 2**20  # bytes
MOST_READ = 20 * 2**20
MOST_DEPTH = 40
MOST_LISTED = 2000  # files
# What tools make; named with the number of files in it, and not gone into.
MADE = {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".mypy_cache", ".pytest_cache"}
MADE |= {".ruff_cache", ".tox", ".idea", ".vscode", "dist", "build", ".next", "target", "__MACOSX"}

_ENTRY = b"PK\x01\x02"


# What zipfile and the decompressors raise on spoiled data; a place before the file's beginning is a ValueError.
BROKEN = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    RuntimeError,
    ValueError,
    OSError,
    zlib.error,
    lzma.LZMAError,
)


@dataclass
class _Folder:
    files: dict[str, zipfile.ZipInfo] = field(default_factory=dict)
    folders: dict[str, _Folder] = field(default_factory=dict)

    def count(self) -> int:
        return len(self.files) + sum(folder.count() for folder in self.folders.values())


def project_document(name: str, data: bytes) -> Document:
    """The outline of a zipped project.

    Raises:
        InvalidRequest: it is no zip, a bomb, encrypted, empty, or names a file outside of itself; says which.
    """
    if data.count(_ENTRY) > 2 * MOST_ENTRIES:  # before any is read; a stored zip inside has such marks, too
        raise InvalidRequest(f"{name} has more than {MOST_ENTRIES:,} files.", "Pack fewer.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = _checked(name, archive)
            tree = _tree(entries)
            listed = list(_lines(tree, ""))
            python, notes = _python(name, archive, entries)
    except BROKEN as error:
        raise InvalidRequest(f"{name} is no zip that can be read: {error}.", "Pack it again.") from None
    if len(listed) > MOST_LISTED:
        notes = (*notes, f"Of {name} the first {MOST_LISTED:,} of {len(listed):,} lines of the file list are told.")
        listed = listed[:MOST_LISTED]
    size = sum(entry.file_size for entry in entries)
    body = "\n".join(["Files:", *listed, *(["", "Python files:", *python] if python else [])])
    return Document(name, "project", body, f"project, {len(entries):,} files, {_bytes(size)}", notes=notes)


def _checked(name: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of an archive whose directory promises nothing dangerous."""
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise InvalidRequest(f"{name} has {len(entries):,} files; at most {MOST_ENTRIES:,} are read.", "Pack fewer.")
    total = sum(entry.file_size for entry in entries)
    if total > MOST_UNPACKED:
        raise InvalidRequest(
            f"{name} unpacks to {_bytes(total)}; at most {_bytes(MOST_UNPACKED)} are read.", "Pack fewer files."
        )
    for entry in entries:
        _check(name, entry)
    files = [entry for entry in entries if not entry.is_dir()]
    if not files:
        raise InvalidRequest(f"{name} holds no file.", "Choose another zip.")
    return files


def _check(name: str, entry: zipfile.ZipInfo) -> None:
    shown = repr(entry.filename[:100])
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    first = path.parts[0] if path.parts else ":"
    if path.is_absolute() or ".." in path.parts or ":" in first or "\0" in entry.orig_filename:
        raise InvalidRequest(f"{name} names a file outside of itself: {shown}.", "Pack it again.")
    if len(path.parts) > MOST_DEPTH:
        raise InvalidRequest(f"{name} has folders more than {MOST_DEPTH} deep: {shown}.", "Pack it again.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise InvalidRequest(f"{name} holds a link: {shown}.", "Pack the file that it leads to.")
    if entry.flag_bits & 0x1:
        raise InvalidRequest(f"{name} is encrypted: {shown}.", "Pack it without a password.")
    if entry.file_size > RATIO_COUNTS_FROM and entry.file_size > MOST_RATIO * max(entry.compress_size, 1):
        raise InvalidRequest(
            f"{name} is packed like a bomb: {shown} unpacks to {_bytes(entry.file_size)}.", "Pack it without that file."
        )


def _tree(entries: list[zipfile.ZipInfo]) -> _Folder:
    root = _Folder()
    for entry in entries:
        *folders, last = _parts(entry)
        place = root
        for part in folders:
            place = place.folders.setdefault(part, _Folder())
        place.files[last] = entry
    return root


def _parts(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
    return tuple("".join(c if c.isprintable() else "?" for c in part) for part in parts)


def _lines(folder: _Folder, indent: str) -> Iterator[str]:
    for name, inside in sorted(folder.folders.items()):
        if name in MADE or name.endswith(".egg-info"):
            yield f"{indent}{name}/ ({inside.count():,} files)"
            continue
        yield f"{indent}{name}/"
        yield from _lines(inside, indent + "  ")
    for name, entry in sorted(folder.files.items()):
        yield f"{indent}{name} ({_bytes(entry.file_size)})"


def _python(name: str, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> tuple[list[str], tuple[str, ...]]:
    """The outlines of all Python files, and what was left out."""
    lines: list[str] = []
    read = left_out = 0
    for entry in sorted(entries, key=lambda e: e.filename):
        parts = _parts(entry)
        if not parts[-1].endswith((".py", ".pyi")) or any(part in MADE for part in parts[:-1]):
            continue
        if entry.file_size > MOST_OF_A_FILE or read + entry.file_size > MOST_READ:
            left_out += 1
            continue
        with archive.open(entry) as file:
            data = file.read(MOST_OF_A_FILE + 1)  # its size in the directory may be a lie
        read += len(data)
        if len(data) > MOST_OF_A_FILE:
            raise InvalidRequest(f"{name} lies about the size of {entry.filename[:100]!r}.", "Pack it again.")
        lines += [f"{'/'.join(parts)}:", *(f"    {line}" for line in _outlined(parts[-1], data))]
    notes = (f"{left_out:,} Python files of {name} were too large to outline.",) if left_out else ()
    return lines, notes


def _outlined(name: str, data: bytes) -> list[str]:
    try:
        text, _ = decoded(name, data)
    except InvalidRequest as error:
        return [f"({error.message})"]
    return outline(text) or ["(nothing public)"]


def _bytes(size: int) -> str:
    if size < 2**10:
        return f"{size} B"
    return f"{size / 2**10:,.0f} KiB" if size < 2**20 else f"{size / 2**20:,.1f} MiB"
