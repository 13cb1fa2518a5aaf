"""Columns side by side: what is sent to one or all, replay, branch, requests."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from playground.errors import InvalidRequest
from playground.protocol import ChatRequest, Message, ToolSpec
from playground.talks.answers import end, extend
from playground.talks.columns import (
    Conversation,
    Parameters,
    answering,
    ask,
    branched,
    conversation,
    next_waiting,
    on_all,
    on_tree,
    put_column,
    replay,
    request,
    settled,
    show,
)
from playground.talks.versions import undo


def answered(talk: Conversation, i: int, text: str) -> Conversation:
    talk = answering(talk, i)
    node_id = talk.column(i).tree.leaf
    return on_tree(talk, i, lambda tree: end(extend(tree, node_id, text), node_id))


def texts(talk: Conversation, i: int) -> list[str]:
    return [node.content for node in talk.column(i).tree.path]


def two() -> Conversation:
    talk = conversation(["phi", "mistral"])
    for question in ("One?", "Two?"):
        talk = ask(talk, question)
        talk = answered(answered(talk, 0, f"phi on {question}"), 1, f"mistral on {question}")
    return talk


def test_one_message_goes_to_all_shown_columns_or_to_one() -> None:
    talk = ask(two(), "Three?", to=1)
    assert texts(talk, 0)[-1] == "phi on Two?"
    assert texts(talk, 1)[-1] == "Three?"
    talk = ask(show(two(), 1, "phi"), "Three?")
    assert texts(talk, 0)[-1] == "Three?"
    assert texts(show(talk, 2, "phi"), 1)[-1] == "mistral on Two?"


def test_a_message_that_one_column_refuses_reaches_none() -> None:
    talk = answering(ask(two(), "Three?"), 1)
    with pytest.raises(InvalidRequest, match="still being written"):
        ask(talk, "Four?")


def test_each_column_is_asked_with_its_own_history_settings_and_seed() -> None:
    talk = ask(two(), "Three?")
    column = replace(
        talk.columns[1], system_prompt="Be brief.", seed=7, parameters=Parameters(temperature=0.1, stop=("X",))
    )
    asked = request(put_column(talk, 1, column), 1, owner="ana")
    assert (asked.model, asked.column, asked.seed, asked.temperature, asked.stop) == ("mistral", 1, 7, 0.1, ("X",))
    assert asked.owner == "ana"
    assert asked.messages == (
        Message("system", "Be brief."),
        Message("user", "One?"),
        Message("assistant", "mistral on One?"),
        Message("user", "Two?"),
        Message("assistant", "mistral on Two?"),
        Message("user", "Three?"),
    )
    assert request(talk, 0).messages[1] == Message("assistant", "phi on One?")
    assert request(talk, 0).temperature is None


def test_every_parameter_is_one_of_a_chat_request() -> None:
    known = {field.name: field.default for field in fields(ChatRequest)}
    for field in fields(Parameters):
        assert known[field.name] == field.default


def test_a_column_sends_the_tools_it_chose() -> None:
    add, clock = ToolSpec("add", "Adds.", "{}"), ToolSpec("clock", "Tells the time.", "{}")
    talk = ask(conversation(["phi"]), "1+2?")
    assert request(talk, 0, tools=[add, clock]).tools == ()
    talk = put_column(talk, 0, replace(talk.columns[0], tools=("clock",)))
    assert request(talk, 0, tools=[add, clock]).tools == (clock,)
    with pytest.raises(InvalidRequest, match="clock"):
        request(talk, 0, tools=[add])


def test_a_replay_sends_the_users_turns_one_after_the_other() -> None:
    talk = replay(two(), 0, 1)
    assert texts(talk, 1) == []
    talk = answered(next_waiting(talk, 1), 1, "again 1")
    assert request(next_waiting(talk, 1), 1).messages == (
        Message("user", "One?"),
        Message("assistant", "again 1"),
        Message("user", "Two?"),
    )
    talk = next_waiting(talk, 1)
    assert talk.column(1).waiting == ()
    assert next_waiting(talk, 1) == talk
    for _ in range(3):
        talk = on_tree(talk, 1, undo)
    assert texts(talk, 1) == texts(two(), 1)


def test_a_replay_onto_itself_asks_the_same_column_again() -> None:
    talk = next_waiting(replay(two(), 0, 0), 0)
    assert texts(talk, 0) == ["One?"]
    with pytest.raises(InvalidRequest, match="nothing to replay"):
        replay(conversation(["phi", "mistral"]), 0, 1)


def test_a_branch_is_a_conversation_of_its_own() -> None:
    talk = branched(two(), 1, 2)
    assert (talk.shown, len(talk.columns), talk.column(0).model) == (1, 1, "mistral")
    assert texts(talk, 0) == ["One?", "mistral on One?"]


def test_columns_come_and_go_from_one_to_four() -> None:
    talk = show(two(), 4, "sd")
    assert [column.model for column in talk.columns] == ["phi", "mistral", "sd", "sd"]
    assert show(show(talk, 1, "x"), 4, "x") == talk
    for count in (0, 5):
        with pytest.raises(InvalidRequest, match="1 to 4"):
            show(talk, count, "sd")
    for models in ([], ["m"] * 5):
        with pytest.raises(InvalidRequest, match="1 to 4"):
            conversation(models)
    for i in (-1, 2, "0"):
        with pytest.raises(InvalidRequest, match="no column"):
            on_tree(two(), i, undo)  # type: ignore[arg-type]


def test_what_ran_when_the_app_ended_is_settled_in_hidden_columns_too() -> None:
    talk = show(answering(ask(two(), "Three?"), 1), 1, "x")
    assert [column.tree.running for column in settled(talk).columns] == [(), ()]


def test_a_step_in_all_columns() -> None:
    assert texts(on_all(two(), undo), 1) == ["One?", "mistral on One?"]
