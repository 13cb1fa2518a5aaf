"""The pool under random use: one thread with every operation, then many threads at once."""

from __future__ import annotations

import random
import threading
import time

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from playground.errors import Cancelled, ModelUnavailable, OutOfMemory, PlaygroundError
from playground.models.pool import ModelPool
from playground.protocol import CancelToken
from tests.models.builders import FakeLoader, card

SIZES = {"a": 10, "b": 20, "c": 30, "d": 40}
BUDGET = 60
CARDS = {name: card(name, f"x/{name}") for name in SIZES}


class PoolMachine(RuleBasedStateMachine):
    """Leases in any order; the books have to agree with what is really held."""

    def __init__(self) -> None:
        super().__init__()
        self.loader = FakeLoader(SIZES)
        self.pool = ModelPool(
            self.loader,
            size=self.loader.size,
            budget_bytes=BUDGET,
            ram_bytes=40,
            mover=lambda loaded, tier: setattr(loaded, "device", tier),
            timeout=0.02,
            patience=0.01,
        )
        self.held: list[tuple] = []  # (context manager, model, working bytes, exclusive)

    def held_of(self, name: str) -> list[tuple]:
        return [h for h in self.held if h[1].card.id == name]

    @rule(name=st.sampled_from("abcd"), working=st.sampled_from([0, 0, 5, 25]), alone=st.booleans())
    def lease(self, name: str, working: int, alone: bool) -> None:
        others = {h[1].card.id for h in self.held} | {name}
        need = sum(SIZES[i] for i in others) + sum(h[2] for h in self.held) + working
        same = self.held_of(name)
        blocked = bool(same) and (alone or same[0][3])
        context = self.pool.lease(CARDS[name], working_bytes=working, adapters=("x",) if alone else ())
        try:
            model = context.__enter__()
        except OutOfMemory:
            assert need > BUDGET
        except ModelUnavailable:
            assert blocked
        else:
            assert need <= BUDGET
            assert not blocked
            assert model.device == "device"
            self.held.append((context, model, working, alone))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data) -> None:
        context, model, *_ = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        assert model.model is not None, "a leased model was evicted"
        context.__exit__(None, None, None)

    @precondition(lambda self: any(not h[3] for h in self.held) or not self.held)
    @rule(name=st.sampled_from("abcd"))
    def fail(self, name: str) -> None:
        if self.held_of(name):
            return
        self.pool.unload(name)
        self.loader.errors[name] = ModelUnavailable("broken")
        try:
            with self.pool.lease(CARDS[name]):
                raise AssertionError("a broken model was handed out")
        except OutOfMemory:
            self.loader.errors.pop(name)
        except ModelUnavailable as error:
            said = error.message
            assert said == "broken"
        assert name not in {i for s in self.pool.states() for i in s.cards}

    @rule(name=st.sampled_from("abcd"))
    def cancel(self, name: str) -> None:
        token = CancelToken()
        token.cancel()
        try:
            with self.pool.lease(CARDS[name], cancel=token):
                raise AssertionError("a cancelled request got a lease")
        except Cancelled:
            pass

    @rule(name=st.sampled_from("abcd"))
    def unload(self, name: str) -> None:
        try:
            self.pool.unload(name)
        except PlaygroundError:
            assert self.held_of(name)
        else:
            assert not self.held_of(name)
            assert name not in {i for s in self.pool.states() for i in s.cards}

    @rule()
    def trim(self) -> None:
        self.pool.trim()
        assert {i for s in self.pool.states() for i in s.cards} == {h[1].card.id for h in self.held}

    @invariant()
    def books_agree_with_what_is_held(self) -> None:
        stats = self.pool.stats
        states = self.pool.states()
        assert stats.used_bytes <= BUDGET
        assert stats.ram_used_bytes <= 40
        assert stats.leaked_bytes == 0
        assert stats.working_bytes == sum(h[2] for h in self.held)
        assert stats.weight_bytes == sum(SIZES[s.cards[0]] for s in states if s.state == "ready")
        assert stats.ram_used_bytes == sum(SIZES[s.cards[0]] for s in states if s.state == "ram")
        for state in states:
            assert state.users == len(self.held_of(state.cards[0]))
        assert {h[1].card.id for h in self.held} <= {s.cards[0] for s in states if s.state == "ready"}
        assert self.loader.overlaps == []

    def teardown(self) -> None:
        for context, *_ in self.held:
            context.__exit__(None, None, None)
        self.pool.close()
        assert self.pool.stats.used_bytes == 0


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestPoolMachine = PoolMachine.TestCase


def test_sixteen_threads_take_500_leases_of_six_models_in_a_budget_for_two():
    sizes = dict.fromkeys("abcdef", 10)
    cards = [card(name, f"x/{name}") for name in sizes]
    loader = FakeLoader(sizes, seconds=0.001)
    pool = ModelPool(loader, size=loader.size, budget_bytes=22, timeout=30, patience=0.1)
    used: dict[str, int] = dict.fromkeys(sizes, 0)
    problems: list[str] = []
    lock = threading.Lock()
    todo = list(range(500))

    def work(seed: int) -> None:
        choose = random.Random(seed)
        while True:
            with lock:
                if not todo:
                    return
                todo.pop()
            one, alone = choose.choice(cards), choose.random() < 0.1
            token = CancelToken()
            if choose.random() < 0.1:
                threading.Timer(choose.random() * 0.02, token.cancel).start()
            try:
                with pool.lease(
                    one, working_bytes=choose.choice([0, 0, 1, 2]), adapters=("x",) if alone else (), cancel=token
                ) as model:
                    with lock:
                        used[one.id] += 1
                        if alone and used[one.id] > 1:
                            problems.append(f"{one.id} was not alone")
                    if model.card != one or pool.stats.used_bytes > 22:
                        problems.append(f"{one.id}: wrong model or over the budget")
                    time.sleep(choose.random() * 0.002)
                    with lock:
                        used[one.id] -= 1
            except Cancelled:
                pass
            except Exception as error:
                problems.append(repr(error))

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(16)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "deadlock"
    assert problems == []
    assert loader.overlaps == []
    pool.close()
    stats = pool.stats
    assert (stats.used_bytes, stats.working_bytes) == (0, 0)
    assert stats.hits + stats.misses <= 500
    assert stats.evictions == stats.loads
