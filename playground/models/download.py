"""Where a card's files are: a folder, the hub's local cache, or the hub itself. Fetches only what a safe load needs.

Only JSON, tokenizers and safetensors are fetched, never pickles or code. An unreachable network shows within seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.catalog import ModelCard
from playground.errors import Cancelled, ModelUnavailable
from playground.models.checks import check_folder, variant_of
from playground.models.records import Progress
from playground.protocol import CancelToken

if TYPE_CHECKING:
    from playground.settings import Settings

TIMEOUT = 5.0  # seconds until the hub counts as unreachable
CONFIGS = re.compile(r"^([\w.-]+/)?[\w.-]+\.(json|txt|model|jinja)$")
WEIGHTS = re.compile(r"^([\w.-]+/)?(model|diffusion_pytorch_model)([.-][\w.-]+)?\.safetensors$")
PICKLES = (".bin", ".ckpt", ".pt", ".pth")


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

    Raises:
        ModelUnavailable: the files are not here and cannot be had, or must not be loaded; says which and what to do.
        Cancelled: `cancel` was set during the download.
    """
    here = _here(card, settings)
    if here is not None:
        return here
    folder = _download(card, settings, dtype, progress or _quiet, cancel or CancelToken(), endpoint)
    check_folder(folder, card.kind)
    return folder


def unavailable(card: ModelCard, settings: Settings) -> str:
    """Why `card` cannot be loaded, as far as can be told without a network; "" where it can, perhaps by download."""
    try:
        _here(card, settings)
    except ModelUnavailable as error:
        return str(error)
    return ""


def _here(card: ModelCard, settings: Settings) -> Path | None:
    """The checked folder on this machine, or None where a download may be tried."""
    if card.backend != "local":
        raise ModelUnavailable(f"{card.name} runs over an API, so there is nothing to load.", "Choose a local model.")
    if card.folder is not None:
        if not card.folder.is_dir():
            raise ModelUnavailable(f"{card.name}: the folder {card.folder} is missing.", "Correct the card's source.")
        check_folder(card.folder, card.kind)
        return card.folder
    cached = cached_folder(card)
    if cached is not None:
        try:
            check_folder(cached, card.kind)
            return cached
        except ModelUnavailable:
            if settings.is_offline:
                raise
    if settings.is_offline:
        raise ModelUnavailable(
            f"{card.name} is not on this machine, and the app works offline.",
            f"Start it once with a network, or copy {card.source} to a folder and name that in a card.",
        )
    if card.gated and not settings.hub_token:
        raise _gated(card)
    return None


def cached_folder(card: ModelCard) -> Path | None:
    """The hub cache's folder of this revision, whole or not; None where there is none. Never asks the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(card.source, revision=card.revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError:
        raise ModelUnavailable(
            f"{card.name}: {card.source!r} is neither a folder nor the id of a hub model.",
            "Write owner/name, or an absolute folder.",
        ) from None


def is_local(card: ModelCard) -> bool:
    """Whether `card` can be loaded without a network."""
    try:
        folder = card.folder or cached_folder(card)
        if folder is None or not folder.is_dir():
            return False
        check_folder(folder, card.kind)
    except ModelUnavailable:
        return False
    return True


def _download(
    card: ModelCard,
    settings: Settings,
    dtype: str,
    progress: Progress,
    cancel: CancelToken,
    endpoint: str | None,
) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    token: str | bool = settings.hub_token or False
    with _plain_errors(card):
        info = HfApi(endpoint=endpoint, token=token).model_info(
            card.source, revision=card.revision, timeout=TIMEOUT, files_metadata=True
        )
        sizes = {s.rfilename: s.size or 0 for s in info.siblings or []}
        configs = [name for name in sizes if CONFIGS.match(name)]
        weights = choose_weights(card, sizes, dtype)
        total, done = sum(sizes[n] for n in configs + weights) or 1, 0
        folder: Path | None = None
        for name in configs + weights:
            if cancel.cancelled:
                raise Cancelled
            text = f"Downloading {card.name}: {name}"
            progress(done / total, text)
            bar = _bar(partial(_report, progress, done, total, text), cancel)
            path = Path(
                hf_hub_download(
                    card.source,
                    name,
                    revision=info.sha or card.revision,
                    token=token,
                    etag_timeout=TIMEOUT,
                    tqdm_class=bar,
                    endpoint=endpoint,
                )
            )
            done += sizes[name]
            folder = path.parents[name.count("/")]
            if name == configs[-1]:
                # Remote code and broken configs show before the first gigabyte.
                check_folder(folder, card.kind, weights=False)
    if folder is None:
        raise ModelUnavailable(f"{card.name}: {card.source} is empty.", "Correct the card's source.")
    if card.revision != (info.sha or card.revision):
        _remember(card, info.sha or "", folder)
    return folder


def _remember(card: ModelCard, sha: str, folder: Path) -> None:
    """Notes in the hub's cache which commit a branch name meant, as the hub's own client does."""
    ref = folder.parent.parent / "refs" / card.revision
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(sha)


def choose_weights(card: ModelCard, names: Iterable[str], dtype: str) -> list[str]:
    """The safetensors files to fetch: per folder the 16-bit variant for a 16-bit load, else the plain files.

    Raises:
        ModelUnavailable: the repository has no safetensors in the layout of transformers or diffusers.
    """
    names = list(names)
    found = [n for n in names if WEIGHTS.match(n) and not n.startswith(("safety_checker/", "image_encoder/"))]
    is_image = card.kind == "image"
    found = [n for n in found if ("/" in n) == is_image]
    chosen: list[str] = []
    for folder in dict.fromkeys(n.rpartition("/")[0] for n in found):
        here = [n for n in found if n.rpartition("/")[0] == folder]
        half = [n for n in here if variant_of(n) == "fp16"]
        plain = [n for n in here if variant_of(n) == ""]
        chosen += half if half and (dtype in ("float16", "bfloat16") or not plain) else plain
    if chosen:
        return chosen
    pickled = next((n for n in names if n.endswith(PICKLES)), None)
    if pickled:
        raise ModelUnavailable(
            f"{card.name} is published only as pickled weights ({pickled}), which can run code.",
            "Choose a model or a revision with safetensors.",
        )
    raise ModelUnavailable(f"{card.name}: {card.source} holds no safetensors weights.", "Correct the card's source.")


def _report(progress: Progress, before: int, total: int, text: str, count: int) -> None:
    progress(min(1.0, (before + count) / total), text)


def _bar(report: Callable[[int], None], cancel: CancelToken) -> type[Any]:
    """A progress bar class that draws nothing, reports bytes and ends the download once cancelled."""
    from tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            kwargs["disable"] = True
            super().__init__(*args, **kwargs)
            self.n = kwargs.get("initial") or 0

        def update(self, n: float | None = 1) -> bool | None:
            if cancel.cancelled:
                raise Cancelled
            self.n += n or 0
            report(int(self.n))
            return None

    return Bar


def _quiet(fraction: float | None, text: str) -> None:
    return None


def _gated(card: ModelCard) -> ModelUnavailable:
    page = card.licence_url or f"https://huggingface.co/{card.source}"
    return ModelUnavailable(
        f"{card.name} is gated: its licence has to be accepted first, at https://huggingface.co/{card.source}.",
        f"Accept it there with your account (licence: {page}), then set HF_TOKEN to a token of that account.",
    )


@contextmanager
def _plain_errors(card: ModelCard) -> Iterator[None]:
    """Turns what the hub's client raises into one sentence and a hint."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise _gated(card) from None
    except errors.RevisionNotFoundError:
        raise ModelUnavailable(
            f"{card.name}: {card.source} has no revision {card.revision!r}.", "Correct the card's revision."
        ) from None
    except errors.RepositoryNotFoundError:
        raise ModelUnavailable(
            f"{card.name}: the hub has no model {card.source}, or it is private.",
            "Correct the card's source, or set HF_TOKEN if it is yours.",
        ) from None
    except errors.HFValidationError as error:
        raise ModelUnavailable(f"{card.name}: {error}.", "Write owner/name, or an absolute folder.") from None
    except errors.HfHubHTTPError as error:
        raise ModelUnavailable(f"{card.name}: the hub answered with an error: {error}.", "Try again later.") from None
    # The client's own HTTP library has changed its name between releases; `errors` holds the base class in use.
    except (errors.HTTPError, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        raise ModelUnavailable(
            f"{card.name} is not on this machine, and the hub cannot be reached ({type(error).__name__}).",
            "Check the network, or choose a model that is already here.",
        ) from None
    except OSError as error:
        raise ModelUnavailable(f"{card.name} could not be stored: {error}.", "Check the space on the disk.") from None
