"""What a batch took and how right it was, by model; and reasoning once against one by one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playground.batches.records import Row, Spec, Thought


@dataclass(frozen=True)
class Totals:
    """One model's answers together. Tokens are summed over those that the engine told, None where it told none.

    `right` of `judged` answers fit their truth; an error that has a truth counts as judged and not right.
    `seconds` are those of the answers, which may have been made at the same time.
    """

    model: str
    answers: int
    failed: int
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    seconds: float | None
    judged: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """The share of right answers, 0 to 1; None where no truth was given."""
        return self.right / self.judged if self.judged else None


def totals(model: str, rows: Sequence[Row], truths: Sequence[str] = ()) -> Totals:
    """One model's figures. `truths` by the items' indices, for counting errors as not right."""
    own = [row for row in rows if row.model == model]
    wrong = sum(bool(row.error and row.index < len(truths) and truths[row.index]) for row in own)
    return Totals(
        model,
        len(own),
        sum(bool(row.error) for row in own),
        _sum([row.prompt_tokens for row in own]),
        _sum([row.cached_tokens for row in own]),
        _sum([row.completion_tokens for row in own]),
        _sum([row.reasoning_tokens for row in own]),
        sum(row.seconds or 0.0 for row in own) if any(row.seconds is not None for row in own) else None,
        sum(row.right is not None for row in own) + wrong,
        sum(row.right is True for row in own),
    )


def thinking_tokens(thoughts: Sequence[Thought]) -> int | None:
    """Tokens that the reasoner wrote for all groups."""
    return _sum([one.completion_tokens for one in thoughts])


def comparisons(spec: Spec, rows: Sequence[Row], thoughts: Sequence[Thought], plain: Sequence[Row]) -> list[str]:
    """A line for each model of a batch with groups, against the rows of the same batch without."""
    truths = [item.truth for item in spec.items]
    return [compared(m, totals(m, rows, truths), thoughts, totals(m, plain, truths)) for m in spec.models]


def compared(model: str, once: Totals, thoughts: Sequence[Thought], each: Totals) -> str:
    """One line: written tokens and accuracy of reasoning once a group against reasoning on every item."""
    written = (once.completion_tokens or 0) + (thinking_tokens(thoughts) or 0)
    plain = each.completion_tokens or 0
    share = f" ({written / plain:.0%} of it)" if plain else ""
    line = f"{model}: {written:,} tokens written with {len(thoughts)} thoughts, {plain:,} one by one{share}"
    if once.accuracy is None or each.accuracy is None:
        return line + "."
    return (
        f"{line}; right {once.right} of {once.judged} ({once.accuracy:.0%}) "
        f"against {each.right} of {each.judged} ({each.accuracy:.0%})."
    )


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
