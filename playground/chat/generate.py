"""One answer of one text model: which token follows, and when it ends. Runs no model itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from playground.catalog import ModelCard
from playground.chat.constraints.spec import spec_of
from playground.chat.context import Prompt, can_think, files_of, fit
from playground.chat.sampling import Chooser, Sampler, fresh_seed
from playground.chat.stream import Emit, Stream
from playground.chat.text_model import AnyText, end_ids
from playground.chat.tools.turn import ToolTurn, tools_of
from playground.errors import Cancelled, OutOfMemory
from playground.protocol import CancelToken, ChatRequest, ChatStats, Notice, ToolCalled

if TYPE_CHECKING:
    import torch


def answer(loaded: AnyText, request: ChatRequest, cancel: CancelToken, emit: Emit) -> ChatStats:
    """Runs a checked request by itself, emitting Tokens and Notices, and returns its figures.

    Ends within one token of a cancel, with what there is; `stop_reason` is then "stopped", otherwise "end", "length",
    "stop string" or "tool calls", whose ToolCalled come last. Stop texts count in the answer, not in thoughts or calls.
    End tokens are not counted as completion; the beginning of a forced call counts as prompt. A bound answer may also
    be "closed" or "misfit", see `playground.chat.constraints.answer`.

    Raises:
        InvalidRequest: the last message does not fit the model's context, the answer cannot be bound, or a base model
            is offered tools.
        OutOfMemory: the device has no room for the cache.
    """
    from playground.chat.decode import logits_of, read_on

    one = Answer(loaded, request, cancel, emit)
    with one.ended(), closing(logits_of(loaded, one.room, one.ids, one.shown)) as logits:
        while one.take(read_on(logits, one.ids, cancel)):
            pass
    return one.stats()


class Answer:
    """One answer in the making: is told logits, says which tokens go on, and streams what that means in text.

    Whoever makes it reads `ids`, the prompt and the answer so far, and hands over the logits after them.
    """

    def __init__(self, loaded: AnyText, request: ChatRequest, cancel: CancelToken, emit: Emit) -> None:
        started = time.perf_counter()
        self._loaded, self._cancel, self._emit, self._column = loaded, cancel, emit, request.column
        thinks = can_think(loaded)
        may_think = request.reasoning_effort != "none"
        tools = tools_of(loaded, request, thinks=thinks)
        files = files_of(loaded, request.messages, cancel)
        room = request.max_new_tokens or 1
        self._prompt = fit(loaded, request.messages, room, think=may_think, tools=tools, files=files)
        self.shown = files.shown(self._prompt.messages) if files is not None else None
        for text in _notices(loaded.card, request, self._prompt, thinks):
            emit(Notice(text))
        self._seed = fresh_seed() if request.seed is None else request.seed
        self._turn = None
        if tools is not None and tools.tools:
            ids, inside = self._prompt.ids, self._prompt.inside_thought
            self._turn = ToolTurn(loaded, request, tools, ids, self._seed, thinks=thinks and may_think, inside=inside)
        self._stream = Stream(request, loaded, self._prompt, thinks, emit, started, self._turn)
        self._ends = end_ids(loaded)
        self._reason = ""
        self._chooser: Chooser = Sampler(request, self._seed)
        self._bound = None
        spec = spec_of(request)
        if spec is not None:
            from playground.chat.constraints.answer import bind

            now = (lambda: self._stream.inside) if thinks else None
            sampler = Sampler(request, self._seed)
            self._bound = bind(loaded, spec, sampler, self._prompt, may_think=may_think, inside=now)
            self._chooser = self._bound.sampler
        self.ids = list(self._prompt.ids)

    @property
    def room(self) -> int:
        """Tokens of prompt and answer together, at most."""
        return len(self._prompt.ids) + self._prompt.max_new_tokens

    def take(self, logits: torch.Tensor) -> bool:
        """Goes on by one token, given the logits after `ids`, (1, V), and by those that stand without logits after it.

        Where a call of a tool must begin now, its beginning comes instead. Returns whether more is to come.
        """
        if self._begin_call():
            return not self._reason
        token: int | None = self._chooser.choose(logits, self.ids)
        while token is not None:
            self._go_on(token)
            token = None if self._reason or self._cancel.cancelled else self._chooser.forced(self.ids)
        return not self._reason

    def _begin_call(self) -> bool:
        """Puts the beginning of a forced call into the answer, once it is due; an answer without room for it ends."""
        ids = self._turn.push(self._stream.inside, self._cancel) if self._turn is not None else []
        if len(ids) >= self._stream.room:
            self._reason = "length"
            return True
        self.ids += ids
        self._stream.push(ids)
        return bool(ids)

    def _go_on(self, token: int) -> None:
        if token in self._ends:
            self._reason = "end"
            return
        self.ids.append(token)
        self._stream.feed(token)
        if self._stream.stopped:
            self._reason = "stop string"
        elif (self._bound is not None and self._bound.over) or (self._turn is not None and self._turn.done):
            self._reason = "end"
        elif self._stream.room <= 0:
            self._reason = "length"

    @contextmanager
    def ended(self) -> Iterator[None]:
        """The block in which it is made: a cancel ends it with what there is, and a full device with an error."""
        import torch

        try:
            yield
        except Cancelled:
            self._reason = "stopped"
        except torch.OutOfMemoryError:
            raise OutOfMemory(
                f"{self._loaded.card.name} ran out of memory on {self._loaded.device} "
                f"after {self._stream.count} tokens.",
                "Unload another model, or ask for a shorter answer.",
            ) from None

    def stats(self) -> ChatStats:
        """Sends what was held back and the calls, and gives the figures."""
        stopped = self._reason == "stopped"
        self._stream.finish(stopped)
        if self._bound is not None:
            self._reason, said = self._bound.verdict(self._stream.answer, self._reason)
            for text in said:
                self._emit(Notice(text))
        calls = self._turn.calls(stopped, self._cancel) if self._turn is not None else []
        for call in calls:
            self._emit(ToolCalled(self._column, call))
        reason = "tool calls" if calls and self._reason == "end" else self._reason
        return self._stream.stats(self._prompt, reason, self._seed)


def _notices(card: ModelCard, request: ChatRequest, prompt: Prompt, thinks: bool) -> list[str]:
    """What the user should know of how the request was changed to fit."""
    said = []
    effort = request.reasoning_effort
    if effort not in (None, "none"):
        said.append(
            f"{card.name} knows no levels of reasoning: it thinks as long as it needs, whatever the effort."
            if thinks
            else f"{card.name} does not think before it answers, so reasoning effort {effort} changes nothing."
        )
    if prompt.dropped_turns:
        turns = "turn was" if prompt.dropped_turns == 1 else f"{prompt.dropped_turns} turns were"
        said.append(f"The oldest {turns} left out, since {card.name} reads {prompt.context_size} tokens at most.")
    if prompt.max_new_tokens < (request.max_new_tokens or 1):
        said.append(f"The context leaves {prompt.max_new_tokens} tokens for the answer, not {request.max_new_tokens}.")
    return said
