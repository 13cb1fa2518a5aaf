"""The pool and memory: running out, what is kept too long, reservations, and the tier in RAM."""

from __future__ import annotations

import weakref

import pytest

from playground.errors import ModelUnavailable, OutOfMemory
from tests.models.builders import SIZES, A, B, C, FakeLoader, card, ids, make


def test_out_of_memory_in_a_load_frees_idle_models_and_tries_once_more():
    pool, loader = make()
    with pool.lease(B):
        pass
    loader.errors["a"] = MemoryError()
    with pool.lease(A):
        assert ids(pool) == {"a"}
    assert loader.loads == ["b", "a", "a"]


def test_a_second_out_of_memory_is_an_error():
    class Short(FakeLoader):
        def __call__(self, job):
            self.loads.append(job.card.id)
            raise MemoryError

    pool, loader = make(loader=Short(dict(SIZES)))
    with pytest.raises(OutOfMemory, match="A ran out of memory"), pool.lease(A):
        pass
    assert loader.loads == ["a", "a"]
    assert pool.stats.used_bytes == 0


def test_what_a_lease_gave_is_empty_afterwards():
    pool, _ = make()
    with pool.lease(A) as model:
        pass
    with pytest.raises(AttributeError):
        _ = model.model


def test_weights_that_somebody_keeps_count_until_they_are_gone():
    events = []
    pool, _ = make(on_event=events.append)
    with pool.lease(A) as model:
        kept = model.model
    assert pool.unload("a")
    assert pool.stats.leaked_bytes == pool.stats.used_bytes == 10
    assert "leaked" in {e.kind for e in events}
    del kept
    assert pool.stats.used_bytes == 0


def test_weights_in_a_reference_cycle_are_freed():
    pool, _ = make()
    with pool.lease(A) as model:
        model.model.itself = model.model
        gone = weakref.ref(model.model)
    pool.unload("a")
    assert gone() is None
    assert pool.stats.leaked_bytes == 0


def test_reserved_bytes_are_kept_free_of_models():
    pool, _ = make(25)
    for one in (A, B):
        with pool.lease(one):
            pass
    with pool.reserve(15, "training"):
        assert ids(pool) == {"b"}
        assert pool.stats.used_bytes == 25
    assert pool.stats.used_bytes == 10


def test_a_larger_model_than_announced_makes_more_room_or_fails():
    pool, loader = make(25)
    with pool.lease(B):
        pass
    loader.sizes["a"] = 20
    pool._loads._size = lambda job: 10
    with pool.lease(A):
        assert ids(pool) == {"a"}
        assert pool.stats.used_bytes == 20
    loader.sizes["c"] = 30
    with pytest.raises(OutOfMemory), pool.lease(C):
        pass
    assert pool.stats.used_bytes <= 25


# --- the RAM tier --------------------------------------------------------------------------------------------------


class Mover:
    def __init__(self) -> None:
        self.moves: list[tuple[str, str]] = []
        self.fail: set[str] = set()

    def __call__(self, loaded, tier) -> None:
        self.moves.append((loaded.card.id, tier))
        if tier in self.fail:
            raise RuntimeError("no room there")
        loaded.device = tier


def test_evicted_models_go_to_ram_and_come_back_without_a_load():
    mover = Mover()
    pool, loader = make(10, ram_bytes=10, mover=mover)
    for one in (A, B, A):
        with pool.lease(one) as model:
            assert model.device == "device"
    assert loader.loads == ["a", "b"]
    # RAM holds one model and A's copy is there until it is back on the device, so B had to go.
    assert mover.moves == [("a", "ram"), ("a", "device")]
    assert (pool.stats.used_bytes, pool.stats.ram_used_bytes) == (10, 0)


def test_ram_keeps_its_budget_least_recently_used_first():
    pool, loader = make(10, ram_bytes=20, mover=Mover())
    cards = [card(name, f"x/{name}") for name in "abcd"]
    loader.sizes["d"] = 10
    for one in cards:
        with pool.lease(one):
            assert pool.stats.ram_used_bytes <= 20
    assert {s.cards[0]: s.state for s in pool.states()} == {"b": "ram", "c": "ram", "d": "ready"}


@pytest.mark.parametrize("tier", ["ram", "device"])
def test_a_failed_move_drops_the_entry(tier):
    mover = Mover()
    pool, loader = make(10, ram_bytes=20, mover=mover)
    for one in (A, B):
        with pool.lease(one):
            pass
    mover.fail.add(tier)
    if tier == "device":
        with pytest.raises(ModelUnavailable, match="no room there"), pool.lease(A):
            pass
        mover.fail.clear()
    with pool.lease(A):
        assert pool.stats.used_bytes == 10
    assert loader.loads.count("a") == (2 if tier == "device" else 1)
