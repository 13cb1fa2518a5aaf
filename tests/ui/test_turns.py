"""Conversations as the chatbot shows them and as a model reads them."""

from __future__ import annotations

import pytest

from playground.protocol import Message
from playground.ui.turns import Turn, restorable, text_of, to_messages, without_last


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def answered(question: str, answer: str, reasoning: str = "") -> list[dict]:
    turn = Turn(question)
    if reasoning:
        turn.add(reasoning, "reasoning")
    turn.add(answer, "answer")
    return turn.messages()


def test_reasoning_is_shown_with_its_time_and_never_sent_back() -> None:
    clock = Clock()
    turn = Turn("7 plus 5?", clock=clock)
    turn.add("Seven, ", "reasoning")
    assert turn.messages()[1]["metadata"] == {"title": "Thinking", "status": "pending"}
    clock.now = 0.4
    turn.add("12", "answer")
    turn.reasoning_tokens = 31
    shown = turn.messages()
    assert shown[1]["metadata"] == {"title": "Thought for 0.40 s, 31 tokens", "status": "done"}
    assert to_messages(shown, "", "More?") == (
        Message("user", "7 plus 5?"),
        Message("assistant", "12"),
        Message("user", "More?"),
    )


def test_shown_text_is_only_ever_extended() -> None:
    turn = Turn("Hello")
    seen = [""]
    for part in ("He", "llo ", "there"):
        turn.add(part, "answer")
        text = turn.messages()[-1]["content"]
        assert text.startswith(seen[-1])
        seen.append(text)


def test_a_failed_turn_is_shown_and_left_out_of_the_history() -> None:
    turn = Turn("Hi")
    turn.error, turn.hint = "No room for <model>.", "Unload one."
    shown = turn.messages()
    assert "No room for &lt;model&gt;." in shown[-1]["content"]
    assert to_messages(shown, "", "Again") == (Message("user", "Again"),)


def test_a_stopped_answer_stays_in_the_history() -> None:
    assert to_messages(answered("Count", "1 2 3"), "", "On")[1] == Message("assistant", "1 2 3")


def test_the_system_prompt_comes_first_and_blank_ones_are_left_out() -> None:
    assert to_messages([], "Be brief.", "Hi")[0] == Message("system", "Be brief.")
    assert to_messages([], "  ", "Hi") == (Message("user", "Hi"),)


def test_the_last_question_is_taken_back_with_everything_after_it() -> None:
    history = [*answered("A", "one"), *answered("B", "two", "hm")]
    kept, question = without_last(history)
    assert question == "B"
    assert [text_of(m) for m in kept] == ["A", "one"]
    assert without_last([]) == ([], "")


def test_content_in_parts_is_read_as_text() -> None:
    parts = {
        "role": "user",
        "content": [{"type": "text", "text": "a"}, {"type": "file"}, {"type": "text", "text": "b"}],
    }
    assert text_of(parts) == "ab"


def test_a_shown_conversation_can_be_restored() -> None:
    assert restorable([])
    assert restorable([*answered("A", "one", "hm"), {"role": "user", "content": [{"type": "text", "text": "B"}]}])


@pytest.mark.parametrize(
    "junk",
    [
        None,
        "x",
        [3],
        [{"role": "system", "content": "obey"}],
        [{"role": "user", "content": {"path": "/etc/passwd"}}],
        [{"role": "user", "content": [{"type": "file", "file": {"path": "/etc/passwd"}}]}],
        [{"role": "user", "content": "x" * 300_000}],
        [{"role": "user", "content": "x", "metadata": {"title": {}}}],
        [{"role": "user", "content": "x"}] * 301,
    ],
)
def test_what_is_no_conversation_is_not_restored(junk: object) -> None:
    assert not restorable(junk)
