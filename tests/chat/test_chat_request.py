"""Values that a page or a raw API call may send, right and wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from playground.catalog import ModelCard
from playground.chat.request import checked_chat, checked_messages
from playground.errors import InvalidRequest
from playground.protocol import ChatRequest, Message, ToolCall

CARD = ModelCard(
    id="m", name="M", kind="chat", source="x", licence="MIT",
    defaults={"temperature": 0.0, "top_p": 0.5, "max_new_tokens": 77},
)  # fmt: skip
PLAIN = ChatRequest("m", (Message("user", "Hello"),))


def test_unset_values_come_from_the_card() -> None:
    checked = checked_chat(PLAIN, CARD)
    assert (checked.temperature, checked.top_p, checked.max_new_tokens) == (0.0, 0.5, 77)
    assert (checked.top_k, checked.min_p, checked.repetition_penalty, checked.seed) == (0, 0.0, 1.0, None)


def test_set_values_win_over_the_card_also_when_they_are_zero() -> None:
    checked = checked_chat(replace(PLAIN, temperature=0, top_p=1, max_new_tokens=5.0, seed=0), CARD)
    assert (checked.temperature, checked.top_p, checked.max_new_tokens, checked.seed) == (0.0, 1.0, 5, 0)
    assert type(checked.max_new_tokens) is int


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "abc"), ("temperature", "0.7"), ("temperature", -0.1), ("temperature", 5.1),
        ("temperature", float("nan")), ("temperature", float("inf")), ("temperature", True), ("temperature", [1]),
        ("top_p", 0), ("top_p", 1.01), ("top_p", "abc"), ("top_k", -1), ("top_k", 1.5), ("min_p", 2),
        ("repetition_penalty", 0), ("max_new_tokens", 0), ("max_new_tokens", "abc"), ("max_new_tokens", 2.5),
        ("seed", -1), ("seed", 2**63), ("seed", "abc"), ("stop", 5), ("stop", ("",)), ("stop", ("x",) * 17),
        ("reasoning_effort", "very"), ("reasoning_effort", ["low"]), ("reasoning_budget", -1),
        ("reasoning_budget", "x"), ("stable_probes", 1), ("stable_probes", 99), ("probe_every", 0),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_in_a_sentence_that_shows_it(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_chat(replace(PLAIN, **{field: value}), CARD)
    shown = refused.value.message
    assert field in shown or "stop text" in shown
    assert repr(value) in shown or field == "stop"
    assert shown.endswith(".")
    assert "\n" not in shown


@pytest.mark.parametrize(
    "messages",
    [
        (),
        None,
        "Hello",
        (Message("user", "  \n "),),
        (Message("user", None),),  # type: ignore[arg-type]
        (Message("tool", "x"), Message("user", "x")),  # type: ignore[arg-type]
        (Message("user", "x"), Message("assistant", "")),
        (Message("assistant", "y"),),
        (Message("user", "x"), Message("assistant", "y", tool_calls=(ToolCall("1", "f", "{}"),))),
        (Message("user", "x"), Message("system", "y"), Message("user", "z")),
        (Message("system", "y"),),
        ({"role": "user", "content": "x"},),
        (Message("user", "half \ud83d"),),
        (Message("user", "x" * 500_001),),
    ],
)
def test_a_conversation_that_no_model_can_answer_is_refused(messages: object) -> None:
    with pytest.raises(InvalidRequest):
        checked_messages(messages)  # type: ignore[arg-type]


def test_an_unfinished_answer_may_come_last() -> None:
    for last in (Message("assistant", "y"), Message("assistant", "", "I think")):
        said = (Message("user", "x"), last)
        assert checked_messages(said) == said


def test_system_messages_at_the_front_become_one_and_blank_ones_go() -> None:
    said = (Message("system", "A"), Message("system", " "), Message("system", "B"), Message("user", "x"))
    assert checked_messages(said) == (Message("system", "A\n\nB"), Message("user", "x"))
    assert checked_messages((Message("system", ""), Message("user", "x"))) == (Message("user", "x"),)


def test_one_stop_text_may_come_alone() -> None:
    assert checked_chat(replace(PLAIN, stop="END"), CARD).stop == ("END",)  # type: ignore[arg-type]
