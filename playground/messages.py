"""The turns of a conversation and the tools that stand in them, in the words of the OpenAI API. Plain values alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ToolSpec:
    """A function that a model may ask for; `parameters` is the JSON Schema of its arguments, as JSON."""

    name: str
    description: str
    parameters: str


@dataclass(frozen=True)
class ToolCall:
    """A model's wish to have a function run. `arguments` is JSON as the model wrote it, valid or not.

    `chance`: the likelihood of this function among those offered, where the engine can tell it.
    """

    id: str
    name: str
    arguments: str
    chance: float | None = None


@dataclass(frozen=True)
class Message:
    """One turn of a conversation, in the words of the OpenAI API.

    An assistant's turn may carry `reasoning`, which came before its content, `tool_calls`, and `items`: a provider's
    own output items as JSON, which go back to it unread. A tool's turn is the result of the call `tool_call_id` of the
    function `name`. `images` and `audio` are encoded files that belong to a user's turn.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    items: tuple[str, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    images: tuple[bytes, ...] = ()
    audio: tuple[bytes, ...] = ()
