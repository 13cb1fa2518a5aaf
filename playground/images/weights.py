"""Which weights a card's model ran with: a commit, and a SHA-256 over files that are each read once while unchanged.

Knows files and the hub's cache, loads no model.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from playground.catalog import ModelCard

MOST_BYTES = 16 * 2**30  # larger folders are named by sizes and times: reading them takes longer than a picture
_ENDINGS = {".safetensors", ".json", ".txt", ".model"}
_BLOB = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class _Listed:
    name: str
    path: str
    bytes: int
    changed: int


def weights_of(card: ModelCard) -> dict[str, Any]:
    """`revision`, and `sha256` over names and contents of the files, as far as they are known.

    For one checkpoint file it is the file's own SHA-256, and `model_hash` its first ten digits, as A1111 prints it.
    Above 16 GB there is `listing`, a hash over names, sizes and times, in place of `sha256`.
    """
    folder, revision = _folder(card)
    if folder is None or not folder.is_dir():
        return {"revision": revision}
    if card.format == "single-file" and (folder / card.file).is_file():
        files: tuple[_Listed, ...] = (_listed(folder / card.file, card.file),)
    else:
        found = sorted(p for p in folder.rglob("*") if p.suffix in _ENDINGS and p.is_file())
        files = tuple(_listed(path, path.relative_to(folder).as_posix()) for path in found)
    if not files:
        return {"revision": revision}
    if sum(file.bytes for file in files) > MOST_BYTES:
        text = "".join(f"{file.name}\0{file.bytes}\0{file.changed}\0" for file in files)
        return {"revision": revision, "listing": hashlib.sha256(text.encode()).hexdigest()}
    hashes = [_file_hash(file) for file in files]
    if card.format == "single-file":
        return {"revision": revision, "sha256": hashes[0], "model_hash": hashes[0][:10]}
    text = "".join(f"{file.name}\0{one}\n" for file, one in zip(files, hashes, strict=True))
    return {"revision": revision, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def file_hash(path: Path) -> str:
    """SHA-256 of one file."""
    return _file_hash(_listed(path, path.name))


def payload_hash(path: Path) -> str:
    """SHA-256 of a safetensors file after its header, by which A1111 and Civitai know a LoRA: its notes may change."""
    return _payload_hash(_listed(path, path.name))


def _folder(card: ModelCard) -> tuple[Path | None, str]:
    if card.folder is not None:
        return card.folder, card.revision
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(card.source, card.file or "model_index.json", revision=card.revision)
    except ValueError:  # no name that the hub could have
        return None, card.revision
    if not isinstance(found, str):
        return None, card.revision
    commit = re.search(r"/snapshots/([0-9a-f]{40})/", Path(found).as_posix())
    inside = Path(found).parents[len(Path(card.file or "x").parts) - 1]
    return inside, commit[1] if commit else card.revision


def _listed(path: Path, name: str) -> _Listed:
    status = path.stat()
    return _Listed(name, str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_hash(file: _Listed) -> str:
    blob = Path(file.path).resolve()
    if blob.parent.name == "blobs" and _BLOB.fullmatch(blob.name):
        return blob.name  # the hub's cache names large files by their SHA-256
    with blob.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=4096)
def _payload_hash(file: _Listed) -> str:
    with open(file.path, "rb") as stream:
        stream.seek(8 + int.from_bytes(stream.read(8), "little"))
        return hashlib.file_digest(stream, "sha256").hexdigest()
