"""Whatever threads put into a mailbox comes out of it, once and in order."""

from __future__ import annotations

import asyncio
import threading

from playground.mailbox import Mailbox
from playground.protocol import Notice


def test_everything_comes_once_and_in_the_order_of_each_thread() -> None:
    async def read() -> list[str]:
        mail = Mailbox(asyncio.get_running_loop())
        threads = [
            threading.Thread(target=lambda n=n: [mail.put(Notice(f"{n} {i}")) for i in range(500)]) for n in range(4)
        ]
        for thread in threads:
            thread.start()
        found: list[str] = []
        while len(found) < 2000:
            found += [event.text for event in await mail.come(5.0) if isinstance(event, Notice)]
        for thread in threads:
            thread.join()
        return found

    found = asyncio.run(read())
    assert len(set(found)) == 2000
    for n in range(4):
        own = [int(text.split()[1]) for text in found if text.startswith(f"{n} ")]
        assert own == sorted(own)


def test_nothing_comes_after_the_time_is_over_and_a_closed_loop_is_no_error() -> None:
    async def wait() -> Mailbox:
        mail = Mailbox(asyncio.get_running_loop())
        assert await mail.come(0.01) == []
        return mail

    asyncio.run(wait()).put(Notice("too late"))
