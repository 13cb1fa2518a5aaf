"""How likely a model finds each offered function where it names the one that it calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

from playground.chat.classify import ending_likelihoods
from playground.chat.text_model import AnyText
from playground.protocol import CancelToken


def name_chances(
    loaded: AnyText, before: list[int], text: str, names: Sequence[str], cancel: CancelToken
) -> dict[str, float]:
    """Probabilities of the names, summing to 1, where the model has read `before` and then `text`, which ends where a
    name begins.

    Each name counts with the quotation mark that ends it, as the product of its tokens' probabilities, so that a name
    is no part of a longer one and a short one has no advantage but its own. The prompt is read anew, once.

    Raises:
        Cancelled: before a batch.
    """
    if len(names) == 1:
        return {names[0]: 1.0}
    spelt = [list(loaded.tokenizer(f'{text}{name}"', add_special_tokens=False)["input_ids"]) for name in names]
    shared = sum(1 for _ in takewhile(lambda ids: len(set(ids)) == 1, zip(*spelt, strict=False)))
    endings = [ids[shared:] for ids in spelt]
    means = ending_likelihoods(loaded, before + spelt[0][:shared], endings, cancel)
    totals = [mean * len(ending) for mean, ending in zip(means, endings, strict=True)]
    top = max(totals)
    weights = [math.exp(total - top) for total in totals]
    return {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
