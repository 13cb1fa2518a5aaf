"""One answer as a stream: tokens become text, thoughts are told from answers, stop texts end it, and time is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from playground.chat.context import Prompt
from playground.chat.detokenize import Detokenizer
from playground.chat.reasoning import CLOSE, ReasoningSplitter
from playground.chat.stops import StopFilter
from playground.chat.text_model import AnyText
from playground.chat.tools.turn import ToolTurn
from playground.protocol import ChatRequest, ChatStats, Event, Token

Emit = Callable[[Event], None]


class Stream:
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
        self._detokenizer = Detokenizer(loaded.tokenizer, prompt.ids[len(prompt.ids) - prompt.begun :])
        self._splitter = ReasoningSplitter(prompt.inside_thought, prompt.answered) if thinks else None
        self._stops = StopFilter(request.stop)
        self._started = started
        self._first: float | None = None  # the first token
        self._shown: float | None = None  # the first token that showed text
        self._last = started
        self.count = 0
        self._pushed = 0  # tokens that the model did not choose
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
    def thought(self) -> int:
        """Tokens of thoughts that the model chose, with the tags that it wrote."""
        return self._reasoning

    @property
    def may_open(self) -> bool:
        """Whether a thought may begin now."""
        return self._splitter is not None and not self._splitter.answered and not self._splitter.inside

    @property
    def closing(self) -> str:
        """What ends the open thought: the tag, without what the model has just written of it."""
        return CLOSE.removeprefix(self._splitter.held if self._splitter is not None else "")

    @property
    def stopped(self) -> bool:
        return self._stops.hit

    @property
    def room(self) -> int:
        """Tokens that may still come."""
        return self._most - self.count - self._pushed

    def feed(self, token: int) -> None:
        """Takes a token that the model chose."""
        self.count += 1
        self._last = time.perf_counter()
        self._first = self._first or self._last
        inside = self.inside
        self._text(self._piece(token))
        self._reasoning += inside or self.inside

    def push(self, ids: Sequence[int]) -> None:
        """Takes tokens that the model did not choose."""
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
            if not reasoning:
                self._answer.append(text)
