"""Specs and engines for the tests of batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from playground.batches.records import Item, Row, Spec, Thought
from playground.batches.running import Run, Update, run
from playground.protocol import CancelToken, ChatRequest, ChatStats, Done, Event, Failed, Health, ModelState, Token


def items(*prompts: str, truths: Sequence[str] = ()) -> tuple[Item, ...]:
    truth = [*truths, *[""] * len(prompts)]
    return tuple(Item(i, i + 1, prompt, truth[i], prompt) for i, prompt in enumerate(prompts))


def spec(*prompts: str, models: Sequence[str] = ("a",), **more) -> Spec:
    return Spec(tuple(models), items(*(prompts or ("one", "two", "three"))), **more)


def thought_of(request: ChatRequest) -> str:
    """The thought that the model is given to answer from, "" for none."""
    last = request.messages[-1]
    return last.reasoning if last.role == "assistant" else ""


def question_of(request: ChatRequest) -> str:
    """What the user asked last."""
    return next(message.content for message in reversed(request.messages) if message.role == "user")


class Echo:
    """Answers with the prompt and the seed after `pause` turns of the loop; `fails` says what goes wrong for whom."""

    def __init__(self, fails: Callable[[ChatRequest], str] = lambda request: "", pause: int = 1) -> None:
        self.requests: list[ChatRequest] = []
        self.fails, self.pause = fails, pause
        self.now: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.thinks = False

    async def submit(self, request: ChatRequest, cancel: CancelToken) -> AsyncIterator[Event]:
        self.requests.append(request)
        self.now[request.model] = self.now.get(request.model, 0) + 1
        self.most[request.model] = max(self.most.get(request.model, 0), self.now[request.model])
        try:
            async for event in self._answer(request, cancel):
                yield event
        finally:
            self.now[request.model] -= 1

    async def _answer(self, request: ChatRequest, cancel: CancelToken) -> AsyncIterator[Event]:
        text, thought = question_of(request), ""
        if self.thinks and not thought_of(request):
            thought = f"about {text}"
            yield Token(0, thought, "reasoning")
        for _ in range(self.pause):
            await asyncio.sleep(0)
            if cancel.cancelled:
                yield Done(ChatStats(stop_reason="stopped", completion_tokens=0))
                return
        if error := self.fails(request):
            yield Failed(error, "Try again.", "Odd")
            return
        yield Token(0, f"{text} ")
        await asyncio.sleep(0)
        if cancel.cancelled:
            count = len(thought.split())
            yield Done(ChatStats(stop_reason="stopped", completion_tokens=count, reasoning_tokens=count))
            return
        yield Token(0, f"{request.seed} {thought_of(request)}".strip())
        count = 2 + len(thought.split())
        yield Done(ChatStats(stop_reason="end", completion_tokens=count, prompt_tokens=len(text), seed=request.seed,
                             reasoning_tokens=len(thought.split())))  # fmt: skip

    async def models(self) -> list[ModelState]:
        return []

    async def health(self) -> Health:
        return Health(ok=True)


def updates(what: Spec, engine: Echo, cancel: CancelToken | None = None, stop_after: int = 0, **more) -> list[Update]:
    """Everything that a run tells; cancels it after so many results."""
    token = cancel or CancelToken()

    async def all_of() -> list[Update]:
        found: list[Update] = []
        async for update in run(what, Run(engine, "me", **more), token):
            found.append(update)
            if stop_after and sum(isinstance(one, Row | Thought) for one in found) == stop_after:
                token.cancel()
        return found

    return asyncio.run(all_of())


def rows_in(found: Sequence[Update]) -> list[Row]:
    return [one for one in found if isinstance(one, Row)]


def thoughts_in(found: Sequence[Update]) -> list[Thought]:
    return [one for one in found if isinstance(one, Thought)]
