"""Blind battles: two unnamed answers, one vote, then the names. Text and pictures are ladders of their own.

Knows nothing of engines: it is handed the answers. Whoever shows a battle must hide speed and file names, too.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from playground.errors import InvalidRequest
from playground.store import Contender, Store

Choice = Literal["a", "b", "tie", "both_bad"]
BattleKind = Literal["chat", "image"]

_sides = random.SystemRandom()


@dataclass(frozen=True)
class Answer:
    """What one side gave: text, or the path of a picture; no name."""

    text: str
    path: str


@dataclass(frozen=True)
class Battle:
    """What may be shown before the vote."""

    id: str
    kind: str
    prompt: str
    a: Answer
    b: Answer


@dataclass(frozen=True)
class Reveal:
    """The names, after the vote; `winner` is a card id, or '' for "tie" and "both_bad"."""

    id: str
    choice: str
    model_a: str
    model_b: str
    winner: str


@dataclass(frozen=True)
class Tally:
    """Votes on one model, over all its opponents."""

    wins: int = 0
    losses: int = 0
    ties: int = 0
    both_bad: int = 0

    @property
    def battles(self) -> int:
        return self.wins + self.losses + self.ties + self.both_bad


def start_battle(
    store: Store,
    owner: str,
    kind: BattleKind,
    prompt: str,
    pair: tuple[Contender, Contender],
    *,
    rng: random.Random | None = _sides,
) -> Battle:
    """Keeps two finished answers under randomly drawn sides and returns them without names.

    `rng` draws the sides; None keeps them as they are given, for answers that were shown on drawn sides already.

    Raises:
        InvalidRequest: the kind is unknown, both are of one model, or a side has no answer.
    """
    if kind not in get_args(BattleKind):
        raise InvalidRequest(f"kind must be chat or image, got {kind!r}.")
    if pair[0].model == pair[1].model:
        raise InvalidRequest(f"A battle needs two models, got {pair[0].model!r} twice.", "Choose another.")
    for side in pair:
        if not (side.path if kind == "image" else side.text.strip()):
            raise InvalidRequest(f"{side.model} gave no answer.", "Start the battle again.")
    a, b = pair if rng is None else rng.sample(pair, 2)
    battle_id = store.add_battle(owner, kind, prompt, a, b)
    return Battle(battle_id, kind, prompt, Answer(a.text, a.path), Answer(b.text, b.path))


def vote(store: Store, owner: str, battle_id: str, choice: str) -> Reveal:
    """Takes the one vote of a battle and says who was who.

    Raises:
        InvalidRequest: the choice is unknown, the battle is not the owner's, or it has its vote already.
    """
    if choice not in get_args(Choice):
        raise InvalidRequest(f"choice must be a, b, tie or both_bad, got {choice!r}.")
    store.add_vote(owner, battle_id, choice)
    battle = store.battle(owner, battle_id)
    winner = {"a": battle.a.model, "b": battle.b.model}.get(choice, "")
    return Reveal(battle_id, choice, battle.a.model, battle.b.model, winner)


def tallies(store: Store, owner: str, kind: BattleKind) -> dict[str, Tally]:
    """Wins, losses and ties by card id, over the owner's voted battles of one kind; unvoted ones do not count."""
    counts: dict[str, Counter[str]] = {}
    for battle in store.battles(owner, kind):
        if not battle.choice:
            continue
        for side, model in (("a", battle.a.model), ("b", battle.b.model)):
            field = {"tie": "ties", "both_bad": "both_bad", side: "wins"}.get(battle.choice, "losses")
            counts.setdefault(model, Counter())[field] += 1
    return {model: Tally(**found) for model, found in counts.items()}
