"""One streamed answer of one text model: prompt, tokens, text, thoughts, stop, figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from playground.catalog import ModelCard
from playground.chat.context import Prompt, can_think, fit
from playground.chat.detokenize import Detokenizer
from playground.chat.reasoning import ReasoningSplitter
from playground.chat.sampling import Sampler, fresh_seed
from playground.chat.stops import StopFilter
from playground.chat.text_model import AnyText, end_ids
from playground.chat.tools.turn import ToolTurn, tools_of
from playground.errors import Cancelled, OutOfMemory
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Notice, Token, ToolCalled

if TYPE_CHECKING:
    from playground.chat.decode import Decoder

Emit = Callable[[Event], None]


def answer(loaded: AnyText, request: ChatRequest, cancel: CancelToken, emit: Emit) -> ChatStats:
    """Runs a checked request, emitting Tokens and Notices, and returns its figures.

    Ends within one token of a cancel, with what there is; `stop_reason` is then "stopped", otherwise "end", "length",
    "stop string" or "tool calls", whose ToolCalled come last. Stop texts count in the answer, not in thoughts or calls.
    End tokens are not counted as completion; the beginning of a forced call counts as prompt.

    Raises:
        InvalidRequest: the last message does not fit the model's context, or a base model is offered tools.
        OutOfMemory: the device has no room for the cache.
    """
    import torch

    from playground.chat.decode import Decoder, logits_of

    started = time.perf_counter()
    thinks = can_think(loaded)
    think = request.reasoning_effort != "none"
    tools = tools_of(loaded, request, thinks=thinks)
    prompt = fit(loaded, request.messages, request.max_new_tokens or 1, think=think, tools=tools)
    for text in _notices(loaded.card, request, prompt, thinks):
        emit(Notice(text))
    seed = fresh_seed() if request.seed is None else request.seed
    turn = None
    if tools is not None and tools.tools:
        inside = prompt.inside_thought
        turn = ToolTurn(loaded, request, tools, prompt.ids, seed, thinks=thinks and think, inside=inside)
    stream = _Stream(request, loaded, prompt, thinks, emit, started, turn)
    ends = end_ids(loaded)
    try:
        with closing(logits_of(loaded, len(prompt.ids) + prompt.max_new_tokens)) as logits:
            decoder = Decoder(logits, list(prompt.ids))
            stream.push(decoder, cancel)
            for token in decoder.tokens(Sampler(request, seed), cancel):
                if token in ends:
                    reason = "end"
                    break
                stream.feed(token)
                if stream.stopped:
                    reason = "stop string"
                    break
                if turn is not None and turn.done:
                    reason = "end"
                    break
                if stream.room <= 0:
                    reason = "length"
                    break
                stream.push(decoder, cancel)
    except _NoRoom:
        reason = "length"
    except Cancelled:
        reason = "stopped"
    except torch.OutOfMemoryError:
        raise OutOfMemory(
            f"{loaded.card.name} ran out of memory on {loaded.device} after {stream.count} tokens.",
            "Unload another model, or ask for a shorter answer.",
        ) from None
    stream.finish(reason == "stopped")
    calls = turn.calls(reason == "stopped", cancel) if turn is not None else []
    for call in calls:
        emit(ToolCalled(request.column, call))
    return stream.stats(prompt, "tool calls" if calls and reason == "end" else reason, seed)


class _NoRoom(Exception):
    """The context, or the number of tokens asked for, ends before a forced call could begin."""


class _Stream:
    """Turns tokens into Token events and keeps the time."""

    def __init__(
        self,
        request: ChatRequest,
        loaded: AnyText,
        prompt: Prompt,
        thinks: bool,
        emit: Emit,
        started: float,
        turn: ToolTurn | None = None,
    ) -> None:
        self._column, self._emit = request.column, emit
        self._turn, self._most = turn, prompt.max_new_tokens
        self._detokenizer = Detokenizer(loaded.tokenizer)
        self._splitter = ReasoningSplitter(inside=prompt.inside_thought) if thinks else None
        self._stops = StopFilter(request.stop)
        self._started = started
        self._first: float | None = None  # the first token
        self._shown: float | None = None  # the first token that showed text
        self._last = started
        self.count = 0
        self._pushed = 0  # tokens that the model did not choose
        self._reasoning = 0

    @property
    def stopped(self) -> bool:
        return self._stops.hit

    @property
    def room(self) -> int:
        """Tokens that may still come."""
        return self._most - self.count - self._pushed

    def feed(self, token: int) -> None:
        self.count += 1
        self._last = time.perf_counter()
        self._first = self._first or self._last
        inside = self._inside
        self._text(self._piece(token))
        self._reasoning += inside or self._inside

    def push(self, decoder: Decoder, cancel: CancelToken) -> None:
        """Puts the beginning of a forced call into the answer, once it is due. Raises _NoRoom where it does not fit."""
        while self._turn is not None and (ids := self._turn.push(self._inside, cancel)):
            if len(ids) >= self.room:
                raise _NoRoom
            decoder.push(ids)
            self._pushed += len(ids)
            for token in ids:
                self._text(self._piece(token))

    def finish(self, stopped: bool) -> None:
        """Sends what was held back for the rest of a character, a tag, a call or a stop text."""
        self._text(self._detokenizer.finish())
        for piece in self._splitter.finish() if self._splitter else []:
            self._send(piece.text, piece.kind == "reasoning")
        if self._turn is not None:
            self._show(self._stops.feed(self._turn.finish(stopped)), reasoning=False)
        self._show(self._stops.finish(), reasoning=False)

    def stats(self, prompt: Prompt, reason: str, seed: int) -> ChatStats:
        after_first = self._last - (self._first or self._last)
        return ChatStats(
            ttft_s=None if self._shown is None else self._shown - self._started,
            tokens_per_s=(self.count - 1) / after_first if after_first > 0 else None,
            prompt_tokens=len(prompt.ids) + self._pushed,
            completion_tokens=self.count,
            reasoning_tokens=self._reasoning if self._splitter else None,
            context_used=len(prompt.ids) + self._pushed + self.count,
            context_size=prompt.context_size,
            stop_reason=reason,
            dropped_turns=prompt.dropped_turns,
            seed=seed,
            seconds=time.perf_counter() - self._started,
        )

    @property
    def _inside(self) -> bool:
        return self._splitter is not None and self._splitter.inside

    def _piece(self, token: int) -> str:
        """The text that a token brings."""
        if self._turn is None:
            return self._detokenizer.feed(token)
        mark = self._turn.hidden(token)
        piece = self._detokenizer.finish() + mark if mark else self._detokenizer.feed(token)
        self._turn.heard(token, piece)
        return piece

    def _text(self, text: str) -> None:
        if self._splitter is None:
            self._send(text, reasoning=False)
            return
        for piece in self._splitter.feed(text):
            self._send(piece.text, piece.kind == "reasoning")

    def _send(self, text: str, reasoning: bool) -> None:
        if not reasoning and self._turn is not None:
            text = self._turn.feed(text)
        self._show(text if reasoning else self._stops.feed(text), reasoning)

    def _show(self, text: str, reasoning: bool) -> None:
        if text:
            self._shown = self._shown or time.perf_counter()
            self._emit(Token(self._column, text, "reasoning" if reasoning else "answer"))


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
