"""Sixteen threads over six models in a budget for two; prints what went wrong and what stayed behind, as JSON."""

from __future__ import annotations

import gc
import json
import random
import threading
import time
import weakref

import psutil

from playground.errors import Cancelled
from playground.models.freed import give_back, one_heap
from playground.models.pool import ModelPool
from playground.protocol import CancelToken
from tests.models.builders import Fake, FakeLoader, card

MB = 1_000_000
THREADS, LEASES, BUDGET = 16, 2000, 22 * MB


class Heavy(Fake):
    """A fake whose weights take real memory, so that a leak shows in the size of the process."""

    def __init__(self, job, count: int) -> None:
        super().__init__(job, count)
        self.model.data = bytearray(count)  # type: ignore[attr-defined]


class HeavyLoader(FakeLoader):
    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__(sizes, seconds=0.001)
        self.made: list[weakref.ref] = []

    def __call__(self, job):
        super().__call__(job)
        heavy = Heavy(job, self.sizes[job.card.id])
        self.made.append(weakref.ref(heavy.model))
        return heavy


class Stress:
    """The threads' common work and what they saw."""

    def __init__(self) -> None:
        self.sizes = dict.fromkeys("abcdef", 10 * MB)
        self.cards = [card(name, f"x/{name}") for name in self.sizes]
        self.loader = HeavyLoader(self.sizes)
        self.pool = ModelPool(
            self.loader,
            size=self.loader.size,
            budget_bytes=BUDGET,
            timeout=60,
            patience=0.1,
            free=lambda: give_back("cpu"),
        )
        self.users = dict.fromkeys(self.sizes, 0)
        self.problems: list[str] = []
        self.cancelled = 0
        self.todo = list(range(LEASES))
        self.lock = threading.Lock()

    def work(self, seed: int) -> None:
        choose = random.Random(seed)
        while True:
            with self.lock:
                if not self.todo:
                    return
                self.todo.pop()
            token = CancelToken()
            if choose.random() < 0.1:
                threading.Timer(choose.random() * 0.02, token.cancel).start()
            try:
                self.lease(choose, token)
            except Cancelled:
                with self.lock:
                    self.cancelled += 1
            except Exception as error:
                self.problems.append(repr(error))

    def lease(self, choose: random.Random, token: CancelToken) -> None:
        one, alone = choose.choice(self.cards), choose.random() < 0.1
        working = choose.choice([0, 0, MB, 2 * MB])
        adapters = ("x",) if alone else ()
        with self.pool.lease(one, working_bytes=working, adapters=adapters, cancel=token) as model:
            with self.lock:
                self.users[one.id] += 1
                if alone and self.users[one.id] > 1:
                    self.problems.append(f"{one.id} was not alone")
            if model.card != one or self.pool.stats.used_bytes > BUDGET:
                self.problems.append(f"{one.id}: wrong model or over the budget")
            time.sleep(choose.random() * 0.002)
            with self.lock:
                self.users[one.id] -= 1


def main() -> None:
    one_heap()
    gc.collect()
    before = psutil.Process().memory_info().rss
    stress = Stress()
    threads = [threading.Thread(target=stress.work, args=(seed,), daemon=True) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 240
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    stuck = sum(thread.is_alive() for thread in threads)
    stress.pool.close()
    gc.collect()
    stats = stress.pool.stats
    report = {
        "leases": LEASES - len(stress.todo),
        "problems": stress.problems + [f"{stuck} threads are stuck"] * bool(stuck),
        "overlapping_loads": stress.loader.overlaps,
        "cancelled": stress.cancelled,
        "hits": stats.hits,
        "misses": stats.misses,
        "loads": stats.loads,
        "evictions": stats.evictions,
        "used_bytes": stats.used_bytes,
        "weights_alive": sum(made() is not None for made in stress.loader.made),
        "rss_before": before,
        "rss_after": psutil.Process().memory_info().rss,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
