"""Conversations with calls and results: which are taken, which are refused in a sentence."""

from __future__ import annotations

import pytest

from playground.chat.request import checked_messages
from playground.errors import InvalidRequest
from playground.protocol import Message, ToolCall

ASKED = Message("user", "What is 6*7?")
CALL = ToolCall("abcdefgh1", "calculate", '{"expression": "6*7"}')
CALLS = Message("assistant", "", tool_calls=(CALL,))
RESULT = Message("tool", '{"result": 42}', tool_call_id="abcdefgh1", name="calculate")
TWO = Message("assistant", "Both.", tool_calls=(CALL, ToolCall("x", "f", "not JSON")))


@pytest.mark.parametrize(
    "messages",
    [
        (ASKED, CALLS, RESULT),
        (ASKED, CALLS, RESULT, Message("assistant", "42."), Message("user", "Thanks.")),
        (ASKED, TWO, Message("tool", "", tool_call_id="x"), RESULT),
        (ASKED, CALLS, RESULT, CALLS, RESULT),
        (Message("system", "Be short."), ASKED, CALLS, RESULT, Message("user", "And now?")),
    ],
)
def test_every_call_with_its_result_is_taken(messages: tuple[Message, ...]) -> None:
    assert checked_messages(messages) == messages


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ((ASKED, CALLS), "has no result"),
        ((ASKED, CALLS, Message("user", "x")), "The call of calculate has no result"),
        ((ASKED, TWO, RESULT), "The call of f has no result"),
        ((ASKED, RESULT), "belongs to no call"),
        ((ASKED, CALLS, RESULT, RESULT), "belongs to no call"),
        ((ASKED, CALLS, Message("tool", "42", tool_call_id="other")), "'other'"),
        ((ASKED, CALLS, Message("tool", "42", tool_call_id=5)), "belongs to no call"),
        ((Message("user", "x", tool_calls=(CALL,)), RESULT), "Only an assistant's"),
        ((ASKED, Message("assistant", "", tool_calls=(CALL, CALL)), RESULT), "Two calls"),
        ((ASKED, Message("assistant", "", tool_calls=({"id": 1},)), RESULT), "as text"),
        ((ASKED, Message("assistant", "", tool_calls=5), RESULT), "cannot be read"),
        ((ASKED, Message("assistant", "", tool_calls=(ToolCall("a", "f", {}),)), RESULT), "as text"),
    ],
)  # fmt: skip
def test_a_call_without_result_and_a_result_without_call_are_refused(messages: tuple, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_messages(messages)
    assert said in refused.value.message
    assert "\n" not in refused.value.message
