"""The shortest way from where a text stands to where it may end, for any grammar, byte by byte."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from playground.chat.constraints.engine import END

if TYPE_CHECKING:
    from llguidance import LLMatcher

MAX_LOOKS = 2_500  # states looked at, some 20 µs each
ALIKE = 2  # states of one length that allow the same next bytes, of which more are not followed
CLOSERS = b'"}],: 0123456789-'  # tried first, then letters
LETTERS = b"azAZ.ex\\n_/@Tt"


def shortest(state: LLMatcher) -> bytes | None:
    """The bytes after which `state` (of a grammar over single bytes) accepts, as few as are found; None for none.

    Breadth first. States of one length that allow the same next bytes count as alike, and of many possible bytes a few
    are tried, so that a longer way than the shortest may be found; whatever is found is a way.
    """
    if state.is_error():
        return None
    heap: list[tuple[int, int, bytes, LLMatcher]] = [(0, 0, b"", state.deep_copy())]
    seen: dict[tuple[int, bytes], int] = {}
    order = looks = 0
    while heap and looks < MAX_LOOKS:
        length, _, text, here = heapq.heappop(heap)
        if here.is_accepting():
            return text
        looks += 1
        forced = here.compute_ff_bytes()
        if forced:
            steps: Sequence[bytes] = [forced]
        else:
            mask = here.compute_bitmask()
            key = (length, mask)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > ALIKE:
                continue
            steps = [bytes([byte]) for byte in _tried(mask)]
        for step in steps:
            after = here.deep_copy()
            if after.try_consume_tokens(list(step)) == len(step):
                order += 1
                heapq.heappush(heap, (length + len(step), order, text + step, after))
    return None


def _tried(mask: bytes) -> list[int]:
    """Those of the allowed bytes that are worth a try: all of those that close something, and some of the others."""
    bits = int.from_bytes(mask, "little")
    found = [byte for byte in (*CLOSERS, *LETTERS) if bits >> byte & 1]
    others = [byte for byte in range(END) if bits >> byte & 1 and byte not in found]
    spread = max(1, len(others) // 8)
    return found[: 8 if len(found) > 24 else None] + ([] if len(found) > 8 else others[::spread][:8])
