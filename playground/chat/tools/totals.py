"""The figures of several answers of one turn as one."""

from __future__ import annotations

from collections.abc import Sequence

from playground.protocol import ChatStats


def summed(stats: Sequence[ChatStats | None], tool_seconds: float = 0.0) -> ChatStats | None:
    """Tokens, cost and seconds added up, the tools' with them; what one answer does not tell is unknown in the sum.

    Time to first token is the first answer's. Tokens a second count the time that each answer took to write after its
    first token. Context, stop reason and left out turns are the last answer's.
    """
    if all(one is None for one in stats):
        return None
    each = [one or ChatStats() for one in stats]
    first, last = each[0], each[-1]
    return ChatStats(
        ttft_s=first.ttft_s,
        tokens_per_s=_speed(each),
        prompt_tokens=_sum([one.prompt_tokens for one in each]),
        completion_tokens=_sum([one.completion_tokens for one in each]),
        reasoning_tokens=_sum([one.reasoning_tokens for one in each]),
        context_used=last.context_used,
        context_size=last.context_size,
        stop_reason=last.stop_reason,
        dropped_turns=last.dropped_turns,
        cost=_added([one.cost for one in each]),
        seed=first.seed,
        load_s=sum(one.load_s for one in each),
        seconds=sum(one.seconds for one in each) + tool_seconds,
        reasoning_effort=first.reasoning_effort,
        thought_end=next((one.thought_end for one in reversed(each) if one.thought_end), ""),
        probes=sum(one.probes for one in each),
        probe_tokens=sum(one.probe_tokens for one in each),
        drafted=_sum([one.drafted for one in each]),
        accepted=_sum([one.accepted for one in each]),
    )


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _added(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _speed(stats: Sequence[ChatStats]) -> float | None:
    """Tokens after the first of each answer, over the seconds that those took."""
    timed = [
        (one.completion_tokens - 1, one.tokens_per_s) for one in stats if one.completion_tokens and one.tokens_per_s
    ]
    seconds = sum(tokens / speed for tokens, speed in timed)
    return sum(tokens for tokens, _ in timed) / seconds if seconds else None
