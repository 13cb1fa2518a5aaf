"""The pool under random use: one thread with every operation, then many threads at once (stress.py)."""

from __future__ import annotations

import json
import subprocess
import sys

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from playground.errors import Cancelled, ModelUnavailable, OutOfMemory, PlaygroundError
from playground.models.pool import ModelPool
from playground.protocol import CancelToken
from tests.models.builders import card
from tests.models.device import DeviceLoader, FakeDevice

SIZES = {"a": 10, "b": 20, "c": 30, "d": 40}
BUDGETS = (30, 60, 100)
RAM = 40
CARDS = {name: card(name, f"x/{name}") for name in SIZES}
NAMES = st.sampled_from("abcd")


class Clock:
    """Seconds that pass only when a test says so, and a little with every look, so that waiting ends."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


class PoolMachine(RuleBasedStateMachine):
    """Every operation in any order, over a device that counts for itself; the books have to agree with it."""

    def __init__(self) -> None:
        super().__init__()
        self.device = FakeDevice(limit=max(BUDGETS))
        self.loader = DeviceLoader(self.device, SIZES)
        self.clock = Clock()
        self.budget = 60
        self.pool = ModelPool(
            self.loader,
            size=self.loader.size,
            budget_bytes=self.budget,
            ram_bytes=RAM,
            mover=self.device.move,
            clock=self.clock,
            timeout=0.02,
            patience=0.01,
        )
        self.held: list[tuple] = []  # (context manager, model, working bytes, exclusive)
        self.pinned: set[str] = set()
        self.stale: set[str] = set()  # leased, and changed since

    def held_of(self, name: str) -> list[tuple]:
        return [h for h in self.held if h[1].card.id == name]

    def there(self, *states: str) -> set[str]:
        return {s.cards[0] for s in self.pool.states() if not states or s.state in states}

    def fixed(self, name: str = "") -> int:
        """Bytes that cannot leave the device: leased and pinned models with their work, and `name` itself."""
        stay = {h[1].card.id for h in self.held} | (self.pinned & self.there("ready"))
        return sum(SIZES[i] for i in stay | ({name} if name else set())) + sum(h[2] for h in self.held)

    @rule(name=NAMES, working=st.sampled_from([0, 0, 5, 25]), alone=st.booleans())
    def lease(self, name: str, working: int, alone: bool) -> None:
        need = self.fixed(name) + working
        same = self.held_of(name)
        blocked = bool(same) and (alone or same[0][3] or name in self.stale)
        context = self.pool.lease(CARDS[name], working_bytes=working, adapters=("x",) if alone else ())
        try:
            model = context.__enter__()
        except OutOfMemory:
            assert need > self.budget
        except ModelUnavailable:
            assert blocked
        else:
            assert need <= self.budget
            assert not blocked
            assert model.device == "device"
            self.held.append((context, model, working, alone))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data) -> None:
        context, model, *_ = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        name = model.card.id
        assert model.model is not None, "a leased model was evicted"
        context.__exit__(None, None, None)
        if name in self.stale and not self.held_of(name):
            self.stale.discard(name)
            assert name not in self.there(), "a stale model outlived its last lease"

    @rule(name=NAMES)
    def pin(self, name: str) -> None:
        self.pool.pin(name)
        self.pinned.add(name)

    @rule(name=NAMES)
    def unpin(self, name: str) -> None:
        self.pool.pin(name, False)
        self.pinned.discard(name)

    @rule(name=NAMES)
    def expire(self, name: str) -> None:
        self.pool.expire(name)
        if self.held_of(name):
            self.stale.add(name)
        else:
            assert name not in self.there()

    @rule(budget=st.sampled_from(BUDGETS))
    def resize(self, budget: int) -> None:
        self.budget = budget
        self.pool.resize(budget)

    @rule()
    def an_hour_passes(self) -> None:
        self.clock.now += 3600
        freed = self.pool.unload_idle(1800)
        assert len(freed) == len(set(freed))
        assert self.there() <= {h[1].card.id for h in self.held} | self.pinned

    @precondition(lambda self: self.there("ram"))
    @rule(data=st.data())
    def a_move_fails(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.there("ram"))))
        if self.fixed(name) > self.budget:
            return
        self.device.fail_next_move = True
        try:
            with self.pool.lease(CARDS[name]):
                raise AssertionError("a half moved model was handed out")
        except OutOfMemory:
            pass
        # Room for it may have been made by the move that failed, in which case the model itself came through.
        except AssertionError:
            if self.device.fail_next_move:
                raise
        self.device.fail_next_move = False

    @rule(name=NAMES)
    def fail(self, name: str) -> None:
        if self.held_of(name):
            return
        self.pool.unload(name)
        self.pinned.discard(name)
        self.loader.errors[name] = ModelUnavailable("broken")
        try:
            with self.pool.lease(CARDS[name]):
                raise AssertionError("a broken model was handed out")
        except OutOfMemory:
            self.loader.errors.pop(name)
        except ModelUnavailable as error:
            said = error.message
            assert said == "broken"
        assert name not in self.there()

    @rule(name=NAMES)
    def cancel(self, name: str) -> None:
        token = CancelToken()
        token.cancel()
        try:
            with self.pool.lease(CARDS[name], cancel=token):
                raise AssertionError("a cancelled request got a lease")
        except Cancelled:
            pass

    @rule(name=NAMES)
    def unload(self, name: str) -> None:
        try:
            self.pool.unload(name)
        except PlaygroundError:
            assert self.held_of(name)
        else:
            assert not self.held_of(name)
            assert name not in self.there()
            self.pinned.discard(name)

    @rule()
    def trim(self) -> None:
        self.pool.trim()
        kept = {h[1].card.id for h in self.held}
        assert kept <= self.there() <= kept | self.pinned

    @invariant()
    def books_agree_with_what_is_held(self) -> None:
        stats = self.pool.stats
        states = self.pool.states()
        # A budget that was lowered is exceeded for as long as what is leased or pinned needs it, and no longer.
        assert stats.used_bytes <= max(self.budget, self.fixed())
        assert stats.weight_bytes == self.device.used, "the account is not what lies on the device"
        assert stats.ram_used_bytes <= RAM
        assert stats.leaked_bytes == 0
        assert stats.working_bytes == sum(h[2] for h in self.held) == sum(s.working for s in states)
        assert stats.weight_bytes == sum(SIZES[s.cards[0]] for s in states if s.state == "ready")
        assert stats.ram_used_bytes == sum(SIZES[s.cards[0]] for s in states if s.state == "ram")
        for state in states:
            assert state.users == len(self.held_of(state.cards[0]))
            assert state.pinned == (state.cards[0] in self.pinned)
        assert {h[1].card.id for h in self.held} <= self.there("ready")
        assert self.loader.overlaps == []

    def teardown(self) -> None:
        for context, *_ in self.held:
            context.__exit__(None, None, None)
        self.pool.close()
        assert self.pool.stats.used_bytes == self.device.used == 0


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestPoolMachine = PoolMachine.TestCase


def test_a_stress_of_2000_leases_leaves_no_error_and_no_byte_behind():
    # A process of its own, whose memory nothing else moves.
    run = subprocess.run(
        [sys.executable, "-m", "tests.models.stress"], capture_output=True, text=True, timeout=280, check=False
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["leases"] == 2000
    assert found["problems"] == []
    assert found["overlapping_loads"] == []
    assert found["loads"] == found["evictions"] > 100
    assert found["cancelled"] > 0
    assert found["used_bytes"] == found["weights_alive"] == 0
    assert found["rss_after"] <= found["rss_before"] * 1.05
