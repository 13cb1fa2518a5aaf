from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import OutOfMemory
from playground.models.devices import memory_budget
from playground.models.placement import CardMemory, cards_here, place, place_on
from playground.settings import Settings

GB = 10**9


def cards(*free: int) -> list[CardMemory]:
    return [CardMemory(f"cuda:{i}", amount) for i, amount in enumerate(free)]


def test_a_model_goes_whole_to_the_card_with_most_room():
    assert place(5 * GB, cards(8 * GB, 20 * GB, 10 * GB)).device == "cuda:1"
    assert place(5 * GB, cards(20 * GB, 20 * GB)).device == "cuda:0"


def test_a_model_that_fits_none_is_cut_over_as_few_as_hold_it_in_the_order_of_the_cards():
    placed = place(30 * GB, cards(10 * GB, 20 * GB, 20 * GB))
    assert placed.is_split
    assert placed.device == "cuda:1"
    assert placed.shares == {"cuda:1": 18 * GB, "cuda:2": 18 * GB}


def test_what_fits_nowhere_is_refused_with_the_figures():
    with pytest.raises(OutOfMemory, match=r"M needs 100.0 GB .* there is 9.0 GB on cuda:0, 18.0 GB on cuda:1\."):
        place(100 * GB, cards(10 * GB, 20 * GB), name="M")
    with pytest.raises(OutOfMemory, match="cannot be cut over several"):
        place(20 * GB, cards(10 * GB, 20 * GB), split=False)
    with pytest.raises(ValueError, match="must be a card"):
        place(1, [])


@given(st.integers(0, 100), st.lists(st.integers(0, 60), min_size=1, max_size=5), st.booleans())
def test_no_card_gets_more_than_it_has_and_no_smaller_cut_would_do(count, free, split):
    given_cards = cards(*free)
    room = {card.device: card.usable for card in given_cards}
    try:
        placed = place(count, given_cards, split=split)
    except OutOfMemory:
        assert count > (sum(room.values()) if split else max(room.values()))
        return
    if not placed.is_split:
        assert count <= room[placed.device] == max(room.values())
        return
    assert split
    assert count > max(room.values())
    assert placed.shares.items() <= room.items()
    assert sum(placed.shares.values()) >= count
    assert sum(sorted(room.values(), reverse=True)[: len(placed.shares) - 1]) < count
    assert list(placed.shares) == sorted(placed.shares)


def test_two_cards_are_one_budget_and_a_model_goes_to_the_emptier_one(monkeypatch, tmp_path):
    import torch

    free = [10 * GB, 20 * GB]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda card: (free[card if isinstance(card, int) else 0], 0))
    settings = Settings(data_dir=tmp_path)
    assert memory_budget("cuda", settings) == 27 * GB
    assert memory_budget("cuda:0", settings) == 9 * GB
    assert place_on("cuda", GB, name="M", split=False).device == "cuda:1"
    assert place_on("cuda:0", GB, name="M", split=False).device == "cuda:0"
    assert place_on("cuda", 25 * GB, name="M", split=True).is_split
    free.pop()
    assert place_on("cuda", GB, name="M", split=False).device == "cuda"


def test_a_named_card_is_no_choice():
    assert cards_here("cpu") == cards_here("cuda:1") == cards_here("mps") == []
