"""Where a card's files are: a folder, the hub's cache, or the hub itself; what a download costs, and the download.

Decides and words; what is needed is chosen in `hub_files`, fetched in `transfer`, kept in `hub_cache`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.checks import PICKLES, check_file, check_folder
from playground.models.flights import share
from playground.models.hub import Hub, Plan, total_bytes
from playground.models.hub_cache import RepoCache, cache_folder, free_bytes
from playground.models.hub_errors import Repo, gated, no_such_file, no_such_id, offline, plain_errors
from playground.models.hub_files import LAST, Choice, HubFile, choose_weights, gguf_parts
from playground.models.meter import Meter
from playground.models.records import Progress
from playground.protocol import CancelToken

if TYPE_CHECKING:
    from playground.settings import Settings

__all__ = [
    "DownloadPlan",
    "cached_folder",
    "choose_weights",
    "fetch_file",
    "is_local",
    "locate",
    "plan_download",
    "whereabouts",
]

HALF = ("float16", "bfloat16")


@dataclass(frozen=True)
class DownloadPlan:
    """What a download costs, before it. All in bytes; `missing_bytes` leaves out what is here, parts of files too.

    `total_bytes` counts contents that stand there under two names once. No files: everything is here and stays as it
    is. `licence_url` is where the licence is read, and accepted where the model is gated.
    """

    files: tuple[HubFile, ...]
    total_bytes: int
    missing_bytes: int
    free_disk_bytes: int
    gated: bool
    licence_url: str

    @property
    def fits(self) -> bool:
        return self.missing_bytes <= self.free_disk_bytes


def locate(
    card: ModelCard,
    settings: Settings,
    *,
    dtype: str = "float32",
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    endpoint: str | None = None,
) -> Path:
    """The folder with `card`'s files, checked; from the hub only where no whole copy is here.

    A download that was stopped or broke goes on from its bytes. Callers who want the same at once share one download.
    What a card's `file` names lies at `folder / card.file`.

    Args:
        progress: told at most four times a second.
        cancel: heeded within 0.2 s; what has come stays.

    Raises:
        ModelUnavailable: the files are not here and cannot be had, or must not be loaded; says which and what to do.
        Cancelled: `cancel` was set during the download.
    """
    here = _here(card, settings)
    if here is not None:
        return here
    key = (endpoint, cache_folder(), card.source, card.revision, card.kind, card.format, card.file, dtype in HALF)
    folder = share(key, lambda meter: _fetch_card(card, settings, dtype, meter, endpoint), card.name, progress, cancel)
    _check(card, folder)
    return folder


def plan_download(
    card: ModelCard,
    settings: Settings,
    dtype: str = "float32",
    *,
    cancel: CancelToken | None = None,
    endpoint: str | None = None,
) -> DownloadPlan:
    """What `locate` would fetch, and whether the disk has room. Asks the hub, except where everything is here.

    Raises:
        ModelUnavailable: the hub cannot be asked, or has nothing that may be loaded.
        Cancelled: `cancel` was set.
    """
    repo = Repo.of(card)
    licence = card.licence_url or repo.page
    if card.folder is not None or card.backend != "local" or settings.is_offline or is_local(card):
        _here(card, settings)
        return DownloadPlan((), 0, 0, free_bytes(cache_folder()), card.gated, licence)

    async def work(meter: Meter) -> Plan:
        with plain_errors(repo, bool(settings.hub_token)):
            async with Hub(settings, endpoint, meter) as hub:
                return await hub.plan(card, dtype)

    plan = share(object(), work, card.name, None, cancel)
    files = plan.choice.files
    return DownloadPlan(
        files,
        total_bytes(files),
        plan.cache.missing(files),
        free_bytes(cache_folder()),
        plan.gated or card.gated,
        licence,
    )


def fetch_file(
    source: str,
    file: str,
    revision: str,
    settings: Settings,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    *,
    endpoint: str | None = None,
) -> Path:
    """One safetensors file of a repository, a LoRA for instance: from the cache, or fetched as `locate` does.

    Raises:
        ModelUnavailable: it is no safetensors file, or cannot be had.
        Cancelled: `cancel` was set during the download.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    repo = Repo(f"{source}/{file}", source, revision)
    if not file.endswith(".safetensors"):
        raise ModelUnavailable(
            f"{file} of {source} is no safetensors file, and other formats can run code.",
            "Choose a file that ends in .safetensors.",
        )
    try:
        known = try_to_load_from_cache(source, file, cache_dir=cache_folder(), revision=revision)
    except HFValidationError:
        raise no_such_id(repo) from None
    if isinstance(known, str):
        return Path(known)
    if settings.is_offline:
        raise offline(repo)

    async def work(meter: Meter) -> Path:
        with plain_errors(repo, bool(settings.hub_token)):
            async with Hub(settings, endpoint, meter) as hub:
                listing = await hub.listing(repo)
                found = [f for f in listing.files if f.name == file]
                if not found:
                    raise no_such_file(repo, file)
                cache = RepoCache(source, listing.sha)
                await hub.obtain(repo, cache, Choice((), tuple(found)), lambda: None)
                cache.remember(revision)
                return cache.snapshot / file

    return share((endpoint, cache_folder(), source, revision, file), work, repo.name, progress, cancel)


def whereabouts(card: ModelCard, settings: Settings) -> tuple[bool, str]:
    """Whether `card` is here whole, and why it cannot be loaded; "" where it can, perhaps by download.

    As far as can be told without a network.
    """
    try:
        return _here(card, settings) is not None, ""
    except ModelUnavailable as error:
        return False, str(error)


def cached_folder(card: ModelCard) -> Path | None:
    """The hub cache's folder of this revision, whole or not; None where there is none. Never asks the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(card.source, revision=card.revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        # Where another tool has kept the repository's listing, the client misses files that are not needed here.
        part = getattr(error, "snapshot_path", None)
        return Path(part) if part else None
    except HFValidationError:
        raise no_such_id(Repo.of(card)) from None


def is_local(card: ModelCard) -> bool:
    """Whether `card` can be loaded without a network."""
    try:
        folder = card.folder or cached_folder(card)
        if folder is None or not folder.is_dir():
            return False
        _check(card, folder)
    except ModelUnavailable:
        return False
    return True


def _here(card: ModelCard, settings: Settings) -> Path | None:
    """The checked folder on this machine, or None where a download may be tried."""
    if card.backend != "local":
        raise ModelUnavailable(f"{card.name} runs over an API, so there is nothing to load.", "Choose a local model.")
    if card.folder is not None:
        if not card.folder.is_dir():
            if card.folder.suffix in PICKLES:
                check_file(card.folder)  # says why, and how to convert it
            raise ModelUnavailable(f"{card.name}: the folder {card.folder} is missing.", "Correct the card's source.")
        _check(card, card.folder)
        return card.folder
    cached, why = cached_folder(card), ""
    if cached is not None:
        try:
            _check(card, cached)
            return cached
        except ModelUnavailable as error:
            why = error.message
    if settings.is_offline:
        raise offline(Repo.of(card), why)
    if card.gated and not settings.hub_token:
        raise gated(Repo.of(card), has_token=False)
    return None


def _check(card: ModelCard, folder: Path, *, weights: bool = True) -> None:
    """Passes a folder that holds what the card's format needs, and nothing that would run code."""
    if card.format == "folder":
        check_folder(folder, card.kind, weights=weights)
        return
    if not weights:
        return
    if card.format == "single-file":
        check_file(folder / card.file)
        return
    needed = [f"{card.file}/{LAST}"] if card.format == "onnx" else [card.file]
    for name in [part for n in needed for part in gguf_parts(n)]:
        if not (folder / name.lstrip("/")).is_file():
            raise ModelUnavailable(f"{card.name}: {folder} holds no {name}.", "Correct the card's file.")


async def _fetch_card(card: ModelCard, settings: Settings, dtype: str, meter: Meter, endpoint: str | None) -> Path:
    repo = Repo.of(card)
    with plain_errors(repo, bool(settings.hub_token)):
        async with Hub(settings, endpoint, meter) as hub:
            plan = await hub.plan(card, dtype)
            folder = plan.cache.snapshot
            # Remote code and broken configs show before the first gigabyte.
            await hub.obtain(repo, plan.cache, plan.choice, lambda: _check(card, folder, weights=False))
            plan.cache.remember(card.revision)
            return folder
