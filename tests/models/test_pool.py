from __future__ import annotations

import threading
import time

import pytest

from playground.errors import Cancelled, InvalidRequest, ModelUnavailable, OutOfMemory, PlaygroundError
from playground.protocol import CancelToken
from tests.models.builders import SIZES, A, B, C, Fake, FakeLoader, card, ids, in_thread, make, until


def test_a_second_lease_is_a_hit_and_loads_nothing():
    events = []
    pool, loader = make(on_event=events.append)
    for _ in range(2):
        with pool.lease(A) as model:
            assert model.card == A
    assert loader.loads == ["a"]
    assert [e.kind for e in events] == ["loaded", "miss", "hit"]
    assert (pool.stats.hits, pool.stats.misses, pool.stats.used_bytes) == (1, 1, 10)


def test_dtype_and_revision_are_models_of_their_own():
    pool, loader = make(100)
    for one, dtype in ((A, "bfloat16"), (A, "float32"), (A.model_copy(update={"revision": "v2"}), "float32")):
        with pool.lease(one, dtype=dtype):
            pass
    assert loader.loads == ["a", "a", "a"]
    assert pool.stats.used_bytes == 30


def test_least_recently_used_goes_first():
    pool, _ = make()
    for one in (A, B, A, C):
        with pool.lease(one):
            pass
    assert ids(pool) == {"a", "c"}


def test_a_pinned_model_stays_and_the_other_goes():
    pool, _ = make()
    with pool.lease(B):
        pass
    with pool.lease(A):
        thread, out = in_thread(lambda: pool.lease(C).__enter__())
        thread.join(5)
        assert isinstance(out[0], Fake)
        assert ids(pool) == {"a", "c"}


def test_a_full_pool_waits_for_a_lease_to_end():
    pool, _ = make(10)
    lease = pool.lease(A)
    lease.__enter__()

    def take() -> str:
        with pool.lease(B) as model:
            return model.card.id

    thread, out = in_thread(take)
    time.sleep(0.1)
    assert not out
    lease.__exit__(None, None, None)
    thread.join(5)
    assert out == ["b"]


def test_memory_that_stays_taken_ends_in_an_error_that_names_who_holds_it():
    pool, _ = make(15, timeout=0.15)
    with pool.lease(A, working_bytes=5):
        with pytest.raises(OutOfMemory) as caught, pool.lease(B):
            pass
        for part in ("B needs 10 B", "0 B of 15 B", "A (10 B, 1 in use)", "work on A (5 B)"):
            assert part in caught.value.message
    with pool.lease(B):
        assert pool.stats.used_bytes == 10


def test_what_can_never_fit_fails_at_once():
    pool, loader = make(15)
    began = time.monotonic()
    with pytest.raises(OutOfMemory, match="needs 16 B"), pool.lease(A, working_bytes=6):
        pass
    assert time.monotonic() - began < 1
    assert loader.loads == []
    with pool.lease(A, working_bytes=5):  # cold
        assert pool.stats.used_bytes == 15
    with pytest.raises(OutOfMemory, match="needs 16 B"), pool.lease(A, working_bytes=6):  # warm
        pass


def test_working_memory_evicts_idle_models_and_comes_back():
    pool, _ = make(25)
    for one in (A, B):
        with pool.lease(one):
            pass
    with pool.lease(B, working_bytes=10):
        assert ids(pool) == {"b"}
        assert (pool.stats.working_bytes, pool.stats.used_bytes) == (10, 20)
    assert pool.stats.used_bytes == 10


def test_negative_working_memory_is_refused():
    pool, _ = make()
    with pytest.raises(InvalidRequest, match="-1"), pool.lease(A, working_bytes=-1):
        pass


def test_many_callers_share_one_load():
    pool, loader = make(loader=FakeLoader(dict(SIZES), seconds=0.1))
    seen = []

    def take() -> None:
        with pool.lease(A) as model:
            seen.append(id(model.model))

    threads = [in_thread(take)[0] for _ in range(8)]
    for thread in threads:
        thread.join(5)
    assert loader.loads == ["a"]
    assert len(seen) == 8
    assert len(set(seen)) == 1


def test_a_failed_load_tells_everybody_and_the_next_caller_starts_clean():
    pool, loader = make(loader=FakeLoader(dict(SIZES), seconds=0.05))
    loader.errors["a"] = ModelUnavailable("The file is gone.", "Fetch it.")
    outs = [in_thread(lambda: pool.lease(A).__enter__()) for _ in range(4)]
    for thread, out in outs:
        thread.join(5)
        assert isinstance(out[0], ModelUnavailable)
        assert out[0].message == "The file is gone."
    assert pool.stats.used_bytes == 0
    assert len(loader.loads) == 1
    with pool.lease(A) as model:
        assert model.bytes == 10


def test_an_unforeseen_error_becomes_a_sentence():
    pool, loader = make()
    loader.errors["a"] = ZeroDivisionError("division by zero")
    with pytest.raises(ModelUnavailable, match="A could not be loaded: division by zero"), pool.lease(A):
        pass
    assert pool.stats.failures == 1


def test_a_failing_size_reserves_nothing():
    pool, _ = make()
    with pytest.raises(ModelUnavailable), pool.lease(card("unknown", "x/unknown")):
        pass
    assert pool.states() == []


def test_a_cancelled_waiter_leaves_and_the_load_goes_on():
    pool, loader = make(loader=FakeLoader(dict(SIZES), seconds=0.4))
    token = CancelToken()
    first, got = in_thread(lambda: pool.lease(A).__enter__())
    until(lambda: loader.loads)
    second, left = in_thread(lambda: pool.lease(A, cancel=token).__enter__())
    time.sleep(0.05)
    token.cancel()
    second.join(0.2)
    assert isinstance(left[0], Cancelled)
    first.join(5)
    assert isinstance(got[0], Fake)
    assert loader.loads == ["a"]


def test_a_cancelled_leader_leaves_at_once_and_a_waiter_gets_the_model():
    pool, loader = make(loader=FakeLoader(dict(SIZES), seconds=0.4))
    token = CancelToken()
    first, left = in_thread(lambda: pool.lease(A, cancel=token, working_bytes=3).__enter__())
    until(lambda: loader.loads)
    second, got = in_thread(lambda: pool.lease(A).__enter__())
    time.sleep(0.05)
    token.cancel()
    first.join(0.2)
    assert isinstance(left[0], Cancelled)
    second.join(5)
    assert isinstance(got[0], Fake)
    assert loader.loads == ["a"]
    assert pool.stats.working_bytes == 0


def test_a_load_that_nobody_waits_for_is_given_up_and_a_newcomer_starts_clean():
    started, let_go = threading.Event(), threading.Event()

    class Patient(FakeLoader):
        def __call__(self, job):
            self.loads.append(job.card.id)
            if len(self.loads) == 1:
                started.set()
                assert job.cancel.wait(5)
                assert let_go.wait(5)
                raise Cancelled
            return Fake(job, 10)

    pool, loader = make(loader=Patient(dict(SIZES)))
    token = CancelToken()
    first, left = in_thread(lambda: pool.lease(A, cancel=token).__enter__())
    assert started.wait(5)
    token.cancel()
    first.join(5)
    assert isinstance(left[0], Cancelled)
    second, got = in_thread(lambda: pool.lease(A).__enter__())
    time.sleep(0.05)
    let_go.set()
    second.join(5)
    assert isinstance(got[0], Fake)
    assert loader.loads == ["a", "a"]
    assert pool.stats.used_bytes == 10


def test_a_load_that_ends_while_its_caller_is_leaving_hands_out_nothing():
    pool, _ = make(loader=FakeLoader(dict(SIZES), seconds=0.2))
    token = CancelToken()

    class Slow:
        """The pool's lock, whose loser takes long to come back: the load ends in between, if it can."""

        def __getattr__(self, name):
            return getattr(pool._cond, name)

        def __enter__(self):
            if token.cancelled:
                time.sleep(0.4)
            return pool._cond.__enter__()

        def __exit__(self, *error):
            return pool._cond.__exit__(*error)

    pool._leases._cond = Slow()  # type: ignore[assignment]
    first, left = in_thread(lambda: pool.lease(A, cancel=token).__enter__())
    time.sleep(0.05)
    token.cancel()
    first.join(5)
    assert isinstance(left[0], Cancelled)
    until(lambda: all(state.state != "loading" for state in pool.states()))
    assert sum(state.users for state in pool.states()) == 0


def test_a_lease_with_adapters_is_alone():
    pool, _ = make()
    with pool.lease(A, adapters=("style",)):
        thread, out = in_thread(lambda: pool.lease(A).__enter__())
        time.sleep(0.1)
        assert not out
    thread.join(5)
    assert isinstance(out[0], Fake)
    with pool.lease(A):
        thread, out = in_thread(lambda: pool.lease(A, adapters=("style",)).__enter__())
        time.sleep(0.1)
        assert not out, "an exclusive lease came beside a plain one"
    thread.join(5)
    assert isinstance(out[0], Fake)


def test_an_error_under_adapters_drops_the_model():
    pool, loader = make()
    with pytest.raises(RuntimeError), pool.lease(A, adapters=("style",)):
        raise RuntimeError
    assert pool.states() == []
    with pytest.raises(RuntimeError), pool.lease(A):
        raise RuntimeError
    assert ids(pool) == {"a"}
    assert loader.loads == ["a", "a"]


def test_unload_is_refused_while_in_use():
    pool, _ = make()
    with pool.lease(A), pytest.raises(PlaygroundError, match="A is in use by 1 request"):
        pool.unload("a")
    assert pool.unload("a")
    assert not pool.unload("a")
    assert pool.stats.used_bytes == 0


def test_nobody_is_overtaken_for_ever():
    pool, _ = make(10, patience=0.1, timeout=10)
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            with pool.lease(A):
                time.sleep(0.01)

    busy = [in_thread(keep_busy)[0] for _ in range(3)]
    until(lambda: pool.stats.hits > 5)
    try:
        with pool.lease(B) as model:
            assert model.card == B
    finally:
        stop.set()
    for thread in busy:
        thread.join(5)
        assert not thread.is_alive()


def test_progress_reaches_every_waiter_and_a_broken_one_hurts_nobody():
    class Telling(FakeLoader):
        def __call__(self, job):
            time.sleep(0.1)
            job.progress(0.5, "half")
            job.progress(1.0, "whole")
            return super().__call__(job)

    def broken(fraction, text):
        calls.append(fraction)
        raise RuntimeError

    calls: list = []
    seen: list = []
    pool, _ = make(loader=Telling(dict(SIZES)))
    first, one = in_thread(lambda: pool.lease(A, progress=broken).__enter__())
    second, two = in_thread(lambda: pool.lease(A, progress=lambda f, t: seen.append((f, t))).__enter__())
    first.join(5)
    second.join(5)
    assert calls == [0.5]
    assert seen == [(0.5, "half"), (1.0, "whole")]
    assert isinstance(one[0], Fake)
    assert isinstance(two[0], Fake)


def test_close_refuses_new_leases_and_frees_all():
    pool, _ = make()
    with pool.lease(A):
        pass
    pool.close()
    assert pool.stats.used_bytes == 0
    with pytest.raises(ModelUnavailable, match="shutting down"), pool.lease(A):
        pass


def test_a_lease_that_outlives_close_frees_its_model_when_it_ends():
    pool, _ = make()
    with pool.lease(A):
        pool.close(timeout=0.1)
        assert pool.stats.used_bytes == 10
    assert pool.stats.used_bytes == 0
