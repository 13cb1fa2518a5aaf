"""What a visitor does in the Chat tab, as functions on the desk; each returns values for the page. No components here.

Steps that need an answer note it in `Desk.due`; the columns' runners ask for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from playground.chat.tools.loop import Limits
from playground.chat.tools.tool import Tool
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import CancelToken, ChatRequest, Failed
from playground.talks.answers import end, send
from playground.talks.columns import (
    MOST_COLUMNS,
    Conversation,
    answering,
    next_waiting,
    on_tree,
    put_column,
    request,
    show,
)
from playground.talks.tree import Tree
from playground.ui import chat_attach
from playground.ui.chat_desk import Desk, Desks, now
from playground.ui.chat_run import SAVE_S, WithTools, write_answer
from playground.ui.chat_settings import Form, alike, read
from playground.ui.chat_settings import show as form_of
from playground.ui.chat_tools import offered_tools
from playground.ui.chat_view import View
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import owner_in
from playground.ui.running import Running
from playground.ui.words import note, problem

ALL = -1


@dataclass(frozen=True)
class Given:
    """What the page sends with every step: what it shows, and the form."""

    opened: str
    state: Any
    shown: int
    target: int
    models: tuple[str | None, ...]
    form: Form

    @classmethod
    def of(cls, values: Sequence[Any]) -> Given:
        """From the events' inputs, in the order of `chat_tab`."""
        opened, state, shown, target, *rest = values
        return cls(opened or "", state, int(shown), int(target), tuple(rest[:MOST_COLUMNS]), Form(*rest[MOST_COLUMNS:]))


class Steps:
    """The steps of one app's Chat tab."""

    def __init__(self, context: AppContext, running: Running) -> None:
        self._context, self.engine, self.running = context, context.engine, running
        self.desks = Desks(context.store, lambda: [card.id for card in context.catalog.of_kind("chat")])
        self.view = View(context.settings, context.catalog)

    # --- the desk ---

    async def desk(self, request: gr.Request, given: Given) -> Desk:
        """The desk of the session, which holds what the page shows."""
        session, owner = str(request.session_hash), owner_of(request, owner_in(given.state))
        desk = self.desks.held(session)
        if desk is None and not given.opened:
            return self.desks.fresh(session, owner, [m for m in given.models if m], given.shown)
        return await self.desks.at(session, owner, given.opened)

    async def arranged(self, request: gr.Request, given: Given) -> Desk:
        """The desk with the columns, models and settings that the page shows."""
        desk = await self.desk(request, given)
        talk = show(desk.talk, given.shown, given.models[0] or "")
        for i in range(talk.shown):
            column = replace(talk.columns[i], model=given.models[i] or talk.columns[i].model)
            if given.target in (ALL, i):
                column = read(column, given.form)
            talk = put_column(talk, i, column)
        desk.talk = talk
        return desk

    def place(self, i: int) -> str:
        """The name under which column `i` runs."""
        return f"chat-{i}"

    def busy(self, session: str, i: int) -> bool:
        """Whether column `i` is being answered."""
        return self.running.any(session, self.place(i))

    def tools(self, owner: str) -> tuple[Tool, ...]:
        """The tools on offer to this owner's models."""
        return offered_tools(self._context, owner)

    # --- asking ---

    async def send(self, request: gr.Request, message: str, to: int, policy: str, values: Sequence[Any]) -> list[str]:
        """Puts a message to one column or to all; returns what to say, the message if it was not taken, and the id."""
        given = Given.of(values)
        session = str(request.session_hash)
        held = self.desks.held(session)
        if not message.strip() and not (held is not None and held.attached):
            return ["", message, given.opened]
        try:
            desk = await self.arranged(request, given)
            places = [to] if to != ALL else list(range(desk.talk.shown))
            busy = [i + 1 for i in places if self.busy(session, i)]
            if busy:
                raise InvalidRequest(f"Column {busy[0]} is still answering.", "Wait for it, or stop it.")
            said = await self._put(desk, message, places, policy, given.form)
            desk.attached = []
            await self.desks.save(desk)
        except PlaygroundError as error:
            return [problem_html(error), message, given.opened]
        return ["".join(map(note, said)), "", desk.id]

    async def _put(self, desk: Desk, message: str, places: Sequence[int], policy: str, form: Form) -> list[str]:
        said: list[str] = []
        images, sounds = chat_attach.of_message(desk.attached)
        talk = desk.talk
        for i in places:
            column = talk.column(i)
            asked = request_of(talk, i, self.tools(desk.owner), desk.owner)
            beside = "\n".join([*(m.content for m in asked.messages), message])
            answer = column.parameters.max_new_tokens or 256
            documents, cut = await chat_attach.fit(
                self.engine, column.model, desk.owner, desk.attached, beside, answer, policy
            )
            said += [f"{self.view.name(desk, i)}: {text}" for text in cut]
            question = dict(documents=documents, images=images, audio=sounds, created=now())  # noqa: C408
            talk = on_tree(talk, i, lambda tree, q=question: send(tree, message, **q))  # type: ignore[misc]
            talk = answering(talk, i, created=now())
        desk.talk = talk
        for i in places:
            desk.due[i] = talk.column(i).tree.leaf
            desk.chosen.pop(i, None)
        return said

    async def on_column(
        self, request: gr.Request, i: int, values: Sequence[Any], step: Callable[[Tree, str], Tree], *, asks: bool
    ) -> tuple[Desk | None, str]:
        """Makes a step in the tree of column `i`, ending what it still writes; `asks` for an answer after it.

        Returns the desk, and what to say where the step cannot be made.
        """
        try:
            desk = await self.arranged(request, Given.of(values))
            self.running.stop(str(request.session_hash), self.place(i), forget=True)
            desk.put_aside(i)
            model = desk.talk.column(i).model
            desk.talk = on_tree(desk.talk, i, lambda tree: step(tree, model))
            if asks:
                tree = desk.talk.column(i).tree
                if tree.node(tree.leaf).state != "running":
                    desk.talk = answering(desk.talk, i, created=now())
                desk.due[i] = desk.talk.column(i).tree.leaf
            await self.desks.save(desk)
        except PlaygroundError as error:
            return self.desks.held(str(request.session_hash)), problem_html(error)
        return desk, ""

    def begin_waiting(self, desk: Desk, i: int) -> None:
        """Sends the next question of a replay in column `i`."""
        desk.talk = answering(next_waiting(desk.talk, i, created=now()), i, created=now())
        desk.due[i] = desk.talk.column(i).tree.leaf

    # --- answering ---

    async def run(
        self, request: gr.Request, i: int, values: Sequence[Any]
    ) -> AsyncGenerator[tuple[Desk, bool, str, bool]]:
        """Answers what is due in column `i`; yields (desk, whether it is busy, line of what is waited for, thinks)."""
        session = str(request.session_hash)
        given = Given.of(values)
        desk = self.desks.held(session)
        if desk is None or i not in desk.due:
            return
        place, node_id = self.place(i), desk.due.pop(i)
        token = self.running.start(session, place)
        saved = asyncio.get_running_loop().time()
        try:
            while True:
                async with aclosing(self._answer(desk, i, node_id, token, session, given)) as steps:
                    async for line, thinks in steps:
                        yield desk, True, line, thinks
                        if asyncio.get_running_loop().time() - saved > SAVE_S:
                            saved = asyncio.get_running_loop().time()
                            await self.desks.save(desk)
                if not self.running.holds(session, place, token):
                    return
                waiting = desk.talk.column(i).waiting if i < desk.talk.shown else ()
                if token.cancelled or not waiting:
                    break
                self.begin_waiting(desk, i)
                node_id = desk.due.pop(i)
        finally:
            mine = self.running.holds(session, place, token)
            self.running.finish(session, place, token)
            desk.approvals.pop(i, None)
            if not mine and self.desks.held(session) is not desk:
                desk.put_aside(i)  # another conversation was opened: what arrived in this one stays
            await asyncio.shield(self.desks.save(desk))
        for node in desk.talk.column(i).tree.path[-1:]:
            await asyncio.to_thread(self.view.code, node)
        yield desk, False, "", False

    async def _answer(
        self, desk: Desk, i: int, node_id: int, token: CancelToken, session: str, given: Given
    ) -> AsyncGenerator[tuple[str, bool]]:
        def holds() -> bool:
            tree = desk.talk.columns[i].tree
            return self.running.holds(session, self.place(i), token) and bool(tree.nodes)

        tools = self.tools(desk.owner)
        try:
            asked = request_of(desk.talk, i, tools, desk.owner, node_id)
        except PlaygroundError as error:
            said, hint = error.message, error.hint
            desk.talk = on_tree(desk.talk, i, lambda tree: end(tree, node_id, error=said, hint=hint))
            return
        chosen = [tool for tool in tools if tool.spec.name in desk.talk.column(i).tools]
        engine: Any = self.engine
        if chosen and asked.tool_choice != "none":
            approval: Any = given.form.approval or "effects"
            engine = WithTools(self.engine, chosen, Limits(approval=approval), desk, i)
        async with aclosing(write_answer(engine, desk, i, node_id, asked, token, holds)) as writing:
            async for writer in writing:
                if not holds():
                    return
                yield writer.line(), writer.thinking

    def decide(self, request: gr.Request, i: int, yes: bool) -> None:
        """Answers the approval that column `i` waits for."""
        desk = self.desks.held(str(request.session_hash))
        approval = desk.approvals.get(i) if desk is not None else None
        if approval is not None and not approval.answer.done():
            approval.answer.set_result(yes)

    # --- files ---

    async def attach(self, request: gr.Request, paths: Sequence[str], values: Sequence[Any]) -> str:
        """Reads files for the next message; returns what is attached."""
        try:
            desk = await self.arranged(request, replace_form(Given.of(values)))
            desk.attached = [*desk.attached, *await chat_attach.read(paths or [], len(desk.attached))]
        except PlaygroundError as error:
            held = self.desks.held(str(request.session_hash))
            return problem_html(error) + (await self.chips(held) if held is not None else "")
        return await self.chips(desk)

    async def chips(self, desk: Desk) -> str:
        """What is attached, with its tokens for the first model."""
        model = desk.talk.columns[0].model
        return await chat_attach.chips(self.engine, model, desk.owner, desk.attached)

    # --- kept conversations ---

    def file(self, name: str, data: bytes, folder: Path) -> str:
        """Writes an exported file into a folder that the page may serve."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(data)
        return str(path)

    def fresh(self, request: gr.Request, given: Given) -> Desk:
        """An empty conversation with the models of the page."""
        owner = owner_of(request, owner_in(given.state))
        self.running.stop(str(request.session_hash), "chat-", forget=True)
        return self.desks.fresh(str(request.session_hash), owner, [m for m in given.models if m], given.shown)

    def values(self, desk: Desk, form: Form) -> tuple[int, list[Any]]:
        """(whose settings the form shows, its values) for a conversation that was opened."""
        columns = desk.talk.columns[: desk.talk.shown]
        return (ALL if alike(columns) else 0), form_of(columns[0], form)


def replace_form(given: Given) -> Given:
    """The same without an answer format, which may be half written while a file is attached."""
    return replace(given, form=replace(given.form, bound="", bound_text=""))


def request_of(
    talk: Conversation, i: int, tools: Sequence[Tool], owner: str, node_id: int | None = None
) -> ChatRequest:
    """What column `i` asks its model for."""
    return request(talk, i, node_id, owner=owner, tools=[tool.spec for tool in tools])


def problem_html(error: PlaygroundError) -> str:
    """An error beside the composer."""
    return problem(Failed.of(error))
