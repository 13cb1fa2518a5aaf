"""Groups of items that are much alike, for reasoning once a group.

Texts are compared by their character trigrams: each text is a vector of how often it holds each trigram, weighted by
how few texts hold it (TF-IDF: count * (1 + ln(n / texts with it))), of length 1; the similarity of two texts is the
cosine, 0 to 1. Case, width and runs of white space do not count. Items are taken in their order: each joins the group
to whose first item it is most similar, if that is at least the threshold, and begins a group of its own otherwise. So
every item is at least that similar to the first of its group, which is the one that is reasoned on.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from playground.batches.records import Groups, Item
from playground.errors import InvalidRequest

LENGTH = 3  # characters
THRESHOLD = 0.5
MOST_CHARACTERS = 2000  # of a text that are compared
MOST_ITEMS = 5000


def grouped(items: Sequence[Item], threshold: float = THRESHOLD) -> Groups:
    """The groups of the items' varying parts, each by the items' indices in order.

    Raises:
        InvalidRequest: the threshold is not above 0 and at most 1, or there are too many items.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold <= 1:
        raise InvalidRequest(f"The similarity must be a number above 0 and at most 1, got {threshold!r}.")
    if len(items) > MOST_ITEMS:
        raise InvalidRequest(
            f"{len(items):,} prompts are too many to group; at most {MOST_ITEMS:,} are.", "Take fewer."
        )
    groups: list[list[int]] = []
    firsts: dict[str, list[tuple[int, float]]] = defaultdict(list)  # trigram -> (group, weight in its first item)
    for item, vector in zip(items, vectors([item.varying or item.prompt for item in items]), strict=True):
        likeness: dict[int, float] = defaultdict(float)
        for gram, weight in vector.items():
            for group, other in firsts[gram]:
                likeness[group] += weight * other
        best = max(likeness, key=lambda group: (likeness[group], -group), default=-1)
        if best >= 0 and likeness[best] >= threshold - 1e-9:
            groups[best].append(item.index)
            continue
        for gram, weight in vector.items():
            firsts[gram].append((len(groups), weight))
        groups.append([item.index])
    return tuple(map(tuple, groups))


def similarity(one: str, other: str, texts: Sequence[str] = ()) -> float:
    """The similarity of two texts, weighted as among `texts` (the two alone without any)."""
    a, b, *_ = vectors([one, other, *texts])
    return sum(weight * b.get(gram, 0.0) for gram, weight in a.items())


def vectors(texts: Sequence[str]) -> list[dict[str, float]]:
    """The trigrams of each text with their weights; the squares of a text's weights sum to 1."""
    counts = [Counter(_grams(text)) for text in texts]
    holding = Counter(gram for count in counts for gram in count)
    found = []
    for count in counts:
        weights = {gram: n * (1 + math.log(len(texts) / holding[gram])) for gram, n in count.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values()))
        found.append({gram: weight / length for gram, weight in weights.items()})
    return found


def split(groups: Groups, group: int, indices: Sequence[int] = ()) -> Groups:
    """Takes these items out of a group into one of their own at the end; without any, all of them, each into its own.

    Raises:
        InvalidRequest: there is no such group, or it does not hold them, or nothing would be left of it.
    """
    held = _group(groups, group)
    if not indices:
        return (*groups[:group], *((index,) for index in held), *groups[group + 1 :])
    out = tuple(index for index in held if index in set(indices))
    left = tuple(index for index in held if index not in set(indices))
    if len(out) != len(set(indices)) or not left:
        raise InvalidRequest(f"Group {group + 1} cannot be split so.", "Name some, not all, of its prompts.")
    return (*groups[:group], left, *groups[group + 1 :], out)


def merge(groups: Groups, one: int, other: int) -> Groups:
    """Joins the second group to the first, whose first item goes on standing for both.

    Raises:
        InvalidRequest: there is no such group, or both are the same.
    """
    joined = (*_group(groups, one), *_group(groups, other))
    if one == other:
        raise InvalidRequest(f"Group {one + 1} cannot be merged with itself.", "Name two groups.")
    return tuple(joined if i == one else group for i, group in enumerate(groups) if i != other)


def _group(groups: Groups, number: int) -> tuple[int, ...]:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(groups):
        shown = number + 1 if isinstance(number, int) else number
        raise InvalidRequest(f"There is no group {shown!r}; there are {len(groups)}.", "Look at their numbers.")
    return groups[number]


def _grams(text: str) -> list[str]:
    flat = f" {' '.join(unicodedata.normalize('NFKC', text).casefold().split())[:MOST_CHARACTERS]} "
    return [flat[i : i + LENGTH] for i in range(max(1, len(flat) - LENGTH + 1))]
