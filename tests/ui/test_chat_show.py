"""A path as the chatbot shows it: folds, answers, calls, errors, and to which turn each message belongs."""

from __future__ import annotations

from playground.protocol import ChatStats, ToolCall
from playground.talks.answers import begin, call, end, extend, result, send
from playground.talks.tree import Attached, Tree
from playground.talks.versions import regenerate
from playground.ui.chat_show import call_text, last_answer, shown, version_label


def picture(data: bytes) -> str:
    return f"/files/{len(data)}.png"


def asked(question: str = "7 plus 5?", **more) -> Tree:
    return begin(send(Tree(), question, **more), "m")


def test_a_thought_stands_in_a_fold_with_its_time_and_tokens() -> None:
    tree = extend(asked(), 2, "Seven and five", "reasoning")
    messages = shown(tree, picture).messages
    assert messages[1]["metadata"] == {"title": "Thinking", "status": "pending"}
    tree = end(extend(tree, 2, "12"), 2, stats=ChatStats(reasoning_tokens=31), reasoning_s=0.4)
    found = shown(tree, picture)
    assert found.messages[1]["metadata"] == {"title": "Thought for 0.40 s, 31 tokens", "status": "done"}
    assert [m["content"] for m in found.messages] == ["7 plus 5?", "Seven and five", "12"]
    assert found.nodes == [1, 2, 2]


def test_shown_text_is_only_ever_extended() -> None:
    tree, seen = asked(), ""
    for part in ("He", "llo ", "there"):
        tree = extend(tree, 2, part)
        text = shown(tree, picture).messages[-1]["content"]
        assert text.startswith(seen)
        seen = text
    assert seen == "Hello there"


def test_an_error_stands_after_what_arrived_and_is_escaped() -> None:
    tree = end(extend(asked(), 2, "Half"), 2, error="No room for <model>.", hint="Unload one.")
    messages = shown(tree, picture).messages
    assert messages[1]["content"] == "Half"
    assert "No room for &lt;model&gt;." in messages[2]["content"]
    assert messages[2]["metadata"] == {"id": "error"}


def test_a_call_is_shown_with_its_result_and_its_pictures() -> None:
    wish = ToolCall("c1", "calculate", '{"expression":"6*7"}', 0.93)
    tree = call(asked(), 2, wish)
    assert shown(tree, picture).messages[1]["metadata"]["status"] == "pending"
    tree = end(tree, 2)
    tree = result(tree, wish, "42", seconds=0.02, images=[b"12345"])
    tree = end(extend(begin(tree, "m"), 4, "It is 42."), 4)
    found = shown(tree, picture)
    assert found.messages[1]["metadata"] == {"title": "Tool: calculate, 0.02 s, chosen with 93 %", "status": "done"}
    assert '"expression": "6*7"' in found.messages[1]["content"]
    assert "42" in found.messages[1]["content"]
    assert found.messages[2]["content"]["path"] == "/files/5.png"
    assert found.messages[3]["content"] == "It is 42."
    assert found.nodes == [1, 2, 2, 4]


def test_a_call_that_was_refused_says_so() -> None:
    wish = ToolCall("c1", "draw", "{}")
    tree = result(end(call(asked(), 2, wish), 2), wish, "no", error="refused")
    assert shown(tree, picture).messages[1]["metadata"]["title"] == "Tool: draw, refused"


def test_nothing_in_a_call_can_close_its_fence() -> None:
    wish = ToolCall("c1", "x", "``` <b>not JSON")
    text = call_text(wish, None)
    assert text.startswith("Arguments\n````\n")
    assert text.endswith("\n````")


def test_what_is_attached_stands_above_the_question() -> None:
    tree = send(Tree(), "What is it?", documents=[Attached("<b>.txt", "words")], images=[b"123"], audio=[b"1"])
    messages = shown(tree, picture).messages
    assert messages[0]["content"]["path"] == "/files/3.png"
    assert messages[1]["content"] == '<ul class="pg-attached"><li>&lt;b&gt;.txt</li><li>sound 1</li></ul>'
    assert messages[2]["content"] == "What is it?"


def test_versions_are_counted_and_only_the_path_is_shown() -> None:
    tree = end(extend(asked(), 2, "apples"), 2)
    assert version_label(tree, 2) == ""
    tree = end(extend(regenerate(tree, "m"), 3, "pears"), 3)
    assert [version_label(tree, i) for i in (2, 3)] == ["1 of 2", "2 of 2"]
    assert [m["content"] for m in shown(tree, picture).messages] == ["7 plus 5?", "pears"]
    answer = last_answer(tree)
    assert answer is not None
    assert answer.id == 3
    assert last_answer(send(tree, "More?")) is answer
