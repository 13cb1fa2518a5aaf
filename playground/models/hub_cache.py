"""The hub's own cache on disk: blobs by hash, snapshots of links to them, refs. Fetches nothing.

What lands here is found by every tool that uses huggingface_hub. Its client keeps no part of a broken download
(since 1.18 it writes to a file of a random name and deletes that), so the parts here have a name of their own.
Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from playground.models.hub_files import HubFile

LOCK_POLL = 0.25  # seconds between two tries for a lock that another program holds
disk_usage = shutil.disk_usage


def cache_folder() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the disk of `folder`, which need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return disk_usage(folder).free


class RepoCache:
    """One commit of one repository in the cache.

    Args:
        source: the repository, owner/name.
        sha: the commit, 40 hexadecimal digits.
    """

    def __init__(self, source: str, sha: str) -> None:
        if not re.fullmatch(r"[0-9a-f]{40}", sha):
            raise ValueError(f"sha must be a commit, got {sha!r}")
        name = "--".join(["models", *source.split("/")])
        self._folder = cache_folder() / name
        self._locks = cache_folder() / ".locks" / name
        self._sha = sha

    @property
    def snapshot(self) -> Path:
        """The folder that loads read, with a file for each of the repository's."""
        return self._folder / "snapshots" / self._sha

    def blob(self, file: HubFile) -> Path:
        return self._folder / "blobs" / file.etag

    def part(self, file: HubFile) -> Path:
        """Where the bytes of an unfinished download wait."""
        return self.blob(file).with_name(f"{file.etag}.resume.incomplete")

    def has(self, file: HubFile) -> bool:
        """Whether the snapshot holds `file` in full size."""
        return _size(self.snapshot / file.name) == file.bytes

    def here(self, file: HubFile) -> int:
        """Bytes of `file` that need not be fetched."""
        if self.has(file) or self.has_blob(file):
            return file.bytes
        part = _size(self.part(file)) or 0
        return part if part <= file.bytes else 0

    def has_blob(self, file: HubFile) -> bool:
        return _size(self.blob(file)) == file.bytes

    def missing(self, files: Iterable[HubFile]) -> int:
        """Bytes that have to be fetched for all of `files`; the same contents under two names count once."""
        return sum(file.bytes - self.here(file) for file in {f.etag: f for f in files}.values())

    def keep(self, file: HubFile) -> None:
        """Makes the finished part a blob."""
        os.replace(self.part(file), self.blob(file))

    def link(self, names: Sequence[HubFile]) -> None:
        """Puts one blob into the snapshot under all its `names`: as links, or as files where links cannot be made."""
        blob = self.blob(names[0])
        for number, file in enumerate(names, 1):
            if self.has(file):
                continue
            pointer = self.snapshot / file.name
            pointer.parent.mkdir(parents=True, exist_ok=True)
            fresh = pointer.with_name(f"{pointer.name}.{uuid4().hex[:8]}.tmp")
            try:
                if _no_links():
                    raise OSError("links are switched off")
                fresh.symlink_to(os.path.relpath(blob, pointer.parent))
            except OSError:  # Windows without developer mode
                if number == len(names):
                    os.replace(blob, fresh)
                else:
                    shutil.copyfile(blob, fresh)
            os.replace(fresh, pointer)

    def remember(self, revision: str) -> None:
        """Notes which commit a branch or tag meant, as the hub's client does."""
        if revision == self._sha or ".." in revision.split("/"):
            return
        ref = self._folder / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        fresh = ref.with_name(f"{ref.name}.{uuid4().hex[:8]}.tmp")
        fresh.write_text(self._sha)
        os.replace(fresh, ref)

    @asynccontextmanager
    async def lock(self, file: HubFile, waiting: Callable[[str], None]) -> AsyncIterator[None]:
        """Keeps other programs away from `file`, by the lock that the hub's client takes too.

        Args:
            waiting: told once what is being waited for, where another program has the lock.
        """
        from contextlib import ExitStack

        from filelock import Timeout
        from huggingface_hub.utils import WeakFileLock

        self.blob(file).parent.mkdir(parents=True, exist_ok=True)
        self._locks.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(WeakFileLock(self._locks / f"{file.etag}.lock", timeout=0.001))
                    break
                except Timeout:
                    waiting(f"another program is fetching {file.name}")
                    await asyncio.sleep(LOCK_POLL)
            yield


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _no_links() -> bool:
    from huggingface_hub import constants

    return bool(getattr(constants, "HF_HUB_DISABLE_SYMLINKS", False))
