"""The difference of two answers by words. Pure; knows no markup.

Chinese, Japanese, Korean and Thai put no spaces between words, so there a character counts as a word. The texts are
first split at words that stand in each of them once, in the same order (the "patience" of Bram Cohen's diff), which
keeps the time near linear for answers of thousands of words; within what is left, Python's difflib decides.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from playground.errors import InvalidRequest

Kind = Literal["same", "removed", "added"]

MOST_WORDS = 60_000
# difflib looks at every pair of places that hold the same word. Above this many pairs the most frequent words pair no
# longer by themselves, only beside others, so that the time stays bounded.
MOST_PAIRS = 100_000
# Ideographs, kana, hangul, Thai, Lao, Khmer, Burmese and emoji stand for themselves; spaces are words of their own.
_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+(?:['’][^\W{_ALONE}]+)*|\s+|[^\w\s]")


@dataclass(frozen=True)
class Run:
    """Words in a row that are the same in both texts, or in the first alone (removed), or in the second (added)."""

    kind: Kind
    text: str


def word_diff(first: str, second: str) -> list[Run]:
    """The runs that lead from the first text to the second.

    The "same" and "removed" runs joined are the first text, the "same" and "added" runs joined the second, exactly.

    Raises:
        InvalidRequest: the two have more than 60,000 words and spaces together.
    """
    a, b = words(first), words(second)
    if len(a) + len(b) > MOST_WORDS:
        raise InvalidRequest(
            f"The two answers have {len(a) + len(b):,} words together; at most {MOST_WORDS:,} are compared.",
            "Compare shorter ones.",
        )
    return _joined(_compared(a, b))


def words(text: str) -> list[str]:
    """The text in words, punctuation marks and stretches of space, which joined give it back."""
    return _WORD.findall(text)


def _compared(a: Sequence[str], b: Sequence[str]) -> Iterator[Run]:
    """Equal ends first, then piece by piece between anchors."""
    head = _common(a, b)
    tail = _common(a[head:][::-1], b[head:][::-1])
    yield Run("same", "".join(a[:head]))
    yield from _between(a[head : len(a) - tail], b[head : len(b) - tail])
    yield Run("same", "".join(a[len(a) - tail :]))


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _between(a: Sequence[str], b: Sequence[str]) -> Iterator[Run]:
    at_a = at_b = 0
    for i, j in [*_anchors(a, b), (len(a), len(b))]:
        yield from _matched(a[at_a:i], b[at_b:j])
        if i < len(a):
            yield Run("same", a[i])
        at_a, at_b = i + 1, j + 1


def _anchors(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Places of words that stand in each text once, in an order that both share: the longest such row."""
    only_a, only_b = _once(a), _once(b)
    pairs = [(i, only_b[word]) for word, i in only_a.items() if word in only_b]
    # Longest increasing subsequence of the places in b, by patience sorting.
    ends: list[int] = []
    tops: list[int] = []  # index into pairs of the top of each pile
    before: list[int] = []
    for at, (_, j) in enumerate(pairs):
        pile = bisect_left(ends, j)
        before.append(tops[pile - 1] if pile else -1)
        ends[pile : pile + 1] = [j]
        tops[pile : pile + 1] = [at]
    row = []
    at = tops[-1] if tops else -1
    while at >= 0:
        row.append(pairs[at])
        at = before[at]
    return row[::-1]


def _once(words: Sequence[str]) -> dict[str, int]:
    """The place of every word that stands there once, in order."""
    counts = Counter(words)
    return {word: i for i, word in enumerate(words) if counts[word] == 1 and not word.isspace()}


def _matched(a: Sequence[str], b: Sequence[str]) -> Iterator[Run]:
    if not a or not b:
        yield from (Run("removed", "".join(a)), Run("added", "".join(b)))
        return
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    for word in _frequent(a, b):
        del matcher.b2j[word]  # type: ignore[attr-defined]
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            yield Run("same", "".join(a[i1:i2]))
        else:
            yield from (Run("removed", "".join(a[i1:i2])), Run("added", "".join(b[j1:j2])))


def _frequent(a: Sequence[str], b: Sequence[str]) -> set[str]:
    """The most frequent words, without which at most `MOST_PAIRS` pairs are left."""
    in_a, in_b = Counter(a), Counter(b)
    pairs = sorted((in_a[word] * count, word) for word, count in in_b.items())
    total = 0
    for at, (count, _) in enumerate(pairs):
        total += count
        if total > MOST_PAIRS:
            return {word for _, word in pairs[at:]}
    return set()


def _joined(runs: Iterator[Run]) -> list[Run]:
    """Runs of one kind in a row as one, what is removed before what is added.

    Mere space between two changes counts as changed too, since a row of single words is hard to read.
    """
    joined: list[Run] = []
    same, removed, added = "", "", ""
    for run in runs:
        if run.kind == "same":
            same += run.text
            continue
        if not run.text:
            continue
        if same and not (same.isspace() and (removed or added)):
            joined += _changed(removed, added)
            joined.append(Run("same", same))
            removed = added = same = ""
        removed, added, same = removed + same, added + same, ""
        removed, added = (removed + run.text, added) if run.kind == "removed" else (removed, added + run.text)
    joined += _changed(removed, added)
    return [*joined, Run("same", same)] if same else joined


def _changed(removed: str, added: str) -> list[Run]:
    changes: tuple[tuple[Kind, str], ...] = (("removed", removed), ("added", added))
    return [Run(kind, text) for kind, text in changes if text]
