"""One conversation as the chatbot shows it and as a model reads it. Pure, no gradio.

Reasoning stands in messages of its own with a title, errors in messages with the id "error": neither goes back to a
model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

from playground.protocol import Message
from playground.ui.words import seconds

ERROR_ID = "error"
MOST_MESSAGES = 300
MOST_CHARACTERS = 200_000

History = list[dict[str, Any]]


def text_of(message: dict[str, Any]) -> str:
    """The text of a shown message, whose content is a text or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(p.get("text", "") for p in content or [] if isinstance(p, dict) and p.get("type") == "text")


def is_answer(message: dict[str, Any]) -> bool:
    """Whether this is an assistant's answer: no reasoning, no error."""
    metadata = message.get("metadata") or {}
    return message.get("role") == "assistant" and not metadata.get("title") and metadata.get("id") != ERROR_ID


def to_messages(history: History, system_prompt: str, new: str) -> tuple[Message, ...]:
    """What the model reads: the system prompt, every answered turn, and the new message."""
    messages = [Message("system", system_prompt)] if system_prompt.strip() else []
    asked = ""
    for message in history:
        if message.get("role") == "user":
            asked = text_of(message)
        elif is_answer(message) and asked and text_of(message).strip():
            messages += [Message("user", asked), Message("assistant", text_of(message))]
            asked = ""
    return (*messages, Message("user", new))


def without_last(history: History) -> tuple[History, str]:
    """The history without its last question and what followed, and that question ('' where there is none)."""
    for i in range(len(history) - 1, -1, -1):
        if history[i].get("role") == "user":
            return history[:i], text_of(history[i])
    return [], ""


def restorable(history: Any) -> bool:
    """Whether this is a conversation as the chatbot shows one, of text alone and of sensible length."""
    if not isinstance(history, list) or len(history) > MOST_MESSAGES:
        return False
    for message in history:
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            return False
        content, metadata = message.get("content"), message.get("metadata") or {}
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        if not all(isinstance(p, dict) and p.get("type") == "text" and isinstance(p.get("text"), str) for p in parts):
            return False
        if not isinstance(metadata, dict) or not all(v is None or isinstance(v, str) for v in metadata.values()):
            return False
    return sum(len(text_of(message)) for message in history) <= MOST_CHARACTERS


@dataclass
class Turn:
    """One answer while it grows. Shown text is only ever extended, so that the page sends no more than what is new."""

    question: str
    clock: Callable[[], float] = time.monotonic
    answer: str = ""
    reasoning: str = ""
    reasoning_s: float | None = None
    reasoning_tokens: int | None = None
    error: str = ""
    hint: str = ""
    _began: float | None = field(default=None)

    def add(self, text: str, kind: str) -> None:
        if kind == "reasoning":
            self._began = self._began if self._began is not None else self.clock()
            self.reasoning += text
            return
        self.finish_reasoning()
        self.answer += text

    def finish_reasoning(self) -> None:
        """Stops the clock of the reasoning, once."""
        if self._began is not None and self.reasoning_s is None:
            self.reasoning_s = self.clock() - self._began

    def title(self) -> str:
        """Thought for 0.4 s, 31 tokens."""
        if self.reasoning_s is None:
            return "Thinking"
        tokens = f", {self.reasoning_tokens} tokens" if self.reasoning_tokens else ""
        return f"Thought for {seconds(self.reasoning_s)}{tokens}"

    def messages(self) -> History:
        """The question, the fold with the reasoning, and the answer or error."""
        shown: History = [{"role": "user", "content": self.question}]
        if self.reasoning.strip():
            status = "pending" if self.reasoning_s is None else "done"
            shown.append(_assistant(self.reasoning, {"title": self.title(), "status": status}))
        if self.answer.strip():
            shown.append(_assistant(self.answer, {}))
        if self.error:
            hint = f"<small>{escape(self.hint)}</small>" if self.hint else ""
            shown.append(_assistant(f'<div class="pg-problem">{escape(self.error)}{hint}</div>', {"id": ERROR_ID}))
        return shown


def _assistant(content: str, metadata: dict[str, str]) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "metadata": metadata}
