"""What grids do to a prompt: put one phrase in another's place, and put phrases in another order. Plain text alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations
from math import factorial

from playground.errors import InvalidRequest


def replaced(prompt: str, searched: str, other: str) -> str:
    """The prompt with every `searched` replaced; InvalidRequest where it is not in it."""
    if searched not in prompt:
        raise InvalidRequest(
            f"{searched!r} is not in {_short(prompt)!r}.", "Begin the list with a part of the prompt; it is replaced."
        )
    return prompt.replace(searched, other)


def reordered(prompt: str, order: Sequence[str]) -> str:
    """The prompt with its phrases in this order: the places where they stand stay, their contents change.

    Raises:
        InvalidRequest: a phrase is not in the prompt, or two of them share letters of it.
    """
    spans = []
    for phrase in order:
        start = prompt.find(phrase)
        if start < 0:
            raise InvalidRequest(f"{phrase!r} is not in {_short(prompt)!r}.", "Name parts of the prompt.")
        spans.append((start, start + len(phrase), phrase))
    spans.sort()
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise InvalidRequest(f"{first!r} and {second!r} overlap in the prompt.", "Name parts that stand apart.")
    out, at = [], 0
    for (start, end, _), phrase in zip(spans, order, strict=True):
        out += [prompt[at:start], phrase]
        at = end
    return "".join(out) + prompt[at:]


def orders(phrases: Sequence[str], most: int) -> list[tuple[str, ...]]:
    """Every order of the phrases, the given one first.

    Raises:
        InvalidRequest: there are fewer than two phrases, one comes twice, or there are more than `most` orders.
    """
    if len(phrases) < 2:
        raise InvalidRequest(f"An order needs at least two phrases, got {len(phrases)}.", "Write a comma between them.")
    if len(set(phrases)) != len(phrases):
        double = next(one for one in phrases if list(phrases).count(one) > 1)
        raise InvalidRequest(f"{double!r} is there twice.", "Name each phrase once.")
    if len(phrases) > 12 or factorial(len(phrases)) > most:
        raise InvalidRequest(
            f"{len(phrases)} phrases have more orders than the {most} values of an axis.", "Name at most five."
        )
    return list(permutations(phrases))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
