"""What the buttons of one chat column do: stop, answer now, allow a call, and steps on the turn that was chosen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from playground.errors import InvalidRequest
from playground.talks.tree import Tree
from playground.talks.versions import clear, edit, go_on, leaf_through, regenerate, undo
from playground.ui.chat_layout import placeholder
from playground.ui.chat_steps import Given

if TYPE_CHECKING:
    from playground.ui.chat_tab import ChatTab

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SKIP = gr.skip()


def wire_column(tab: ChatTab, i: int) -> None:
    """Wires column `i`."""
    column = tab.columns[i]

    def stop(request: gr.Request) -> None:
        tab.running.stop(str(request.session_hash), tab.steps.place(i))

    column.stop.click(stop, **QUICK)

    def hurry(request: gr.Request) -> Any:
        token = tab.running.token(str(request.session_hash), tab.steps.place(i))
        if token is not None:
            token.answer_now()
        return gr.update(visible=False)

    column.hurry.click(hurry, None, column.hurry, **QUICK)

    def decider(yes: bool) -> Callable[..., Any]:
        def decide(request: gr.Request) -> Any:
            tab.steps.decide(request, i, yes)
            return gr.update(visible=False)

        return decide

    column.allow.click(decider(True), None, column.asking, **QUICK)
    column.refuse.click(decider(False), None, column.asking, **QUICK)

    def greet(model: str | None) -> Any:
        return gr.update(placeholder=placeholder(tab.context.catalog[model] if model else None))

    column.model.change(greet, column.model, column.log, **QUICK)

    def on_chosen(step: Callable[[Tree, int, str], Tree]) -> Callable[..., Any]:
        async def made(request: gr.Request, *values: Any) -> list[Any]:
            held = await tab.steps.desk(request, Given.of(values))
            acted = tab.steps.view.acted_on(held, i) if i < len(held.talk.columns) else None

            def of_tree(tree: Tree, model: str) -> Tree:
                if acted is None:
                    raise InvalidRequest("There is no turn yet.", "Write a message first.")
                return step(tree, acted.id, model)

            desk, wrong = await tab.steps.on_column(request, i, values, of_tree, asks=step in ASKING)
            return tab.after_step(request, desk, i, wrong)

        return made

    outputs = [*column.shown, tab.say, tab.opened]
    for button, step in (
        (column.before, _before),
        (column.after, _after),
        (column.again, _again),
        (column.go_on, _go_on),
        (column.undo, _undo),
    ):
        event = button.click(on_chosen(step), tab.common, outputs, **QUICK)
        if step in ASKING:
            tab.run_after(event, [i])
    tab.run_after(column.log.retry(on_chosen(_again), tab.common, outputs, **QUICK), [i])
    column.log.clear(on_chosen(_clear), tab.common, outputs, **QUICK)

    async def edited(data: gr.EditData, request: gr.Request, *values: Any) -> list[Any]:
        held = tab.steps.desks.held(str(request.session_hash))
        place = data.index if isinstance(data.index, int) else data.index[0]
        nodes = tab.steps.view.shown(held, i).nodes if held is not None and i < len(held.talk.columns) else []
        if held is None or not 0 <= place < len(nodes):
            return tab.after_step(request, None, i, "")
        node = held.talk.columns[i].tree.node(nodes[place])
        step = partial(_edited, node_id=node.id, content=str(data.value))
        desk, wrong = await tab.steps.on_column(request, i, values, step, asks=node.role == "user")
        return tab.after_step(request, desk, i, wrong)

    tab.run_after(column.log.edit(edited, tab.common, outputs, **QUICK), [i])

    def selected(data: gr.SelectData, request: gr.Request) -> list[Any]:
        held = tab.steps.desks.held(str(request.session_hash))
        if held is None or tab.steps.busy(str(request.session_hash), i) or i >= len(held.talk.columns):
            return [SKIP] * len(column.shown)
        place = data.index if isinstance(data.index, int) else data.index[0]
        nodes = tab.steps.view.shown(held, i).nodes
        if 0 <= place < len(nodes):
            held.chosen[i] = nodes[place]
        return [SKIP, *tab.steps.view.column(held, i)[1:]]

    column.log.select(selected, None, column.shown, **QUICK)


def _before(tree: Tree, node_id: int, model: str) -> Tree:
    return leaf_through(tree, node_id, -1)


def _after(tree: Tree, node_id: int, model: str) -> Tree:
    return leaf_through(tree, node_id, 1)


def _again(tree: Tree, node_id: int, model: str) -> Tree:
    return regenerate(tree, model, node_id)


def _go_on(tree: Tree, node_id: int, model: str) -> Tree:
    last = tree.node(node_id)
    return go_on(tree, model, from_reasoning=not last.content.strip())


def _undo(tree: Tree, node_id: int, model: str) -> Tree:
    return undo(tree)


def _clear(tree: Tree, node_id: int, model: str) -> Tree:
    return clear(tree)


def _edited(tree: Tree, model: str, *, node_id: int, content: str) -> Tree:
    return edit(tree, node_id, content)


ASKING = (_again, _go_on)
