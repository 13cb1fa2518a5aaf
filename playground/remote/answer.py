"""One streamed answer while it grows: its text, clock and figures, whatever API it comes from. Knows no HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from playground.catalog import ModelCard
from playground.chat.reasoning import Piece, ReasoningSplitter
from playground.errors import ModelUnavailable
from playground.protocol import ChatRequest, ChatStats, Event, Notice, Token, ToolCall, ToolCalled
from playground.remote.continuing import echo_of, goes_on
from playground.remote.endpoint import Endpoint

MAX_CHARACTERS = 8_000_000  # far beyond any model's longest answer


class Answer(Protocol):
    """What the engine needs of an API's stream reader."""

    stop_reason: str
    grown: Growth

    @property
    def complete(self) -> bool:
        """Whether the server said how the answer ended."""

    def read(self, event: Any) -> Iterator[Event]:
        """The events of one event of the stream.

        Raises:
            PlaygroundError: the server reports that it failed.
        """

    def finish(self) -> Iterator[Event]:
        """What was held back, at the end of the stream, however it ended."""

    def items(self) -> tuple[str, ...]:
        """The provider's own output items, to be sent back with this answer."""

    def stats(self) -> ChatStats: ...


@dataclass
class Usage:
    """Tokens as the server counted them; None where it did not."""

    prompt: int | None = None
    completion: int | None = None
    reasoning: int | None = None
    cached: int | None = None


class Growth:
    """The parts that all answers share: text with its kinds, tool calls, refusal, times and cost."""

    def __init__(self, card: ModelCard, endpoint: Endpoint, request: ChatRequest) -> None:
        self._card, self._endpoint, self._request = card, endpoint, request
        self._splitter = ReasoningSplitter(answered=goes_on(request))
        self._echo = echo_of(request, endpoint)
        self._first: float | None = None
        self._answered: float | None = None
        self._size = 0
        self._thought_whole = False
        self.text = ""
        self.refusal = ""
        self.calls: list[ToolCall] = []
        self.usage = Usage()
        self.start()

    def start(self) -> None:
        """The request goes out now."""
        self._started = self._last = time.perf_counter()

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has arrived."""
        return self._first is not None

    def answer(self, text: str) -> Iterator[Event]:
        """Text of the answer; some servers leave the thoughts in it, within `<think>`."""
        yield from self._tokens(self._splitter.feed(self._echo.feed(text)))

    def thought(self, text: str, *, summary: bool = False) -> Iterator[Event]:
        """Text of a thought, or of a provider's `summary` of one, whose tokens are not those that are counted."""
        yield from self._tokens([Piece("reasoning", text)], summary=summary)

    def called(self, call: ToolCall) -> Iterator[Event]:
        """A whole tool call."""
        self.touch()
        self.calls.append(call)
        yield ToolCalled(self._request.column, call)

    def touch(self) -> None:
        """Something arrived that is not shown yet, such as a part of a tool call."""
        self._last = time.perf_counter()
        self._first = self._first or self._last
        self._answered = self._answered or self._last

    def finish(self) -> Iterator[Event]:
        yield from self._tokens(self._splitter.feed(self._echo.finish()))
        yield from self._tokens(self._splitter.finish())
        if self.refusal:
            yield Notice(f"{self._endpoint.host} refused: {' '.join(self.refusal.split())}")

    def stats(self, stop_reason: str, seed: int | None) -> ChatStats:
        """Times as seen here; tokens as the server counted them."""
        usage, now = self.usage, time.perf_counter()
        known = usage.prompt is not None and usage.completion is not None
        return ChatStats(
            ttft_s=None if self._first is None else self._first - self._started,
            tokens_per_s=self._speed(),
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            reasoning_tokens=usage.reasoning,
            context_used=usage.prompt + usage.completion if known else None,  # type: ignore[operator]
            context_size=self._card.context,
            stop_reason=stop_reason,
            cost=self._cost(),
            seed=seed,
            seconds=now - self._started,
        )

    def _tokens(self, pieces: Iterable[Piece], *, summary: bool = False) -> Iterator[Event]:
        for piece in pieces:
            if not piece.text:
                continue
            self._size += len(piece.text)
            if self._size > MAX_CHARACTERS:
                raise ModelUnavailable(
                    f"{self._endpoint.host} sent more than {MAX_CHARACTERS:,} characters.", "Set a limit on new tokens."
                )
            self._last = time.perf_counter()
            self._first = self._first or self._last
            if piece.kind == "answer":
                self._answered = self._answered or self._last
                self.text += piece.text
            else:
                self._thought_whole |= not summary
            yield Token(self._request.column, piece.text, piece.kind)

    def _speed(self) -> float | None:
        """Tokens a second after the first. Thoughts that were hidden or summarised are left out, with their time."""
        completion, hidden = self.usage.completion, self.usage.reasoning or 0
        since = self._first if self._thought_whole else self._answered
        if completion is None or since is None or self._last <= since:
            return None
        shown = completion - (0 if self._thought_whole else hidden)
        return (shown - 1) / (self._last - since) if shown > 1 else None

    def _cost(self) -> float | None:
        """US dollars by the card's price; None where the price is that of another model."""
        price, usage = self._card.price, self.usage
        if price is None or usage.prompt is None or usage.completion is None:
            return None
        if self._endpoint.family != self._card.source:
            return None
        cached = min(usage.cached or 0, usage.prompt)
        cached_price = price.cached_input_per_million
        cached_price = price.input_per_million if cached_price is None else cached_price
        dollars = (
            (usage.prompt - cached) * price.input_per_million
            + cached * cached_price
            + usage.completion * price.output_per_million
        )
        return dollars / 1_000_000


def count(value: object) -> int | None:
    """A count of tokens as a server sent it, or None where it is no such number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
