"""Open conversations: kept, shared between windows, found again after a restart, never another owner's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from playground.errors import InvalidRequest
from playground.store import Store
from playground.talks.answers import begin, end, extend, send
from playground.talks.columns import on_tree
from playground.ui.chat_desk import MOST_DESKS, Desk, Desks

MODELS = ("starter-phi", "starter-mistral")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/test.sqlite3")


def desks(store: Store) -> Desks:
    return Desks(lambda: store, lambda: MODELS)


def ask(desk: Desk, text: str, answer: str = "", i: int = 0) -> None:
    desk.talk = on_tree(desk.talk, i, lambda tree: begin(send(tree, text), "starter-phi"))
    if answer:
        node = desk.talk.column(i).tree.leaf
        desk.talk = on_tree(desk.talk, i, lambda tree: end(extend(tree, node, answer), node))


def texts(desk: Desk, i: int = 0) -> list[str]:
    return [node.content for node in desk.talk.column(i).tree.path]


def test_an_empty_conversation_is_not_kept(store: Store) -> None:
    async def run() -> None:
        found = desks(store)
        desk = found.fresh("s", "me", MODELS, 2)
        await found.save(desk)
        assert desk.id == ""
        assert found.kept.listed("me") == []
        ask(desk, "Hello", "Hi")
        await found.save(desk)
        assert [s.title for s in found.kept.listed("me")] == ["Hello"]
        revision = desk.revision
        await found.save(desk)  # nothing changed
        assert desk.revision == revision

    asyncio.run(run())


def test_a_restart_finds_it_again_with_what_was_being_written_as_stopped(store: Store) -> None:
    async def run() -> None:
        first = desks(store)
        desk = first.fresh("s", "me", MODELS, 2)
        ask(desk, "Hello")
        desk.talk = on_tree(desk.talk, 0, lambda tree: extend(tree, 2, "Half of"))
        await first.save(desk)
        later = await desks(store).at("other session", "me", desk.id)
        assert texts(later) == ["Hello", "Half of"]
        assert later.talk.column(0).tree.node(2).state == "stopped"

    asyncio.run(run())


def test_windows_of_one_owner_share_a_conversation_and_nobody_else_sees_it(store: Store) -> None:
    async def run() -> None:
        found = desks(store)
        desk = found.fresh("one", "me", MODELS, 2)
        ask(desk, "Hello", "Hi")
        await found.save(desk)
        assert await found.at("two", "me", desk.id) is desk
        assert await found.open("three", "me", desk.id) is desk
        foreign = await found.at("four", "you", desk.id)
        assert foreign is not desk
        assert foreign.empty
        with pytest.raises(InvalidRequest, match="no conversation"):
            await found.open("four", "you", desk.id)

    asyncio.run(run())


def test_what_was_changed_by_another_process_is_left_alone_and_this_goes_on_as_a_copy(store: Store) -> None:
    async def run() -> None:
        here, there = desks(store), desks(store)
        desk = here.fresh("s", "me", MODELS, 1)
        ask(desk, "Hello", "Hi")
        await here.save(desk)
        other = await there.at("s", "me", desk.id)
        ask(other, "From there", "Yes")
        await there.save(other)
        ask(desk, "From here", "No")
        before = desk.id
        await here.save(desk)
        assert desk.id != before
        titles = {s.title for s in here.kept.listed("me")}
        assert titles == {"Hello", "Hello (copy)"}
        assert texts(await desks(store).at("s", "me", before))[-2:] == ["From there", "Yes"]
        assert texts(await desks(store).at("s", "me", desk.id))[-2:] == ["From here", "No"]

    asyncio.run(run())


def test_desks_are_bounded_and_old_ones_come_back_from_the_store(store: Store) -> None:
    async def run() -> None:
        found = desks(store)
        desk = found.fresh("first", "me", MODELS, 1)
        ask(desk, "Hello", "Hi")
        await found.save(desk)
        for i in range(MOST_DESKS):
            await found.at(f"s{i}", "you", "")
        assert found.held("first") is None
        again = await found.at("first", "me", desk.id)
        assert again is not desk
        assert texts(again) == ["Hello", "Hi"]

    asyncio.run(run())
