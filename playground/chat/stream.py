"""One answer as a stream: tokens become text, thoughts are told from answers, stop texts end it, and time is kept."""

from __future__ import annotations

import time
from collections.abc import Callable

from playground.chat.context import Prompt
from playground.chat.detokenize import Detokenizer
from playground.chat.reasoning import ReasoningSplitter
from playground.chat.stops import StopFilter
from playground.chat.text_model import AnyText
from playground.protocol import ChatRequest, ChatStats, Event, Token

Emit = Callable[[Event], None]


class Stream:
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
