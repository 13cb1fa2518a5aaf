"""What thought costs and brings on the shipped model that thinks: auto depth, stable drafts, kept thoughts.

The questions are those of the starter models' own measurements, mixed and held out of training; what counts as right is
judged by the same rules. Answers are greedy, sixteen at a time, through the engine.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.bench.loader import Compared
from playground.catalog import load_catalog
from playground.local_engine import LocalEngine
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Failed, Message, Token
from playground.settings import load_settings
from playground.starter.text_questions import Question, questions, rows_of

MODEL = "starter-mistral"
AT_A_TIME = 16
SEED = 5
SAME, EVERY = 2, 8  # drafts in a row; the shipped model's thoughts are too short for drafts every 32 tokens


@dataclass(frozen=True)
class Said:
    """One answer, whether it was right, and its figures."""

    message: Message
    right: bool
    stats: ChatStats

    @property
    def tokens(self) -> int:
        return self.stats.completion_tokens or 0


def measure_thinking(items: int = 200) -> list[Compared]:
    """All figures over so many questions.

    Raises:
        RuntimeError: an answer failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings([]).model_copy(update={"data_dir": Path(folder), "offline": True})
        engine = LocalEngine(settings, load_catalog())
        try:
            engine.warm(MODEL)
            return asyncio.run(_measure(engine, mixed(items)))
        finally:
            engine.close()


def mixed(count: int) -> list[Question]:
    """Questions of all kinds without tools by turns, so that any number of them is a mixture."""
    rows = [row for row in rows_of(MODEL) if "tool" not in row]
    each = [questions(row, MODEL, -(-count // len(rows)), SEED) for row in rows]
    return [question for group in zip(*each, strict=True) for question in group][:count]


async def _measure(engine: LocalEngine, asked: Sequence[Question]) -> list[Compared]:
    high = await _all(engine, asked, reasoning_effort="high")
    auto = await _all(engine, asked, reasoning_effort="auto")
    probed = await _all(engine, asked, reasoning_effort="high", stable_probes=SAME, probe_every=EVERY)
    taken = Counter(one.stats.reasoning_effort for one in auto)
    stable = [one for one in probed if one.stats.thought_end == "stable"]
    what, bar = f"{len(asked)} mixed questions", "as it comes; plain: always high"
    return [
        Compared(f"{what}, auto depth: tokens", _mean(auto), "tokens", _mean(high), bar),
        Compared(f"{what}, auto depth: right", _right(auto), "%", _right(high), bar),
        *(Compared(f"auto took {name}", count, "times", bar="as it comes") for name, count in sorted(taken.items())),
        Compared(f"{SAME} stable drafts: tokens", _mean(probed), "tokens", _mean(high), bar),
        Compared(f"{SAME} stable drafts: right", _right(probed), "%", _right(high), bar),
        Compared("thoughts that stable drafts ended", 100 * len(stable) / len(asked), "%", bar="as it comes"),
        Compared(
            "tokens of drafts an answer", sum(o.stats.probe_tokens for o in probed) / len(asked), "tokens",
            bar="the cost of the row above",
        ),
        *await _second_turn(engine, asked, high),
    ]  # fmt: skip


async def _second_turn(engine: LocalEngine, asked: Sequence[Question], said: Sequence[Said]) -> list[Compared]:
    """A second question after each first one, with the thought before it dropped, against kept."""
    single = [question for question in asked if len(question.messages) == 1]
    talks = []
    for i, (first, answered) in enumerate(zip(asked, said, strict=True)):
        if single and answered.message.content:
            then = single[i % len(single)]
            talks.append((Question([*first.messages, *then.messages], then.right), answered.message))
    if not talks:
        raise RuntimeError("no answer of a first turn can be followed by another question")

    async def both(keep: bool) -> list[Said]:
        """The second answers; the first one stands before the last message."""
        return await _gathered(
            [
                _answer(
                    engine, question, (*_messages(question)[:-1], before, _messages(question)[-1]), keep_reasoning=keep
                )
                for question, before in talks
            ]
        )

    dropped, kept = await both(False), await both(True)
    prompts = [sum(one.stats.prompt_tokens or 0 for one in turn) / len(turn) for turn in (dropped, kept)]
    return [
        Compared("turn two, thoughts dropped: prompt", prompts[0], "tokens", prompts[1], "as it comes; plain: kept"),
        Compared("turn two, thoughts dropped: right", _right(dropped), "%", _right(kept), "as it comes; plain: kept"),
    ]


# --- pieces ----------------------------------------------------------------------------------------------------------


async def _all(engine: LocalEngine, asked: Sequence[Question], **values: Any) -> list[Said]:
    return await _gathered([_answer(engine, question, _messages(question), **values) for question in asked])


async def _gathered(works: Sequence[Any]) -> list[Said]:
    """Sixteen at a time, which is what a model makes together."""
    room = asyncio.Semaphore(AT_A_TIME)

    async def one(work: Any) -> Said:
        async with room:
            return await work

    return list(await asyncio.gather(*map(one, works)))


async def _answer(engine: LocalEngine, question: Question, messages: Sequence[Message], **values: Any) -> Said:
    request = ChatRequest(MODEL, tuple(messages), temperature=0.0, **values)
    texts = {"answer": "", "reasoning": ""}
    stats: ChatStats | None = None
    async for event in engine.submit(request, CancelToken()):
        if isinstance(event, Failed):
            raise RuntimeError(event.error)
        if isinstance(event, Token):
            texts[event.kind] += event.text
        if isinstance(event, Done) and isinstance(event.stats, ChatStats):
            stats = event.stats
    if stats is None:
        raise RuntimeError("an answer ended without figures")
    message = Message("assistant", texts["answer"], texts["reasoning"])
    return Said(message, question.right(texts["answer"].strip()), stats)


def _messages(question: Question) -> tuple[Message, ...]:
    return tuple(Message(one["role"], one["content"]) for one in question.messages)


def _mean(said: Sequence[Said]) -> float:
    return sum(one.tokens for one in said) / len(said)


def _right(said: Sequence[Said]) -> float:
    return 100 * sum(one.right for one in said) / len(said)
