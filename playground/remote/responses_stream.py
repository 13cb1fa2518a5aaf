"""Events of the Responses API's stream into ours. Knows no HTTP.

Follows openai-python 3.52, `types/responses/response_stream_event.py`. Event types that are not named here announce
what other events bring, or belong to tools that this app does not ask for; new ones are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from playground.catalog import ModelCard
from playground.protocol import ChatRequest, ChatStats, Event, Notice, ToolCall
from playground.remote.answer import Growth, Usage, count
from playground.remote.endpoint import Endpoint
from playground.remote.openai_errors import reported
from playground.remote.turns import SEPARATOR, kept, text_of

REASONS = {"max_output_tokens": "length", "content_filter": "content filter"}


class ResponsesAnswer:
    """One answer of the Responses API. What comes with its `done` event only is shown then.

    `key` is kept out of error messages; `limit` is the number of new tokens that was asked for, 0 for none.
    """

    def __init__(
        self, card: ModelCard, endpoint: Endpoint, request: ChatRequest, key: str = "", limit: int = 0
    ) -> None:
        self.grown = Growth(card, endpoint, request)
        self.stop_reason = ""
        self._endpoint, self._key, self._limit = endpoint, key, limit
        self._seen: set[tuple[str, ...]] = set()  # what has come in deltas already
        self._thought_at: tuple[str, ...] = ()
        self._texts: set[str] = set()  # the messages whose text has begun
        self._items: list[dict[str, Any]] = []
        self._call_ids: set[str] = set()
        self._readers: dict[str, Callable[[Any], Iterator[Event]]] = {
            "response.output_text.delta": self._text,
            "response.output_text.done": self._text,
            "response.refusal.delta": self._refusal,
            "response.refusal.done": self._refusal,
            "response.reasoning_summary_text.delta": self._summary,
            "response.reasoning_summary_text.done": self._summary,
            "response.reasoning_text.delta": self._thought,
            "response.reasoning_text.done": self._thought,
            "response.function_call_arguments.delta": self._arguments,
            "response.output_item.done": self._item_done,
            "response.completed": self._completed,
            "response.incomplete": self._incomplete,
            "response.failed": self._failed,
            "error": self._error,
        }

    @property
    def complete(self) -> bool:
        return bool(self.stop_reason)

    def read(self, event: Any) -> Iterator[Event]:
        reader = self._readers.get(event.type)
        if reader is not None and not self.complete:
            yield from reader(event)

    def finish(self) -> Iterator[Event]:
        yield from self.grown.finish()
        if self.stop_reason == "content filter":
            yield Notice(f"{self._endpoint.host} ended the answer by its content filter.")
        spent = self.grown.usage.reasoning
        if self.stop_reason == "length" and spent and not self.grown.text and not self.grown.calls:
            yield Notice(f"All {spent:,} tokens went into reasoning and none into the answer: allow more new tokens.")

    def items(self) -> tuple[str, ...]:
        """Only of an answer that came whole: the API refuses a thought without what followed it."""
        return kept(self._items, self._endpoint) if self.stop_reason in ("end", "tool calls", "refusal") else ()

    def stats(self) -> ChatStats:
        return self.grown.stats(self.stop_reason, None)

    # --- text ---

    def _text(self, event: Any) -> Iterator[Event]:
        if text := self._news(event, ("text", event.item_id, str(event.content_index)), "text"):
            yield from self._answer(event.item_id, text)

    def _answer(self, item_id: str, text: str) -> Iterator[Event]:
        if self._texts and item_id not in self._texts:
            text = SEPARATOR + text
        self._texts.add(item_id)
        yield from self.grown.answer(text)

    def _refusal(self, event: Any) -> Iterator[Event]:
        self.grown.refusal += self._news(event, ("refusal", event.item_id, str(event.content_index)), "refusal")
        return iter(())

    def _summary(self, event: Any) -> Iterator[Event]:
        if ("whole", event.item_id) not in self._seen:
            yield from self._reasoning(event, (event.item_id, str(event.summary_index)), summary=True)

    def _thought(self, event: Any) -> Iterator[Event]:
        self._seen.add(("whole", event.item_id))
        yield from self._reasoning(event, (event.item_id, "whole", str(event.content_index)), summary=False)

    def _reasoning(self, event: Any, place: tuple[str, ...], *, summary: bool) -> Iterator[Event]:
        if text := self._news(event, ("reasoning", *place), "text"):
            if self._thought_at and self._thought_at != place:
                text = SEPARATOR + text
            self._thought_at = place
            yield from self.grown.thought(text, summary=summary)

    def _news(self, event: Any, place: tuple[str, ...], whole: str) -> str:
        """The text of a delta, or of a `done` event where no deltas came before it."""
        is_delta = event.type.endswith(".delta")
        text = getattr(event, "delta" if is_delta else whole, None)
        if not isinstance(text, str) or (not is_delta and place in self._seen):
            return ""
        self._seen.add(place)
        return text

    # --- items ---

    def _arguments(self, event: Any) -> Iterator[Event]:
        self.grown.touch()
        return iter(())

    def _item_done(self, event: Any) -> Iterator[Event]:
        yield from self._item(event.item)

    def _item(self, item: Any) -> Iterator[Event]:
        self._items.append(_plain(item))
        if item.type == "function_call" and item.call_id not in self._call_ids:
            self._call_ids.add(item.call_id)
            yield from self.grown.called(ToolCall(item.call_id, item.name, item.arguments or "{}"))
        if item.type == "message" and item.id not in self._texts and (text := text_of([self._items[-1]])):
            yield from self._answer(item.id, text)

    # --- ends ---

    def _completed(self, event: Any) -> Iterator[Event]:
        yield from self._ended(event.response)
        self.stop_reason = "tool calls" if self.grown.calls else "refusal" if self.grown.refusal else "end"
        spent = self.grown.usage.completion
        if self._endpoint.kind == "transformers" and self._limit and spent is not None and spent >= self._limit:
            self.stop_reason = "length"  # transformers serve calls such an answer complete

    def _incomplete(self, event: Any) -> Iterator[Event]:
        yield from self._ended(event.response)
        reason = getattr(getattr(event.response, "incomplete_details", None), "reason", None) or "incomplete"
        self.stop_reason = REASONS.get(reason, reason.replace("_", " "))

    def _ended(self, response: Any) -> Iterator[Event]:
        """The figures; and what the stream did not bring item by item, which some servers send only here."""
        if usage := getattr(response, "usage", None):
            self.grown.usage = _usage(usage)
        if self._items:
            return
        for item in getattr(response, "output", None) or []:
            yield from self._item(item)

    def _failed(self, event: Any) -> Iterator[Event]:
        error = getattr(event.response, "error", None)
        raise self._told(getattr(error, "code", None), getattr(error, "message", None))

    def _error(self, event: Any) -> Iterator[Event]:
        raise self._told(getattr(event, "code", None), getattr(event, "message", None))

    def _told(self, code: Any, message: Any) -> Exception:
        return reported(code, message, self._endpoint, self._key, self.grown.begun)


def _plain(item: Any) -> dict[str, Any]:
    """An output item as it goes back into the next input."""
    found: dict[str, Any] = item.to_dict(mode="json", exclude_none=True)
    return found


def _usage(usage: Any) -> Usage:
    return Usage(
        prompt=count(getattr(usage, "input_tokens", None)),
        completion=count(getattr(usage, "output_tokens", None)),
        reasoning=count(getattr(getattr(usage, "output_tokens_details", None), "reasoning_tokens", None)),
        cached=count(getattr(getattr(usage, "input_tokens_details", None), "cached_tokens", None)),
    )
