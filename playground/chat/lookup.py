"""Tokens guessed by prompt lookup: what followed the last words where they stood before. Runs no model.

Saxena, "Prompt Lookup Decoding" (2023). It pays where an answer repeats the prompt or itself: summaries, edits, code.
"""

from __future__ import annotations

from collections.abc import Sequence

NGRAM = 2  # tokens that must have stood before
LOOKED_AT = 16  # places, the latest first, among which the longest match is sought
LONGEST = 32  # tokens of a match beyond which longer ones count alike


class PromptLookup:
    """Guesses from the prompt and the answer themselves. The places of n-grams are noted once each."""

    most = 10

    def __init__(self) -> None:
        self._noted = 0
        self._after: dict[tuple[int, ...], list[int]] = {}

    def guess(self, ids: Sequence[int], most: int) -> list[int]:
        """Up to `most` tokens that may follow `ids`, which only ever grows from call to call; none without a match.

        Of the places where the last tokens stood before, the one that agrees furthest back counts, of equals the
        latest.
        """
        length = len(ids)
        for end in range(max(self._noted, NGRAM), length):  # the last n-gram is what is looked for
            self._after.setdefault(tuple(ids[end - NGRAM : end]), []).append(end)
        self._noted = max(self._noted, length)
        best, at = 0, 0
        for place in reversed(self._after.get(tuple(ids[-NGRAM:]), [])[-LOOKED_AT:]):
            match = _common_end(ids, place)
            if match > best:
                best, at = match, place
        period = length - at  # what repeats itself goes on repeating
        return [ids[at + i % period] for i in range(most)] if best else []

    def close(self) -> None:
        """Nothing is held."""


def _common_end(ids: Sequence[int], place: int) -> int:
    """How many tokens before `place` equal those at the end of `ids`, up to LONGEST."""
    count, length = 0, len(ids)
    while count < min(place, LONGEST) and ids[place - 1 - count] == ids[length - 1 - count]:
        count += 1
    return count
