"""Chunks of a streamed chat completion into events and figures. Knows no HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from playground.catalog import ModelCard
from playground.chat.reasoning import Piece, ReasoningSplitter
from playground.protocol import ChatRequest, ChatStats, Event, Token
from playground.remote.endpoint import Endpoint

REASONS = {"stop": "end", "length": "length"}


class Answer:
    """One answer while it grows. Thoughts come in a field of their own or, from some servers, within `<think>`."""

    def __init__(self, card: ModelCard, endpoint: Endpoint, request: ChatRequest) -> None:
        self._card, self._endpoint, self._request = card, endpoint, request
        self._splitter = ReasoningSplitter()
        self._first: float | None = None
        self._thoughts_shown = False
        self._usage: Any = None
        self.stop_reason = ""
        self.filtered = False
        self.start()

    def start(self) -> None:
        """The request goes out now."""
        self._started = self._last = time.perf_counter()

    @property
    def begun(self) -> bool:
        return self._first is not None

    @property
    def complete(self) -> bool:
        """Whether the server said how the answer ended."""
        return bool(self.stop_reason)

    def read(self, chunk: Any) -> Iterator[Event]:
        """The events of one chunk; the last one has no choices, only the usage."""
        self._usage = getattr(chunk, "usage", None) or self._usage
        for choice in chunk.choices or []:
            delta = choice.delta
            thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
            if isinstance(thought, str):
                yield from self._tokens([Piece("reasoning", thought)])
            if delta.content:
                yield from self._tokens(self._splitter.feed(delta.content))
            if getattr(delta, "refusal", None):
                yield from self._tokens([Piece("answer", delta.refusal)])
            if choice.finish_reason:
                self.stop_reason = REASONS.get(choice.finish_reason, choice.finish_reason.replace("_", " "))
                self.filtered = choice.finish_reason == "content_filter"

    def finish(self) -> Iterator[Event]:
        """What was held back, at the end of the stream."""
        yield from self._tokens(self._splitter.finish())

    def stats(self) -> ChatStats:
        """Times as seen here; tokens as the server counted them, None where it did not."""
        usage = self._usage
        prompt, completion = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
        reasoning = getattr(getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None)
        now = time.perf_counter()
        return ChatStats(
            ttft_s=None if self._first is None else self._first - self._started,
            tokens_per_s=self._speed(completion, reasoning),
            prompt_tokens=prompt,
            completion_tokens=completion,
            reasoning_tokens=reasoning,
            context_used=None if prompt is None or completion is None else prompt + completion,
            context_size=self._card.context,
            stop_reason=self.stop_reason,
            cost=self._cost(prompt, completion),
            seed=None if self._card.can("reasoning-api") else self._request.seed,
            seconds=now - self._started,
        )

    def _tokens(self, pieces: Iterable[Piece]) -> Iterator[Event]:
        for piece in pieces:
            if piece.text:
                self._last = time.perf_counter()
                self._first = self._first or self._last
                self._thoughts_shown |= piece.kind == "reasoning"
                yield Token(self._request.column, piece.text, piece.kind)

    def _speed(self, completion: int | None, reasoning: int | None) -> float | None:
        """Thoughts that were not shown came before the first token, so they do not count in what followed it."""
        if completion is None or self._first is None or self._last <= self._first:
            return None
        shown = completion - (0 if self._thoughts_shown else reasoning or 0)
        return (shown - 1) / (self._last - self._first) if shown > 1 else None

    def _cost(self, prompt: int | None, completion: int | None) -> float | None:
        """US dollars by the card's price; None where the price is that of another model."""
        price = self._card.price
        if price is None or prompt is None or completion is None or self._endpoint.model != self._card.source:
            return None
        cached = getattr(getattr(self._usage, "prompt_tokens_details", None), "cached_tokens", None) or 0
        cached_price = price.cached_input_per_million
        cached_price = price.input_per_million if cached_price is None else cached_price
        dollars = (
            (prompt - cached) * price.input_per_million + cached * cached_price + completion * price.output_per_million
        )
        return dollars / 1_000_000
