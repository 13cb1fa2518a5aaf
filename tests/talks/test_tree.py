"""One column's tree: what each step does to the path, to the versions and to what the model reads."""

from __future__ import annotations

import pytest

from playground.errors import InvalidRequest
from playground.protocol import ChatStats, Message, ToolCall
from playground.talks.answers import begin, call, end, extend, result, send, settle
from playground.talks.reading import messages
from playground.talks.tree import Attached, Tree, versions
from playground.talks.versions import (
    branch,
    choose,
    clear,
    edit,
    go_on,
    leaf_through,
    questions,
    regenerate,
    take_back,
    taken_back,
    undo,
)

ADD = ToolCall("c1", "add", '{"a": 1, "b": 2}')


def answer(tree: Tree, text: str, reasoning: str = "") -> Tree:
    """The tree with an answer written at the end of its path."""
    tree = tree if tree.leaf and tree.node(tree.leaf).state == "running" else begin(tree, "m")
    tree = extend(tree, tree.leaf, reasoning, "reasoning")
    return end(extend(tree, tree.leaf, text), tree.leaf, stats=ChatStats(completion_tokens=3))


def talk(*turns: tuple[str, str]) -> Tree:
    tree = Tree()
    for question, reply in turns:
        tree = answer(send(tree, question), reply)
    return tree


def texts(tree: Tree) -> list[str]:
    return [node.content for node in tree.path]


TWO = talk(("One?", "1"), ("Two?", "2"))


def test_a_conversation_grows_and_is_read_as_messages() -> None:
    assert texts(TWO) == ["One?", "1", "Two?", "2"]
    assert messages(send(TWO, "Three?"), system_prompt="Be brief.") == (
        Message("system", "Be brief."),
        Message("user", "One?"),
        Message("assistant", "1"),
        Message("user", "Two?"),
        Message("assistant", "2"),
        Message("user", "Three?"),
    )


def test_a_running_answer_is_asked_for_with_what_came_before_it() -> None:
    tree = begin(send(TWO, "Three?"), "m")
    before = messages(tree)
    assert before[-1] == Message("user", "Three?")
    assert messages(extend(tree, tree.leaf, "half"), tree.leaf) == before


def test_an_answer_is_written_to_also_while_it_is_not_shown() -> None:
    tree = begin(send(Tree(), "One?"), "m")
    first = tree.leaf
    tree = answer(regenerate(tree, "m"), "second")
    tree = end(extend(extend(tree, first, "fi"), first, "rst"), first)
    assert texts(tree) == ["One?", "second"]
    assert texts(leaf_through(tree, tree.leaf, -1)) == ["One?", "first"]


def test_an_ended_answer_takes_no_more_text() -> None:
    with pytest.raises(InvalidRequest, match="has ended"):
        extend(TWO, TWO.leaf, "more")
    with pytest.raises(InvalidRequest, match="has ended"):
        end(TWO, TWO.leaf)


def test_while_an_answer_runs_nothing_is_asked_after_it() -> None:
    with pytest.raises(InvalidRequest, match="still being written"):
        send(begin(send(Tree(), "One?"), "m"), "Two?")
    with pytest.raises(InvalidRequest, match="still being written"):
        edit(begin(send(Tree(), "One?"), "m"), 2, "new")


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_question_or_edit_is_refused(empty: str) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        send(Tree(), empty)
    with pytest.raises(InvalidRequest, match="empty"):
        edit(TWO, 1, empty)


def test_there_must_be_a_question_to_answer() -> None:
    for tree in (Tree(), TWO):
        with pytest.raises(InvalidRequest, match="no question"):
            begin(tree, "m")
    with pytest.raises(InvalidRequest, match="no answer to write anew"):
        regenerate(Tree(), "m")
    with pytest.raises(InvalidRequest, match="no finished answer"):
        go_on(Tree(), "m")


def test_versions_are_leafed_through_and_what_followed_each_is_found_again() -> None:
    tree = answer(regenerate(TWO, "other", 2), "one")
    assert texts(tree) == ["One?", "one"]
    tree = answer(send(tree, "Three?"), "3")
    assert versions(tree, 2) == (2, 5)
    back = leaf_through(tree, 5, -1)
    assert texts(back) == ["One?", "1", "Two?", "2"]
    assert texts(leaf_through(back, 2, 1)) == ["One?", "one", "Three?", "3"]
    assert leaf_through(back, 2, -1) == back
    assert texts(choose(tree, 2)) == texts(back)


def test_a_version_that_was_undone_is_not_followed_again() -> None:
    tree = answer(send(answer(regenerate(TWO, "m", 2), "one"), "Three?"), "3")
    tree = undo(tree)
    assert texts(tree) == ["One?", "one"]
    there_and_back = leaf_through(leaf_through(tree, 5, -1), 2, 1)
    assert texts(there_and_back) == ["One?", "one"]


def test_an_edited_question_is_a_version_that_waits_for_its_answer() -> None:
    tree = edit(TWO, 3, "Deux?")
    assert texts(tree) == ["One?", "1", "Deux?"]
    assert versions(tree, tree.leaf) == (3, 5)
    assert messages(begin(tree, "m"))[-1] == Message("user", "Deux?")


def test_an_edited_answer_keeps_its_model_and_loses_its_figures() -> None:
    tree = edit(TWO, 4, "zwei")
    new = tree.node(tree.leaf)
    assert (new.content, new.model, new.stats, new.edited, new.role) == ("zwei", "m", None, True, "assistant")
    assert messages(send(tree, "On"))[3] == Message("assistant", "zwei")
    assert not edit(TWO, 3, "x").path[-1].edited


def test_undo_takes_back_one_step_and_says_what_was_asked() -> None:
    assert texts(undo(TWO)) == ["One?", "1"]
    assert taken_back(TWO, undo(TWO)) == "Two?"
    again = answer(regenerate(TWO, "m"), "zwei")
    assert undo(again).path == TWO.path
    assert taken_back(again, undo(again)) == ""
    empty = undo(undo(TWO))
    assert (empty.path, undo(empty)) == ((), empty)


def test_take_back_removes_the_last_question_with_all_its_versions_at_once() -> None:
    tree = answer(regenerate(answer(regenerate(TWO, "m"), "zwei"), "m"), "deux")
    assert texts(take_back(tree)) == ["One?", "1"]
    assert undo(take_back(tree)).path == tree.path
    assert take_back(Tree()) == Tree()


def test_clear_starts_afresh_and_can_be_undone() -> None:
    assert messages(clear(TWO)) == ()
    assert undo(clear(TWO)).path == TWO.path
    new = send(clear(TWO), "New?")
    assert versions(new, new.leaf) == (1, 5)


def test_a_continued_answer_is_a_version_that_begins_with_the_old_text() -> None:
    tree = go_on(talk(("Count", "1 2 ")), "other")
    assert messages(tree) == (Message("user", "Count"), Message("assistant", "1 2 "))
    longer = end(extend(tree, tree.leaf, "3 4"), tree.leaf)
    assert messages(extend(tree, tree.leaf, "3 4"), tree.leaf) == messages(tree)
    assert texts(longer) == ["Count", "1 2 3 4"]
    assert texts(undo(longer)) == ["Count", "1 2 "]


def test_an_answer_can_go_on_from_its_thought_alone() -> None:
    tree = answer(send(Tree(), "7+5?"), "13", reasoning="Seven and five.")
    tree = go_on(tree, "m", from_reasoning=True)
    wanted = Message("assistant", "", "Seven and five.")
    assert messages(tree)[-1] == wanted
    tree = extend(tree, tree.leaf, "12")
    assert messages(tree)[-1] == wanted
    assert tree.node(tree.leaf).reasoning == "Seven and five."
    with pytest.raises(InvalidRequest, match="no thought"):
        go_on(TWO, "m", from_reasoning=True)


def test_a_branch_is_a_copy_of_the_path_alone() -> None:
    tree = answer(regenerate(TWO, "m"), "zwei")
    cut = branch(tree, 4)
    assert texts(cut) == ["One?", "1", "Two?", "2"]
    assert len(cut.nodes) == 4
    assert texts(answer(send(cut, "Three?"), "3"))[-1] == "3"
    assert texts(branch(tree, tree.leaf)) == ["One?", "1", "Two?", "zwei"]
    assert branch(begin(send(TWO, "x"), "m"), 6).running == ()


def test_replaying_takes_the_users_turns_of_the_path_only() -> None:
    assert [node.content for node in questions(edit(TWO, 3, "Deux?"))] == ["One?", "Deux?"]


def test_a_failed_or_empty_turn_is_shown_and_not_sent() -> None:
    tree = begin(send(talk(("One?", "1")), "Two?"), "m")
    tree = end(tree, tree.leaf, error="No room.", hint="Unload one.")
    assert tree.path[-1].error == "No room."
    assert messages(tree) == (Message("user", "One?"), Message("assistant", "1"))
    assert messages(send(tree, "Three?"))[-1] == Message("user", "Three?")
    assert len(messages(send(tree, "Three?"))) == 3


def test_what_arrived_before_a_stop_or_an_error_is_sent() -> None:
    for ending in ({"stopped": True}, {"error": "The connection broke."}):
        tree = begin(send(Tree(), "Count"), "m")
        tree = end(extend(tree, tree.leaf, "1 2"), tree.leaf, **ending)
        assert messages(tree)[-1] == Message("assistant", "1 2")


def test_an_answer_that_ran_when_the_app_ended_is_settled() -> None:
    tree = extend(begin(send(Tree(), "Count"), "m"), 2, "1 2")
    settled = settle(tree)
    assert (settled.path[-1].state, settled.path[-1].content, settled.running) == ("stopped", "1 2", ())
    assert settle(settled) == settled


def test_tools_are_called_answered_and_read_in_order() -> None:
    tree = begin(send(Tree(), "1+2?"), "m")
    tree = end(call(extend(tree, 2, "Let me add.", "reasoning"), 2, ADD), 2, items=('{"type": "reasoning"}',))
    tree = result(tree, ADD, "3")
    assert messages(tree) == (
        Message("user", "1+2?"),
        Message("assistant", "", "Let me add.", (ADD,), ('{"type": "reasoning"}',)),
        Message("tool", "3", tool_call_id="c1", name="add"),
    )
    tree = answer(tree, "It is 3.")
    assert messages(send(tree, "And 4?"))[3] == Message("assistant", "It is 3.")
    assert texts(undo(tree)) == []


def test_a_call_without_a_result_is_not_sent() -> None:
    tree = begin(send(Tree(), "1+2?"), "m")
    tree = end(call(extend(tree, 2, "I add."), 2, ADD), 2, items=("x",))
    assert messages(send(tree, "Well?"))[1] == Message("assistant", "I add.")
    second = ToolCall("c2", "add", "{}")
    tree = begin(send(Tree(), "1+2?"), "m")
    tree = result(end(call(call(tree, 2, ADD), 2, second), 2), ADD, "3")
    assert messages(tree) == (Message("user", "1+2?"),)
    assert len(messages(result(tree, second, "0"))) == 4


def test_a_result_on_which_nothing_was_said_is_not_sent_later() -> None:
    tree = end(call(extend(begin(send(Tree(), "1+2?"), "m"), 2, "I add."), 2, ADD), 2)
    tree = send(result(tree, ADD, "3"), "Well?")
    assert messages(tree) == (Message("user", "1+2?"), Message("assistant", "I add."), Message("user", "Well?"))


def test_a_result_needs_its_call() -> None:
    with pytest.raises(InvalidRequest, match="c1"):
        result(TWO, ADD, "3")
    tree = result(end(call(begin(send(Tree(), "1+2?"), "m"), 2, ADD), 2), ADD, "3")
    with pytest.raises(InvalidRequest, match="cannot be edited"):
        edit(tree, tree.leaf, "4")


def test_documents_and_pictures_go_with_the_question_and_stay_with_its_edit() -> None:
    tree = send(Tree(), "Sum it up.", documents=[Attached("a.txt", "# a.txt\n\nlong")], images=[b"png"], audio=[b"wav"])
    wanted = Message("user", "# a.txt\n\nlong\n\nSum it up.", images=(b"png",), audio=(b"wav",))
    assert messages(tree) == (wanted,)
    assert messages(edit(tree, 1, "Shorter."))[0].content == "# a.txt\n\nlong\n\nShorter."
    assert send(Tree(), "", images=[b"png"]).leaf == 1


def test_halves_of_characters_are_joined_or_replaced() -> None:
    tree = extend(begin(send(Tree(), "\ud83d\ude42 and \ud83d"), "m"), 2, "\udc00")
    assert [node.content for node in tree.path] == ["\U0001f642 and \ufffd", "\ufffd"]


@pytest.mark.parametrize("missing", [0, 5, -1, 1.0, "1", None])
def test_a_turn_that_is_not_there_is_told(missing: object) -> None:
    with pytest.raises(InvalidRequest, match="no turn"):
        TWO.node(missing)  # type: ignore[arg-type]
