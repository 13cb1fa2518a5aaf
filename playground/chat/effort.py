"""How long a local model may think: each reasoning effort as a number of tokens. Knows no model and no text.

A model's own weights know no levels; a budget that ends its thought gives them to any model that thinks within tags
(budget forcing: Muennighoff et al. 2025, https://arxiv.org/abs/2501.19393).
"""

from __future__ import annotations

# Of the model's context, so that a model that was made for long thoughts gets longer ones: from minimal to high 32, 64,
# 256 and 1,024 at 2,048 tokens; 512, 1,024, 4,096 and 16,384 at 32,768. The two beyond leave room for an answer alone.
SHARES: dict[str, float] = {
    "none": 0.0,
    "minimal": 1 / 64,
    "low": 1 / 32,
    "medium": 1 / 8,
    "high": 1 / 2,
    "xhigh": 1.0,
    "max": 1.0,
}
UNKNOWN_CONTEXT = 8192  # tokens that are assumed where neither card nor model tells
ANSWER = 256  # tokens that an effort leaves to the answer, or a quarter of the room where that is less


def budget_of(effort: str | None, asked: int | None, *, context: int | None, room: int) -> int | None:
    """Tokens that a thought may have, its opening tag with them; None without a limit but the room.

    Args:
        effort: one of SHARES, or None.
        asked: a number of tokens from the user, which holds as it stands; the smaller one wins.
        context: the model's, in tokens.
        room: tokens of thought and answer together.
    """
    if effort is None:
        return asked
    share = int(SHARES[effort] * (context or UNKNOWN_CONTEXT))
    own = max(0, min(share, room - min(ANSWER, room // 4)))
    return own if asked is None else min(own, asked)
