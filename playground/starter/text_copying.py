"""Rows of drawn tokens that come again, from which a model learns to copy before it reads its first conversation.

Copying what stood earlier (an induction head: a head that looks one place back below one that looks for what it says;
Olsson et al. 2022, arXiv 2209.11895) forms late and suddenly, after a number of steps rather than of tokens (Lv et al.
2024, arXiv 2409.09281). Conversations alone had not formed it after 13,000 steps: names, sums and tool arguments were
answered with the likeliest ones. Rows like these form it in minutes.
"""

from __future__ import annotations

import random

from playground.starter.text_rendering import IGNORED

Row = tuple[list[int], list[int]]
LENGTHS = (48, 64, 96)
FEW = 128


def copying_row(rng: random.Random, tokens: list[int], length: int) -> Row:
    """Token ids and labels of one row: different tokens, then stretches of them again and again.

    The first token of a stretch cannot be known, and is not learned.
    """
    count = rng.randint(6, length // 2)
    own = rng.sample(tokens, count)
    ids, labels = list(own), [IGNORED] * count
    while len(ids) < length:
        size = rng.randint(2, count)
        start = rng.randint(0, count - size)
        again = own[start : start + size]
        ids += again
        labels += [IGNORED, *again[1:]]
    return ids[:length], labels[:length]


def copying_rows(seed: int, number: int, order: list[int], tokens: int, widened: float = 1.0) -> list[Row]:
    """Rows of one length, of about `tokens` tokens in all; `number` is that of the batch.

    The tokens are the first ones of `order`: `FEW` where `widened` is 0, all of them where it is 1. On few tokens the
    circuit forms some ten times sooner; it is widened by degrees, since it does not outlive a jump.
    """
    rng = random.Random(f"copying/{seed}/{number}")
    length = rng.choice(LENGTHS)
    known = order[: int(FEW * (len(order) / FEW) ** widened)]
    return [copying_row(rng, known, length) for _ in range(max(1, tokens // length))]


def drawn_order(ids: range, seed: int) -> list[int]:
    """The tokens in the order in which they are met."""
    return random.Random(f"order/{seed}").sample(ids, len(ids))
