"""A model hub as downloads need it: what a repository holds, and its files brought into the cache, several at once.

Knows the hub's addresses; what is chosen and how bytes travel is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.hub_cache import RepoCache, cache_folder, free_bytes
from playground.models.hub_errors import Repo, too_big
from playground.models.hub_files import Choice, HubFile, choose_files
from playground.models.meter import Meter
from playground.models.sizes import names_in
from playground.models.transfer import Wire

if TYPE_CHECKING:
    from playground.settings import Settings

AT_ONCE = 4  # files that are fetched side by side: one connection seldom fills a fast line
INDEX = "model_index.json"
LARGEST_INDEX = 1_000_000  # bytes
SHA = re.compile(r"[0-9a-f]{40}")
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Listing:
    """One commit of a repository: its hash, its files, and whether a licence has to be accepted for them."""

    sha: str
    files: tuple[HubFile, ...]
    gated: bool


@dataclass(frozen=True)
class Plan:
    """What is to be fetched, and where it goes."""

    choice: Choice
    cache: RepoCache
    gated: bool


class Hub:
    """An open connection to a hub for one download; an asynchronous context manager.

    Args:
        endpoint: the hub's address; None for the one that HF_ENDPOINT names.
        meter: counts what comes.
    """

    def __init__(self, settings: Settings, endpoint: str | None, meter: Meter) -> None:
        from huggingface_hub import constants

        self._endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._token = settings.hub_token
        self._meter = meter
        self._stack = AsyncExitStack()
        self._wire: Wire

    async def __aenter__(self) -> Hub:
        from huggingface_hub import get_async_session
        from huggingface_hub.utils import build_hf_headers

        # The hub library's own client, so that its settings for proxies and certificates hold here too.
        client = await self._stack.enter_async_context(get_async_session())
        self._wire = Wire(client, build_hf_headers(token=self._token or False), self._meter)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def listing(self, repo: Repo) -> Listing:
        """What the repository holds at its revision.

        Raises:
            HFValidationError: the source is no id.
            ModelUnavailable: the answer makes no sense.
            HfHubHTTPError, HTTPError, Busy: the hub refuses or cannot be reached.
        """
        from huggingface_hub import ModelInfo
        from huggingface_hub.utils import validate_repo_id

        validate_repo_id(repo.source)
        revision = quote(repo.revision, safe="")
        answer = await self._wire.get(f"{self._endpoint}/api/models/{repo.source}/revision/{revision}?blobs=true")
        try:
            info = ModelInfo(**json.loads(answer))
            files = tuple(
                HubFile(s.rfilename, s.size or 0, (s.lfs.sha256 if s.lfs else s.blob_id) or "")
                for s in info.siblings or ()
            )
            if not SHA.fullmatch(info.sha or ""):
                raise ValueError("no commit")
        except (ValueError, TypeError, KeyError):
            raise ModelUnavailable(
                f"{repo.name}: what {self._endpoint} answers is no list of the files of {repo.source}.",
                "Check HF_ENDPOINT.",
            ) from None
        return Listing(str(info.sha), files, bool(info.gated))

    async def plan(self, card: ModelCard, dtype: str) -> Plan:
        """What `card` needs of its repository. Reads a pipeline's index, which is small, to tell its components.

        Raises:
            ModelUnavailable: nothing there may be loaded; otherwise as `listing`.
        """
        repo = Repo.of(card)
        listing = await self.listing(repo)
        if not listing.files:
            raise ModelUnavailable(f"{card.name}: {card.source} is empty.", "Correct the card's source.")
        components = await self._components(repo, listing) if card.format == "folder" else None
        choice = choose_files(card, listing.files, dtype, components)
        return Plan(choice, RepoCache(card.source, listing.sha), listing.gated)

    async def obtain(self, repo: Repo, cache: RepoCache, choice: Choice, check: Callable[[], None]) -> None:
        """Brings all files of `choice` into the cache.

        Args:
            check: called when `choice.first` is there; may refuse the rest.

        Raises:
            ModelUnavailable: the disk has no room; otherwise as `Wire.fetch`.
        """
        for file in choice.files:
            _trust(repo, file)
        missing, free = cache.missing(choice.files), free_bytes(cache_folder())
        if missing > free:
            raise too_big(repo, missing, free, cache_folder())
        self._meter.expect(total_bytes(choice.files))
        for file in choice.files:
            self._meter.found(file.etag, cache.here(file))
        await self._all(repo, cache, choice.first)
        check()
        await self._all(repo, cache, choice.then)
        await self._all(repo, cache, choice.last)

    async def _all(self, repo: Repo, cache: RepoCache, files: Sequence[HubFile]) -> None:
        blobs: dict[str, list[HubFile]] = {}
        for file in files:
            blobs.setdefault(file.etag, []).append(file)
        waiting = iter(blobs.values())

        async def work() -> None:
            for names in waiting:
                await self._one(repo, cache, names)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _one(self, repo: Repo, cache: RepoCache, names: Sequence[HubFile]) -> None:
        """One blob, under all its names."""
        file = names[0]
        if not all(cache.has(f) for f in names):
            async with cache.lock(file, self._meter.note):
                if not cache.has_blob(file):
                    await self._wire.fetch(self._url(repo, cache, file.name), cache.part(file), file)
                    cache.keep(file)
                cache.link(names)
        self._meter.found(file.etag, file.bytes)

    async def _components(self, repo: Repo, listing: Listing) -> list[str] | None:
        """The folders that a pipeline's index names, None where there is no index or it may not be read yet."""
        from huggingface_hub.errors import GatedRepoError

        index = next((f for f in listing.files if f.name == INDEX and f.bytes <= LARGEST_INDEX), None)
        if index is None:
            return None
        try:
            table = json.loads(await self._wire.get(self._url(repo, RepoCache(repo.source, listing.sha), INDEX)))
        except (GatedRepoError, ValueError):
            return None
        if not isinstance(table, dict):
            return None
        return names_in(table)

    def _url(self, repo: Repo, cache: RepoCache, name: str) -> str:
        return f"{self._endpoint}/{repo.source}/resolve/{cache.snapshot.name}/{quote(name)}"


def total_bytes(files: Sequence[HubFile]) -> int:
    """Bytes of all files; contents that stand there under two names count once."""
    return sum({f.etag: f.bytes for f in files}.values())


def _trust(repo: Repo, file: HubFile) -> None:
    """Refuses what would leave the cache's folders, and what cannot be checked when it has come."""
    path = PurePosixPath(file.name)
    if path.is_absolute() or ".." in path.parts or "\\" in file.name or ":" in file.name:
        raise ModelUnavailable(
            f"{repo.name}: the hub lists {file.name!r}, which lies outside the repository.", "Use another hub."
        )
    if not HASH.fullmatch(file.etag):
        raise ModelUnavailable(
            f"{repo.name}: the hub does not say the hash of {file.name}, so it could not be checked.",
            "Use a hub that does, such as https://huggingface.co.",
        )
