"""One streamed answer of one text model: prompt, tokens, text, thoughts, stop, figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from playground.catalog import ModelCard
from playground.chat.constraints.spec import spec_of
from playground.chat.context import Prompt, can_think, fit
from playground.chat.detokenize import Detokenizer
from playground.chat.reasoning import ReasoningSplitter
from playground.chat.sampling import Chooser, Sampler, fresh_seed
from playground.chat.stops import StopFilter
from playground.chat.text_model import AnyText, end_ids
from playground.errors import Cancelled, OutOfMemory
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Notice, Token

Emit = Callable[[Event], None]


def answer(loaded: AnyText, request: ChatRequest, cancel: CancelToken, emit: Emit) -> ChatStats:
    """Runs a checked request, emitting Tokens and Notices, and returns its figures.

    Ends within one token of a cancel, with what there is; `stop_reason` is then "stopped", otherwise "end", "length" or
    "stop string". Stop texts count in the answer, not in thoughts. End tokens are not counted as completion. A bound
    answer may also be "closed" or "misfit", see `playground.chat.constraints.answer`.

    Raises:
        InvalidRequest: the last message does not fit the model's context, or the answer cannot be bound.
        OutOfMemory: the device has no room for the cache.
    """
    import torch

    from playground.chat.decode import Decoder, logits_of

    started = time.perf_counter()
    thinks = can_think(loaded)
    may_think = request.reasoning_effort != "none"
    prompt = fit(loaded, request.messages, request.max_new_tokens or 1, think=may_think)
    for text in _notices(loaded.card, request, prompt, thinks):
        emit(Notice(text))
    seed = fresh_seed() if request.seed is None else request.seed
    stream = _Stream(request, loaded, prompt, thinks, emit, started)
    ends = end_ids(loaded)
    sampler = Sampler(request, seed)
    chooser: Chooser = sampler
    bound, spec = None, spec_of(request)
    if spec is not None:
        from playground.chat.constraints.answer import bind

        inside = (lambda: stream.inside) if thinks else None
        bound = bind(loaded, spec, sampler, prompt, may_think=may_think, inside=inside)
        chooser = bound.sampler
    try:
        with closing(logits_of(loaded, len(prompt.ids) + prompt.max_new_tokens)) as logits:
            for token in Decoder(logits, list(prompt.ids)).tokens(chooser, cancel):
                if token in ends:
                    reason = "end"
                    break
                stream.feed(token)
                if stream.stopped:
                    reason = "stop string"
                    break
                if bound is not None and bound.over:
                    reason = "end"
                    break
                if stream.count >= prompt.max_new_tokens:
                    reason = "length"
                    break
    except Cancelled:
        reason = "stopped"
    except torch.OutOfMemoryError:
        raise OutOfMemory(
            f"{loaded.card.name} ran out of memory on {loaded.device} after {stream.count} tokens.",
            "Unload another model, or ask for a shorter answer.",
        ) from None
    stream.finish()
    if bound is not None:
        reason, said = bound.verdict(stream.answer, reason)
        for text in said:
            emit(Notice(text))
    return stream.stats(prompt, reason, seed)


class _Stream:
    """Turns tokens into Token events and keeps the time."""

    def __init__(
        self, request: ChatRequest, loaded: AnyText, prompt: Prompt, thinks: bool, emit: Emit, started: float
    ) -> None:
        self._column, self._emit = request.column, emit
        self._detokenizer = Detokenizer(loaded.tokenizer)
        self._splitter = ReasoningSplitter(inside=prompt.inside_thought) if thinks else None
        self._stops = StopFilter(request.stop)
        self._started = started
        self._first: float | None = None  # the first token
        self._shown: float | None = None  # the first token that showed text
        self._last = started
        self.count = 0
        self._reasoning = 0
        self._answer: list[str] = []

    @property
    def answer(self) -> str:
        """The answer as it was shown, without thoughts."""
        return "".join(self._answer)

    @property
    def inside(self) -> bool:
        """Whether the text is within a thought."""
        return self._splitter is not None and self._splitter.inside

    @property
    def stopped(self) -> bool:
        return self._stops.hit

    def feed(self, token: int) -> None:
        self.count += 1
        self._last = time.perf_counter()
        self._first = self._first or self._last
        inside = self.inside
        self._text(self._detokenizer.feed(token))
        self._reasoning += inside or self.inside

    def finish(self) -> None:
        """Sends what was held back for the rest of a character, a tag or a stop text."""
        self._text(self._detokenizer.finish())
        for piece in self._splitter.finish() if self._splitter else []:
            self._send(piece.text, piece.kind == "reasoning")
        self._show(self._stops.finish(), reasoning=False)

    def stats(self, prompt: Prompt, reason: str, seed: int) -> ChatStats:
        after_first = self._last - (self._first or self._last)
        return ChatStats(
            ttft_s=None if self._shown is None else self._shown - self._started,
            tokens_per_s=(self.count - 1) / after_first if after_first > 0 else None,
            prompt_tokens=len(prompt.ids),
            completion_tokens=self.count,
            reasoning_tokens=self._reasoning if self._splitter else None,
            context_used=len(prompt.ids) + self.count,
            context_size=prompt.context_size,
            stop_reason=reason,
            dropped_turns=prompt.dropped_turns,
            seed=seed,
            seconds=time.perf_counter() - self._started,
        )

    def _text(self, text: str) -> None:
        if self._splitter is None:
            self._send(text, reasoning=False)
            return
        for piece in self._splitter.feed(text):
            self._send(piece.text, piece.kind == "reasoning")

    def _send(self, text: str, reasoning: bool) -> None:
        self._show(text if reasoning else self._stops.feed(text), reasoning)

    def _show(self, text: str, reasoning: bool) -> None:
        if text:
            self._shown = self._shown or time.perf_counter()
            self._emit(Token(self._column, text, "reasoning" if reasoning else "answer"))
            if not reasoning:
                self._answer.append(text)


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
