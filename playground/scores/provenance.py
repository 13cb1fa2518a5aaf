"""Which weights, libraries and machine a figure was measured with. Reads files, loads no model."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

from playground.catalog import ModelCard

LIBRARIES = ("torch", "transformers", "diffusers")


def revision_of(card: ModelCard) -> str:
    """What identifies the weights that run: a commit, a hash of the shipped files, or the API's own word.

    A folder of the user's own can be tens of gigabytes, so there names, sizes and times stand for the contents.
    """
    if card.backend != "local":
        return f"as served {card.revision}".removesuffix(" main")
    folder = card.folder
    if folder is None:
        return _cached_commit(card) or card.revision
    return folder_hash(folder) if card.shipped else f"listing:{_listing(folder)}"


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of all weights and JSON files below a folder, 12 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".safetensors", ".json"}):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:12]}"


def library_versions() -> dict[str, str]:
    """Versions of Python and of those libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass  # not Linux: the plain name stands
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {usable} cores"


def _listing(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*.safetensors")):
        status = path.stat()
        digest.update(f"{path.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:12]


def _cached_commit(card: ModelCard) -> str | None:
    """The commit that the hub's cache holds for a branch name."""
    from huggingface_hub import constants

    folder = "models--" + card.source.replace("/", "--")
    reference = Path(constants.HF_HUB_CACHE) / folder / "refs" / card.revision
    return reference.read_text().strip() if reference.is_file() else None
