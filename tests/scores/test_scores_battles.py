"""Blind battles: names stay hidden until the one vote."""

from __future__ import annotations

import random
from dataclasses import asdict

import pytest

from playground.errors import InvalidRequest
from playground.scores.battles import Tally, start_battle, tallies, vote
from playground.store import Contender, Store

PAIR = (Contender("phi", "Hello."), Contender("mistral", "Good day."))


@pytest.fixture
def store() -> Store:
    return Store("sqlite://")


def test_a_battle_shows_no_names(store):
    battle = start_battle(store, "ana", "chat", "Hi", PAIR)
    assert {battle.a.text, battle.b.text} == {"Hello.", "Good day."}
    assert "phi" not in str(asdict(battle))
    assert "mistral" not in str(asdict(battle))


def test_sides_are_swapped_by_chance(store):
    rng = random.Random(1)
    firsts = [start_battle(store, "ana", "chat", "Hi", PAIR, rng=rng).a.text for _ in range(40)]
    assert 8 < firsts.count("Hello.") < 32


@pytest.mark.parametrize("seed", range(4))
def test_the_vote_names_the_side_that_was_shown(store, seed):
    battle = start_battle(store, "ana", "chat", "Hi", PAIR, rng=random.Random(seed))
    told = vote(store, "ana", battle.id, "b")
    by_text = {side.text: side.model for side in PAIR}
    assert (told.model_a, told.model_b) == (by_text[battle.a.text], by_text[battle.b.text])
    assert told.winner == by_text[battle.b.text]


def test_a_second_vote_is_refused(store):
    battle = start_battle(store, "ana", "chat", "Hi", PAIR)
    vote(store, "ana", battle.id, "a")
    with pytest.raises(InvalidRequest, match="already"):
        vote(store, "ana", battle.id, "b")
    assert store.battle("ana", battle.id).choice == "a"


def test_somebody_elses_battle_and_an_unknown_one_look_alike(store):
    battle = start_battle(store, "ana", "chat", "Hi", PAIR)
    for owner, battle_id in (("ben", battle.id), ("ana", "no-such-id")):
        with pytest.raises(InvalidRequest, match="of yours"):
            vote(store, owner, battle_id, "a")
    assert store.battle("ana", battle.id).choice == ""


def test_an_unknown_choice_is_refused_and_does_not_use_up_the_vote(store):
    battle = start_battle(store, "ana", "chat", "Hi", PAIR)
    with pytest.raises(InvalidRequest, match="left"):
        vote(store, "ana", battle.id, "left")
    assert vote(store, "ana", battle.id, "tie").winner == ""


@pytest.mark.parametrize(
    ("kind", "pair", "word"),
    [
        ("audio", PAIR, "audio"),
        ("chat", (PAIR[0], PAIR[0]), "phi"),
        ("chat", (PAIR[0], Contender("mistral", " ")), "mistral gave no answer"),
        ("image", PAIR, "gave no answer"),
    ],
)
def test_an_unfair_battle_is_refused(store, kind, pair, word):
    with pytest.raises(InvalidRequest, match=word):
        start_battle(store, "ana", kind, "Hi", pair)


def test_tallies_count_each_side_of_each_voted_battle(store):
    for winner in ("phi", "phi", "mistral"):
        battle = start_battle(store, "ana", "chat", "Hi", PAIR)
        sides = store.battle("ana", battle.id)
        vote(store, "ana", battle.id, "a" if sides.a.model == winner else "b")
    for choice in ("tie", "both_bad"):
        vote(store, "ana", start_battle(store, "ana", "chat", "Hi", PAIR).id, choice)
    start_battle(store, "ana", "chat", "not voted", PAIR)
    counted = tallies(store, "ana", "chat")
    assert counted["phi"] == Tally(wins=2, losses=1, ties=1, both_bad=1)
    assert counted["mistral"] == Tally(wins=1, losses=2, ties=1, both_bad=1)
    assert counted["phi"].battles == 5
    assert tallies(store, "ana", "image") == {}
    assert tallies(store, "ben", "chat") == {}
