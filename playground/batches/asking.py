"""One question of a batch over an engine, as a row. Knows the protocol, nothing of the order of questions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from playground.batches.judging import judged
from playground.batches.records import Item, Row, Spec, Thought
from playground.errors import PlaygroundError
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Done,
    Engine,
    Failed,
    Linked,
    Loading,
    Message,
    Queued,
    Token,
)

Told = Callable[[str, Loading | Queued], None]

STOPPED = ("stopped", "cancelled")
# What a model is told that cannot be given a thought as its own.
TOLD = "\n\nThis is how a similar question was thought about:\n"


@dataclass
class _Heard:
    """What has come of one answer."""

    answer: str = ""
    reasoning: str = ""
    stats: ChatStats = field(default_factory=ChatStats)
    failed: Failed | None = None
    done: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Asker:
    """Puts the questions of one batch for its owner. `told` hears what a model is waited for: Loading and Queued."""

    engine: Engine
    spec: Spec
    owner: str
    cancel: CancelToken
    told: Told

    async def row(self, model: str, item: Item, thought: Thought | None, own: bool) -> Row | None:
        """The answer of one model to one item; None where it was stopped before its end.

        `thought`: of the item's group. The model gets it as its `own`, or else in the message.
        """
        spec = self.spec
        row = Row(item.index, model, seed=spec.seed_of(item), group=thought.group if thought is not None else None)
        request = spec.request(model, item, self.owner)
        if thought is not None and thought.error:
            return replace(row, error=thought.error, hint=thought.hint, code=thought.code)
        if thought is not None:
            request = given(request, thought.text, own)
        heard = await self._hear(request, only_thought=False)
        # What arrived before a stream broke is kept with the error.
        row = replace(row, answer=heard.answer, reasoning=heard.reasoning, seconds=heard.seconds)
        if heard.failed is not None:
            return replace(row, error=heard.failed.error, hint=heard.failed.hint, code=heard.failed.code)
        stats = heard.stats
        if not heard.done or stats.stop_reason in STOPPED or (self.cancel.cancelled and not stats.stop_reason):
            return None
        return replace(
            row,
            prompt_tokens=stats.prompt_tokens,
            cached_tokens=stats.cached_tokens,
            completion_tokens=stats.completion_tokens,
            reasoning_tokens=stats.reasoning_tokens,
            seconds=stats.seconds or heard.seconds,  # the engine's own are without queue and load
            stop_reason=stats.stop_reason,
            right=judged(heard.answer, item.truth, spec.match),
        )

    async def thought(self, group: int) -> Thought | None:
        """What the reasoner thinks about the first item of a group; it is ended where the answer would begin.

        None where it was stopped before.
        """
        spec = self.spec
        item = spec.items[spec.groups[group][0]]
        made = Thought(group, spec.reasoner)
        heard = await self._hear(spec.request(spec.reasoner, item, self.owner), only_thought=True)
        if heard.failed is not None:
            return replace(made, error=heard.failed.error, hint=heard.failed.hint, code=heard.failed.code)
        if self.cancel.cancelled and not heard.answer.strip():
            return None
        made = replace(
            made,
            text=heard.reasoning,
            prompt_tokens=heard.stats.prompt_tokens,
            completion_tokens=heard.stats.completion_tokens,
            seconds=heard.stats.seconds or heard.seconds,
        )
        if not heard.reasoning.strip():
            said = f"{spec.reasoner} did not think about line {item.line}."
            return replace(made, error=said, hint="Choose a model that shows its thoughts.", code="NoThought")
        if not heard.answer.strip():
            said = f"{spec.reasoner} did not come to the end of its thought about line {item.line}."
            return replace(made, error=said, hint="Allow more new tokens.", code="NoThought")
        return made

    async def _hear(self, request: ChatRequest, *, only_thought: bool) -> _Heard:
        """Listens to the end; with `only_thought`, to the first word of the answer, and then ends the request."""
        heard, began = _Heard(), time.perf_counter()
        own = Linked(self.cancel)
        try:
            async with aclosing(self.engine.submit(request, own)) as events:  # type: ignore[type-var]  # an async generator
                async for event in events:
                    if isinstance(event, Token):
                        if event.kind == "reasoning":
                            heard.reasoning += event.text
                        else:
                            heard.answer += event.text
                            if only_thought and heard.answer.strip():
                                own.cancel()
                    elif isinstance(event, Done):
                        heard.done = True
                        if isinstance(event.stats, ChatStats):
                            heard.stats = event.stats
                    elif isinstance(event, Failed):
                        heard.failed = event
                    elif isinstance(event, Loading | Queued):
                        self.told(request.model, event)
        except PlaygroundError as error:
            heard.failed = Failed.of(error)
        except asyncio.CancelledError:
            own.cancel()
            raise
        heard.seconds = time.perf_counter() - began
        return heard


def given(request: ChatRequest, thought: str, own: bool) -> ChatRequest:
    """The request with a thought, as the model's own or in the message."""
    if own:
        begun = Message("assistant", "", reasoning=thought)
        return replace(request, messages=(*request.messages, begun), reasoning_effort="none")
    *before, last = request.messages
    return replace(request, messages=(*before, replace(last, content=f"{last.content}{TOLD}{thought.strip()}")))
