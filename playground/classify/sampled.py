"""Labels of a text by asking a model several times: for models that give no likelihoods, such as those behind APIs.

Each answer is bound to JSON by a schema whose enum is the labels; the share of the samples that name a label stands for
its probability. With k samples it is a multiple of 1/k, and no finer than that. Works on any Engine.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from playground.catalog import ModelCard
from playground.chat.questions import Questions, checked_text, questions
from playground.classify.records import Item, Task, Verdict
from playground.errors import Cancelled, InvalidRequest
from playground.protocol import CancelToken, ChatRequest, Engine, Failed, Message, Notice, Token

AT_ONCE = 8  # samples of one model that are asked for at a time
ONE_FORM = '\n\nWrite it as JSON: {"label": "…"}'
ANY_FORM = '\n\nWrite it as JSON: {"labels": ["…", "…"]}'


class SamplesFailed(Exception):
    """None of a text's samples came; `event` says why the first did not."""

    def __init__(self, event: Failed) -> None:
        super().__init__(event.error)
        self.event = event


class Sampler:
    """Asks one model for samples; `told` is called with what its engine says beside the answers.

    Raises:
        InvalidRequest: the task's template asks about one label at a time.
    """

    def __init__(self, engine: Engine, card: ModelCard, task: Task, owner: str, told: Callable[[str], None]) -> None:
        asked = task.asked
        self._asked: Questions = questions(
            asked.labels, asked.multi_label, asked.descriptions, asked.template, at_once=True
        )
        self._engine, self._card, self._task, self._owner, self._told = engine, card, task, owner, told
        self._schema = json.dumps(schema_of(self._asked), ensure_ascii=False)
        self._free = asyncio.Semaphore(AT_ONCE)

    async def verdict(self, index: int, item: Item, cancel: CancelToken) -> Verdict:
        """The shares of a text's labels; an unusable text gets a verdict with its error.

        Raises:
            SamplesFailed: every sample failed.
            Cancelled: the user stopped it, or the engine did.
        """
        task, began = self._task, time.perf_counter()
        try:
            text = checked_text(item.text)
        except InvalidRequest as error:
            return Verdict(self._card.id, index, (), "samples", error=str(error))
        answers = await asyncio.gather(*(self._sample(text, task.seed + i, cancel) for i in range(task.samples)))
        came = [answer for answer in answers if not isinstance(answer, Failed)]
        failed = [answer for answer in answers if isinstance(answer, Failed)]
        if cancel.cancelled:
            raise Cancelled
        if not came:
            raise SamplesFailed(failed[0])
        if failed:
            self._told(f"Some samples did not come and are left out: {failed[0].error}")
        named = [labels_in(answer, self._asked) for answer in came]
        valid = [labels for labels in named if labels is not None]
        shares = tuple(sum(label in labels for labels in valid) / len(came) for label in self._asked.labels)
        seconds = time.perf_counter() - began
        fault = "" if valid else f"None of the {len(came)} answers named a label."
        return Verdict(
            self._card.id, index, shares if valid else (), "samples", seconds, len(came), len(came) - len(valid), fault
        )

    async def _sample(self, text: str, seed: int, cancel: CancelToken) -> str | Failed:
        asked = self._asked
        question = asked.any_of(text) + ANY_FORM if asked.multi_label else asked.one_of(text) + ONE_FORM
        request = ChatRequest(
            self._card.id,
            (Message("user", question),),
            temperature=self._task.temperature,
            seed=seed,
            json_schema=self._schema,
            # A label is a short answer; what an API's model takes for its least effort is not known here.
            reasoning_effort="none" if self._card.backend == "local" else None,
            owner=self._owner,
        )
        answer = ""
        async with self._free:
            if cancel.cancelled:
                return Failed("Stopped.")
            async with aclosing(self._engine.submit(request, cancel)) as events:  # type: ignore[type-var]
                async for event in events:
                    if isinstance(event, Token) and event.kind == "answer":
                        answer += event.text
                    elif isinstance(event, Notice) and not cancel.cancelled:
                        self._told(event.text)
                    elif isinstance(event, Failed):
                        return event
        return answer


def schema_of(asked: Questions) -> dict[str, Any]:
    """The JSON Schema of an answer: an object with one label, or with a list of those that fit."""
    one: dict[str, Any] = {"type": "string", "enum": list(asked.labels)}
    many = {"type": "array", "items": one, "maxItems": len(asked.labels)}
    name, value = ("labels", many) if asked.multi_label else ("label", one)
    return {"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": False}


def labels_in(answer: str, asked: Questions) -> frozenset[str] | None:
    """The labels that an answer names; None for one that does not keep to the schema."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    named = value.get("labels") if asked.multi_label else [value.get("label")]
    if not isinstance(named, list) or not all(isinstance(name, str) and name in asked.labels for name in named):
        return None
    return frozenset(named)
