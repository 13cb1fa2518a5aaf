"""A worker runs one job at a time and lets owners take turns."""

from __future__ import annotations

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from playground.workers import Job, Worker


def blocked_worker() -> tuple[Worker, threading.Event]:
    """A worker whose thread is held by a first job until the event is set."""
    worker, gate, running = Worker("test"), threading.Event(), threading.Event()

    def hold() -> None:
        running.set()
        gate.wait(10)

    worker.submit(Job(hold, "gate", lambda *_: None))
    assert running.wait(10)
    return worker, gate


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_no_owner_waits_for_two_jobs_of_another_that_came_later(owners: list[str]) -> None:
    worker, gate = blocked_worker()
    ran: list[tuple[str, int]] = []
    done = threading.Event()
    for number, owner in enumerate(owners):
        worker.submit(Job(lambda o=owner, n=number: ran.append((o, n)), owner, lambda *_: None))
    foretold = [job.owner for job in worker.order()]
    worker.submit(Job(done.set, "last", lambda *_: None))
    gate.set()
    worker_done = done.wait(10)
    while worker.counts() != (0, 0):
        threading.Event().wait(0.001)
    worker.close()
    assert worker_done
    assert sorted(n for _, n in ran) == list(range(len(owners)))
    assert [o for o, _ in ran] == foretold
    for owner in set(owners):  # an owner's own jobs keep their order
        numbers = [n for o, n in ran if o == owner]
        assert numbers == sorted(numbers)
    for i, (owner, _) in enumerate(ran[:-1]):  # nobody runs twice in a row while another waits
        if ran[i + 1][0] == owner:
            assert all(o == owner for o, _ in ran[i + 1 :])


def test_positions_count_down_and_a_withdrawn_job_never_runs() -> None:
    worker, gate = blocked_worker()
    positions: list[int] = []
    ran: list[str] = []
    done = threading.Event()
    first = Job(lambda: ran.append("first"), "a", lambda *_: None)
    second = Job(lambda: (ran.append("second"), done.set()), "b", lambda p, _eta: positions.append(p))
    worker.submit(first)
    worker.submit(second)
    assert worker.counts() == (1, 2)
    assert positions == [2]
    assert worker.withdraw(first)
    assert not worker.withdraw(first)
    assert positions == [2, 1]
    gate.set()
    assert done.wait(10)
    worker.close()
    assert ran == ["second"]


def test_one_thread_runs_every_job() -> None:
    seen: list[int] = []
    worker = Worker("test")
    done = threading.Event()
    worker.submit(Job(lambda: seen.append(threading.get_ident()), "", lambda *_: None))
    worker.submit(Job(lambda: (seen.append(threading.get_ident()), done.set()), "", lambda *_: None))
    assert done.wait(10)
    worker.close()
    assert len(seen) == 2
    assert set(seen) == {seen[0]}
    assert seen[0] != threading.get_ident()
