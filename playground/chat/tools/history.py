"""Earlier calls and results in a conversation: each call has one result, which follows it. Knows no tools."""

from __future__ import annotations

from collections.abc import Sequence

from playground.errors import InvalidRequest
from playground.protocol import Message, ToolCall


def check_calls(messages: Sequence[Message]) -> None:
    """Checks the calls of assistants and the results of tools in messages whose roles are known to be valid.

    Raises:
        InvalidRequest: a call has no result, a result no call, or a field is not text.
    """
    open_calls: dict[str, str] = {}  # id -> name
    for message in messages:
        if message.role == "tool":
            if not isinstance(message.tool_call_id, str) or message.tool_call_id not in open_calls:
                raise InvalidRequest(
                    f"A tool's result belongs to no call: {message.tool_call_id!r:.60}.", "Leave it out."
                )
            del open_calls[message.tool_call_id]
            continue
        if open_calls:
            break
        open_calls = _calls_of(message)
    if open_calls:
        name = next(iter(open_calls.values()))
        raise InvalidRequest(f"The call of {name or 'a tool'} has no result.", "Run it, or leave the call out.")


def characters_of(message: Message) -> int:
    """How much text a message brings into a prompt."""
    calls = sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return len(message.content) + len(message.reasoning) + calls


def _calls_of(message: Message) -> dict[str, str]:
    if not isinstance(message.tool_calls, list | tuple) or not isinstance(message.reasoning, str):
        raise InvalidRequest(f"A message of the {message.role} has calls or thoughts that cannot be read.")
    if message.tool_calls and message.role != "assistant":
        raise InvalidRequest(f"Only an assistant's message can call tools, not one with role {message.role!r}.")
    found: dict[str, str] = {}
    for call in message.tool_calls:
        fields = (call.id, call.name, call.arguments) if isinstance(call, ToolCall) else (call,)
        if not all(isinstance(field, str) for field in fields):
            raise InvalidRequest(f"A tool call must have id, name and arguments as text, got {call!r:.60}.")
        if call.id in found:
            raise InvalidRequest(f"Two calls have the id {call.id!r:.60}.", "Give each its own.")
        found[call.id] = call.name
    return found
