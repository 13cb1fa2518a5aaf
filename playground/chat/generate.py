"""One streamed answer of one text model: prompt, tokens, text, thoughts, stop, figures. Runs no model itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from playground.catalog import ModelCard
from playground.chat.context import Prompt, can_think, fit
from playground.chat.detokenize import Detokenizer
from playground.chat.reasoning import ReasoningSplitter
from playground.chat.sampling import Sampler, fresh_seed
from playground.chat.stops import StopFilter
from playground.chat.text_model import AnyText, end_ids
from playground.errors import Cancelled, OutOfMemory
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Notice, Token

if TYPE_CHECKING:
    import torch

Emit = Callable[[Event], None]


def answer(loaded: AnyText, request: ChatRequest, cancel: CancelToken, emit: Emit) -> ChatStats:
    """Runs a checked request by itself, emitting Tokens and Notices, and returns its figures.

    Ends within one token of a cancel, with what there is; `stop_reason` is then "stopped", otherwise "end", "length" or
    "stop string". Stop texts count in the answer, not in thoughts. End tokens are not counted as completion.

    Raises:
        InvalidRequest: the last message does not fit the model's context.
        OutOfMemory: the device has no room for the cache.
    """
    from playground.chat.decode import logits_of, read_on

    one = Answer(loaded, request, emit)
    with one.ended_by(cancel), closing(logits_of(loaded, one.room, one.ids)) as logits:
        while one.take(read_on(logits, one.ids, cancel)) is not None:
            pass
    return one.stats()


class Answer:
    """One answer in the making: is told logits, says which token goes on, and streams what that means in text.

    Whoever makes it reads `ids`, the prompt and the answer so far, and hands over the logits after them.
    """

    def __init__(self, loaded: AnyText, request: ChatRequest, emit: Emit) -> None:
        self._loaded = loaded
        thinks = can_think(loaded)
        think = request.reasoning_effort != "none"
        self._prompt = fit(loaded, request.messages, request.max_new_tokens or 1, think=think)
        for text in _notices(loaded.card, request, self._prompt, thinks):
            emit(Notice(text))
        self._seed = fresh_seed() if request.seed is None else request.seed
        self._sampler = Sampler(request, self._seed)
        self._stream = _Stream(request, loaded, self._prompt, thinks, emit, time.perf_counter())
        self._ends = end_ids(loaded)
        self._reason = ""
        self.ids = list(self._prompt.ids)

    @property
    def room(self) -> int:
        """Tokens of prompt and answer together, at most."""
        return len(self._prompt.ids) + self._prompt.max_new_tokens

    def take(self, logits: torch.Tensor) -> int | None:
        """The token that follows, given the logits after `ids`, (1, V); None once the answer has ended."""
        token = self._sampler.choose(logits, self.ids)
        if token in self._ends:
            self._reason = "end"
            return None
        self.ids.append(token)
        self._stream.feed(token)
        if self._stream.stopped:
            self._reason = "stop string"
        elif self._stream.count >= self._prompt.max_new_tokens:
            self._reason = "length"
        return None if self._reason else token

    @contextmanager
    def ended_by(self, cancel: CancelToken) -> Iterator[None]:
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
        """Sends what was held back, and gives the figures."""
        self._stream.finish()
        return self._stream.stats(self._prompt, self._reason, self._seed)


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

    @property
    def stopped(self) -> bool:
        return self._stops.hit

    def feed(self, token: int) -> None:
        self.count += 1
        self._last = time.perf_counter()
        self._first = self._first or self._last
        inside = self._inside
        self._text(self._detokenizer.feed(token))
        self._reasoning += inside or self._inside

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

    @property
    def _inside(self) -> bool:
        return self._splitter is not None and self._splitter.inside

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
