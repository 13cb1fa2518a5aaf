"""Errors that a person reads: one sentence on what went wrong, one on what to do."""

from __future__ import annotations


class PlaygroundError(Exception):
    """An expected failure, told in plain words.

    Args:
        message: one sentence that names the offending value.
        hint: one sentence on what to do next; empty where the message says it all.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[type[PlaygroundError], tuple[str, str]]:
        # Exception's own pickling would call the class with the joined text alone.
        return type(self), (self.message, self.hint)


class InvalidRequest(PlaygroundError):
    """A value in a request is out of range or does not fit the model."""


class UnknownModel(PlaygroundError):
    """No card has this id."""


class ModelUnavailable(PlaygroundError):
    """A card is known but cannot run here: no network, no token, a missing extra, too little memory."""


class NotNow(PlaygroundError):
    """Something cannot be had at once, and the caller did not want to wait."""


class OutOfMemory(ModelUnavailable):
    """A load or a run needs more bytes than the budget leaves."""


class Cancelled(PlaygroundError):
    """The user stopped the request; not a failure."""

    def __init__(self, message: str = "Stopped.", hint: str = "") -> None:
        super().__init__(message, hint)
