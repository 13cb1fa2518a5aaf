"""Which graphics card a model goes to when there are several, and how one that fits none is cut over them.

Pure arithmetic over bytes; reading what is free is one function at the end. A whole model on one card is always
preferred: a cut one sends activations from card to card for every token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from playground.errors import OutOfMemory
from playground.models.sizes import human

USABLE = 0.9  # of a card's free memory; the rest is for activations of the layers there, and fragments


@dataclass(frozen=True)
class CardMemory:
    """One card and its free bytes."""

    device: str
    free: int

    @property
    def usable(self) -> int:
        return int(self.free * USABLE)


@dataclass(frozen=True)
class Placement:
    """Where a model goes. `shares` is empty for a whole model, else the most bytes by card, in the order of layers."""

    device: str
    shares: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_split(self) -> bool:
        return bool(self.shares)


def place(count: int, cards: Sequence[CardMemory], *, name: str = "The model", split: bool = True) -> Placement:
    """Puts `count` bytes of weights on the card with most free memory, or on as few cards as hold them.

    Args:
        split: whether the model may be cut between layers.

    Raises:
        OutOfMemory: they fit no card, and not all of them together where that is allowed.
        ValueError: there are no cards.
    """
    if not cards:
        raise ValueError("there must be a card to place a model on")
    by_room = sorted(cards, key=lambda card: card.usable, reverse=True)  # stable: the first card where all are alike
    if count <= by_room[0].usable:
        return Placement(by_room[0].device)
    chosen: list[CardMemory] = []
    for card in by_room:
        chosen.append(card)
        if split and count <= sum(c.usable for c in chosen):
            in_order = [c for c in cards if c in chosen]
            return Placement(in_order[0].device, {c.device: c.usable for c in in_order})
    room = ", ".join(f"{human(card.usable)} on {card.device}" for card in cards)
    together = "" if split else ", and a model of this kind cannot be cut over several"
    raise OutOfMemory(
        f"{name} needs {human(count)} of graphics memory; there is {room}{together}.",
        "Unload another model, or choose a quantization.",
    )


def place_on(device: str, count: int, *, name: str, split: bool) -> Placement:
    """Where `count` bytes of weights go for a model that is asked for on `device`; itself but for "cuda" with a choice.

    Raises: as `place`.
    """
    cards = cards_here(device)
    return Placement(device) if len(cards) < 2 else place(count, cards, name=name, split=split)


def cards_here(device: str) -> list[CardMemory]:
    """The cards to choose from: all where `device` is "cuda" without a number, else none, since one was named."""
    if device != "cuda":
        return []
    import torch

    return [
        CardMemory(f"cuda:{index}", torch.cuda.mem_get_info(index)[0]) for index in range(torch.cuda.device_count())
    ]
