"""Chunks of a streamed chat completion into events. Knows no HTTP.

Servers differ: thoughts come as `reasoning_content` (llama.cpp, SGLang, older vLLM), `reasoning` (vLLM), parts of type
`thinking` (Mistral) or within `<think>`; the last chunk may have no choices; a tool call comes in pieces or whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.protocol import ChatRequest, ChatStats, Event, Notice, ToolCall
from playground.remote.answer import Growth, Usage, count
from playground.remote.endpoint import Endpoint

REASONS = {"stop": "end", "length": "length", "model_length": "length", "function_call": "tool calls"}


@dataclass
class _Call:
    """A tool call in pieces."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class ChatAnswer:
    """One answer of Chat Completions. `seed` is what was sent, and is reported back."""

    def __init__(self, card: ModelCard, endpoint: Endpoint, request: ChatRequest, seed: int | None = None) -> None:
        self.grown = Growth(card, endpoint, request)
        self.stop_reason = ""
        self._endpoint, self._seed = endpoint, seed
        self._call: _Call | None = None
        self._call_index: Any = None

    @property
    def complete(self) -> bool:
        return bool(self.stop_reason)

    def read(self, event: Any) -> Iterator[Event]:
        """The events of one chunk."""
        if usage := getattr(event, "usage", None):
            self.grown.usage = _usage(usage)
        for choice in event.choices or []:
            delta = getattr(choice, "delta", None)
            if delta is not None:
                yield from self._delta(delta)
            if choice.finish_reason:
                yield from self._whole()
                self._ended(str(choice.finish_reason))

    def finish(self) -> Iterator[Event]:
        yield from self.grown.finish()
        if self.stop_reason == "content filter":
            yield Notice(f"{self._endpoint.host} ended the answer by its content filter.")

    def items(self) -> tuple[str, ...]:
        return ()

    def stats(self) -> ChatStats:
        return self.grown.stats(self.stop_reason, self._seed)

    def _delta(self, delta: Any) -> Iterator[Event]:
        thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        if isinstance(thought, str):
            yield from self.grown.thought(thought)
        for kind, text in _parts(getattr(delta, "content", None)):
            yield from self.grown.thought(text) if kind == "thinking" else self.grown.answer(text)
        if isinstance(refusal := getattr(delta, "refusal", None), str):
            self.grown.refusal += refusal
        for piece in getattr(delta, "tool_calls", None) or []:
            yield from self._piece(piece)

    def _piece(self, piece: Any) -> Iterator[Event]:
        """A part of a tool call; one with another index, or without one but with another id, begins the next call."""
        index, call_id = getattr(piece, "index", None), getattr(piece, "id", None) or ""
        other = index != self._call_index if index is not None else bool(call_id and self._call and self._call.id)
        if self._call is None or other:
            yield from self._whole()
            self._call, self._call_index = _Call(), index
        assert self._call is not None
        self.grown.touch()
        function = getattr(piece, "function", None)
        self._call.id = self._call.id or call_id
        self._call.name = self._call.name or getattr(function, "name", None) or ""
        self._call.arguments += getattr(function, "arguments", None) or ""

    def _whole(self) -> Iterator[Event]:
        """The call that was being put together, which is whole now."""
        call, self._call = self._call, None
        if call is not None:
            made = ToolCall(call.id or f"call_{len(self.grown.calls)}", call.name, call.arguments or "{}")
            yield from self.grown.called(made)

    def _ended(self, reason: str) -> None:
        if reason == "error":  # Mistral's
            raise ModelUnavailable(f"{self._endpoint.host} reported an error instead of an end.", "Try again.")
        self.stop_reason = REASONS.get(reason, reason.replace("_", " "))
        if self.grown.calls and self.stop_reason == "end":
            self.stop_reason = "tool calls"
        if self.grown.refusal and self.stop_reason == "end":
            self.stop_reason = "refusal"


def _parts(content: Any) -> Iterator[tuple[str, str]]:
    """Kind and text of the parts of a delta's content, which Mistral sends as a list where a model thinks."""
    if isinstance(content, str):
        yield "text", content
    for part in content if isinstance(content, list) else []:
        if not isinstance(part, dict):
            continue
        if part.get("type") == "thinking":
            for _, text in _parts(part.get("thinking")):
                yield "thinking", text
        elif isinstance(part.get("text"), str):
            yield "text", part["text"]


def _usage(usage: Any) -> Usage:
    return Usage(
        prompt=count(getattr(usage, "prompt_tokens", None)),
        completion=count(getattr(usage, "completion_tokens", None)),
        reasoning=count(getattr(getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None)),
        cached=count(getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)),
    )
