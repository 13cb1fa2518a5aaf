"""Which models see and hear, as their cards say it. Reads no file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from playground.catalog import ModelCard
from playground.errors import InvalidRequest
from playground.protocol import Message

SEES, HEARS = "vision", "audio"


def check_senses(messages: Sequence[Message], card: ModelCard, others: Iterable[ModelCard]) -> None:
    """Raises InvalidRequest if a message holds what `card` cannot take; names one of `others` that can."""
    for capability, files, what in (
        (SEES, [data for m in messages for data in m.images], "see pictures"),
        (HEARS, [data for m in messages for data in m.audio], "hear sound"),
    ):
        if not all(isinstance(data, bytes) for data in files):
            raise InvalidRequest("A picture or a recording is not the bytes of a file.", "Attach it once more.")
        if files and not card.can(capability):
            raise cannot(card, capability, what, others)
    misplaced = next((m for m in messages if (m.images or m.audio) and m.role != "user"), None)
    if misplaced is not None:
        raise InvalidRequest(f"A message of the {misplaced.role} holds files.", "Put them into one of the user.")


def cannot(card: ModelCard, capability: str, what: str, others: Iterable[ModelCard]) -> InvalidRequest:
    """The error that tells it, with a card that can."""
    able = [other.name for other in others if other.kind == "chat" and other.id != card.id and other.can(capability)]
    hint = f"{able[0]} can." if able else f"Add a model that can, with {capability!r} among its capabilities."
    return InvalidRequest(f"{card.name} cannot {what}.", hint)
