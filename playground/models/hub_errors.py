"""What goes wrong between this app and a model hub, each as one sentence and a way out. Fetches nothing."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.sizes import human

HUB = "https://huggingface.co"
FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows knows no quotas
GOES_ON = "Try again: the download goes on from the bytes that are here."


@dataclass(frozen=True)
class Repo:
    """A repository as people and the hub call it."""

    name: str
    source: str
    revision: str = "main"
    licence_url: str = ""

    @classmethod
    def of(cls, card: ModelCard) -> Repo:
        return cls(card.name, card.source, card.revision, card.licence_url)

    @property
    def page(self) -> str:
        """Where its licence is read and accepted."""
        return f"{HUB}/{self.source}"


class HubTrouble(Exception):
    """Base of what the transfer raises for `plain_errors` to word; never shown as it is."""


class Busy(HubTrouble):
    """The hub answered `status` (408, 429 or 5xx) and asks to come back in `wait_s` seconds, where it says so."""

    def __init__(self, status: int, wait_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.wait_s = wait_s


class BrokenOff(HubTrouble):
    """The connection broke while `file` was fetched, as often as patience allows."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file}: {why}")
        self.file = file
        self.why = why


class Damaged(HubTrouble):
    """`file` did not come as it was announced, twice; `why` says in what it differs."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file}: {why}")
        self.file = file
        self.why = why


def gated(repo: Repo, has_token: bool) -> ModelUnavailable:
    """The repository's licence has not been accepted, or no token says by whom."""
    licence = f" (licence: {repo.licence_url})" if repo.licence_url not in ("", repo.page) else ""
    if has_token:
        return ModelUnavailable(
            f"{repo.name} is gated, and the account of this HF_TOKEN has not been let in.",
            f"Accept its licence at {repo.page} with that account{licence}; some owners approve by hand, and a "
            "fine-grained token needs access to public gated repositories.",
        )
    return ModelUnavailable(
        f"{repo.name} is gated: its licence has to be accepted first, at {repo.page}.",
        f"Accept it there with your account{licence}, then set HF_TOKEN to a token of that account.",
    )


def too_big(repo: Repo, missing: int, free: int, folder: object) -> ModelUnavailable:
    """The disk has less room than is still to come."""
    return ModelUnavailable(
        f"{repo.name} needs {human(missing)} more on the disk, and {folder} has {human(free)} free.",
        "Free some space, or set HF_HOME to a folder on a larger disk and start again.",
    )


def offline(repo: Repo, why: str = "") -> ModelUnavailable:
    """The network may not be asked. `why` says what is wrong with the copy that is here, where there is one."""
    return ModelUnavailable(
        f"{repo.name} cannot be used as it is here, and the app works offline: {why}"
        if why
        else f"{repo.name} is not on this machine, and the app works offline.",
        f"Start it once with a network, or copy {repo.source} to a folder and name that in a card.",
    )


def no_such_file(repo: Repo, file: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"{repo.name}: {repo.source} has no file {file!r} at revision {repo.revision!r}.", "Correct the file's name."
    )


def no_such_id(repo: Repo) -> ModelUnavailable:
    return ModelUnavailable(
        f"{repo.name}: {repo.source!r} is neither a folder nor the id of a hub model.",
        "Write owner/name, or an absolute folder.",
    )


@contextmanager
def plain_errors(repo: Repo, has_token: bool) -> Iterator[None]:
    """Turns what the transfer and the hub's client raise into one sentence and a hint."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise gated(repo, has_token) from None
    except errors.RevisionNotFoundError:
        raise ModelUnavailable(
            f"{repo.name}: {repo.source} has no revision {repo.revision!r}.", "Correct the card's revision."
        ) from None
    except errors.RemoteEntryNotFoundError as error:
        raise no_such_file(repo, str(error.response.request.url).rpartition("/")[2]) from None
    except errors.RepositoryNotFoundError:
        raise ModelUnavailable(
            f"{repo.name}: the hub has no model {repo.source}, or it is private.",
            "Correct the card's source, or set HF_TOKEN if it is yours.",
        ) from None
    except errors.HFValidationError:
        raise no_such_id(repo) from None
    except errors.HfHubHTTPError as error:
        raise _refusal(repo, error.response.status_code, has_token) from None
    except HubTrouble as error:
        raise _trouble(repo, error) from None
    # The client's own HTTP library has changed its name between releases; `errors` holds the base class in use.
    except (errors.HTTPError, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        raise ModelUnavailable(
            f"{repo.name} is not on this machine, and the hub cannot be reached ({type(error).__name__}).",
            "Check the network, or choose a model that is already here.",
        ) from None
    except OSError as error:
        if error.errno in FULL:
            raise ModelUnavailable(
                f"{repo.name} could not be stored: the disk is full.", f"Free some space. {GOES_ON}"
            ) from None
        raise ModelUnavailable(
            f"{repo.name} could not be stored: {error}.", "Check that the folder of the hub's cache can be written."
        ) from None


def _refusal(repo: Repo, status: int, has_token: bool) -> ModelUnavailable:
    if status == 401 and has_token:
        return ModelUnavailable(
            f"{repo.name}: the hub does not accept this HF_TOKEN (401).",
            f"Make a new one at {HUB}/settings/tokens, or start without it.",
        )
    if status in (401, 403):
        return ModelUnavailable(
            f"{repo.name}: the hub refuses access to {repo.source} ({status}).",
            f"Look at {repo.page} whether it can be asked for, and set HF_TOKEN to a token that may read it.",
        )
    return ModelUnavailable(f"{repo.name}: the hub answered with an error ({status}).", "Try again later.")


def _trouble(repo: Repo, error: HubTrouble) -> ModelUnavailable:
    match error:
        case Busy(status=429, wait_s=wait):
            when = f"in {wait:.0f} s" if wait else "in some minutes"
            return ModelUnavailable(
                f"{repo.name}: the hub refuses more requests for now (429).",
                f"Try again {when}, it goes on where it stopped; a token in HF_TOKEN raises the hub's limit.",
            )
        case Busy(status=status):
            return ModelUnavailable(
                f"{repo.name}: the hub answered with an error ({status}), again and again.", GOES_ON
            )
        case BrokenOff(file=file, why=why):
            return ModelUnavailable(
                f"{repo.name}: the connection to the hub keeps breaking off while {file} is fetched ({why}).", GOES_ON
            )
        case Damaged(file=file, why=why):
            return ModelUnavailable(
                f"{repo.name}: {file} came damaged twice and was deleted: {why}.",
                "Try again later; if it stays so, the copy on the hub or a proxy on the way is broken.",
            )
        case _:
            return ModelUnavailable(f"{repo.name} could not be fetched: {error}.", "Try again later.")
