"""What a turn with tools tells beside the events of its answers. Knows nothing of how it is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from playground.protocol import Event, Message

Outcome: TypeAlias = Literal["ok", "invalid", "failed", "refused", "stopped"]


@dataclass(frozen=True)
class ToolResult:
    """What came of one call. `text` is what the model reads; `images` are for the person; `seconds` it ran.

    `outcome`: "ok", "invalid" (never ran), "failed", "refused" by the user, or "stopped" with the request.
    """

    column: int
    call_id: str
    name: str
    text: str
    outcome: Outcome
    seconds: float = 0.0
    images: tuple[bytes, ...] = ()

    @property
    def error(self) -> bool:
        return self.outcome != "ok"


@dataclass(frozen=True)
class NewMessages:
    """What the turn adds to the conversation, in order; comes once, just before Done or Failed."""

    column: int
    messages: tuple[Message, ...]


LoopEvent: TypeAlias = Event | ToolResult | NewMessages
