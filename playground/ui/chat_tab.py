"""The Chat tab: one message, up to four models side by side, each with its own history, settings, figures and Stop."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import State
from playground.talks.columns import MOST_COLUMNS, on_tree, replay
from playground.talks.tree import Tree
from playground.talks.versions import clear, edit, go_on, leaf_through, regenerate, take_back, taken_back, undo
from playground.ui.chat_desk import Desk
from playground.ui.chat_layout import build_column, placeholder
from playground.ui.chat_settings import TARGETS, Settings, build_settings
from playground.ui.chat_side import build_side
from playground.ui.chat_side_steps import SideSteps
from playground.ui.chat_steps import ALL, Given, Steps, problem_html
from playground.ui.chat_view import OFF, ON, diff_html
from playground.ui.context import AppContext
from playground.ui.remember import Remember, one_of, text
from playground.ui.running import Running

FIRST = ("starter-phi", "starter-mistral")
EXAMPLES = (
    "What is 7 plus 5?",
    "Is this positive or negative? The food was terrible.",
    "Hello! Who are you?",
    "Write a prompt for a red circle on a black background",
)
# The message leaves the box before the columns start, so that no column reads it twice and the next can be typed.
# While a column that it is for still answers, it stays in the box.
STOPS = "[0, 1, 2, 3].filter((i) => to < 0 || to === i)"
BUSY = f"{STOPS}.some((i) => {{ const b = document.querySelector(`#chat_stop_${{i}}`); return b && !b.disabled; }})"
TAKE = f"(message, to) => {BUSY} ? ['', message, true] : [message, '', false]"
CONVERSATION = re.compile(r"(?:[0-9a-f]{32})?")

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LONG: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
SKIP = gr.skip()


def build_chat(context: AppContext, running: Running, remember: Remember) -> ChatTab:
    """Adds the tab's contents."""
    return ChatTab(context, running, remember)


class ChatTab:
    """The tab's components and what they do."""

    def __init__(self, context: AppContext, running: Running, remember: Remember) -> None:
        self.steps = Steps(context, running)
        self.context, self._catalog, self._running = context, context.catalog, running
        cards = context.catalog.of_kind("chat")
        ids = [card.id for card in cards]
        first = [card for card in cards if card.id in FIRST] or cards[:2]
        start = [*first, *first, *first, *first] if len(first) < MOST_COLUMNS else first
        tools = [tool.spec.name for tool in self.steps.tools("page")]

        self.shown = gr.Number(min(2, max(1, len(first))), visible=False, elem_id="chat_columns")
        self.opened = gr.Textbox("", visible=False, elem_id="chat_open")
        with gr.Row(elem_id="chat_outer", equal_height=False):
            self.side = build_side()
            with gr.Column(elem_id="chat_main", scale=1, min_width=300):
                with gr.Row(elem_id="chat_row"):
                    self.columns = [build_column(i, cards, start[i] if start else None) for i in range(MOST_COLUMNS)]
                self._build_composer()
                drafts = [(card.name, card.id) for card in cards if card.backend == "local"]
                self.settings: Settings = build_settings(remember, tools, drafts)
                self._build_compare()
        self.models = [column.model for column in self.columns]
        self.common = [self.opened, remember.state, self.shown, self.settings.target, *self.models,
                       *self.settings.parts]  # fmt: skip
        self.view_of_all = [*(c.box for c in self.columns), *self.models, *(p for c in self.columns for p in c.shown)]

        remember.keep("chat.columns", self.shown, one_of(range(1, MOST_COLUMNS + 1)))
        remember.keep("chat.message", self.box, text)
        remember.keep("chat.open", self.opened, lambda v: isinstance(v, str) and bool(CONVERSATION.fullmatch(v)))
        for i, column in enumerate(self.columns):
            remember.keep(f"chat.model.{i}", column.model, one_of(ids))
        self._wire_composer()
        for i in range(MOST_COLUMNS):
            self._wire_column(i)
        self._wire_compare()
        self._side_steps = SideSteps(self)

    def wire(self, ready: Any) -> None:
        """Shows what was open when the page was last left, once the page remembers."""
        inputs, outputs = self._side_steps.loading
        ready.then(self._side_steps.load, inputs, outputs, **QUICK)

    # --- layout ---

    def _build_composer(self) -> None:
        with gr.Column(elem_id="chat_composer"):
            self.say = gr.HTML("", elem_id="chat_say")
            self.chips = gr.HTML("", elem_id="chat_chips")
            with gr.Row(elem_id="chat_input_row", equal_height=True):
                self.box = gr.Textbox(
                    label="Message", placeholder="Ask something", lines=1, max_lines=8, max_length=200_000,
                    elem_id="chat_message", scale=6, container=False,
                    html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                )  # fmt: skip
                self.send = gr.Button(
                    "Send", variant="primary", elem_id="chat_send", elem_classes="pg-run", scale=1, min_width=88
                )
                self.stop = gr.Button(
                    "Stop all", elem_id="chat_stop", elem_classes="pg-stop", scale=0, min_width=88, interactive=False
                )
            with gr.Row(elem_id="chat_examples", elem_classes="pg-pills"):
                self.examples = [
                    gr.Button(e, size="sm", elem_id=f"chat_example_{i}", min_width=40) for i, e in enumerate(EXAMPLES)
                ]
            with gr.Row(elem_id="chat_actions", elem_classes="pg-quiet"):
                small: dict[str, Any] = {"size": "sm", "min_width": 40}
                self.open_side = gr.Button("Conversations", elem_id="chat_side_button", **small)
                self.attach = gr.UploadButton("Attach", elem_id="chat_attach", file_count="multiple", **small)
                self.detach = gr.Button("Detach", elem_id="chat_detach", visible=False, **small)
                self.again = gr.Button("Regenerate", elem_id="chat_again", **small)
                self.undo = gr.Button("Undo", elem_id="chat_undo", **small)
                self.clear = gr.Button("New", elem_id="chat_clear", **small)
                self.add = gr.Button("+ model", elem_id="chat_add", **small)
                self.remove = gr.Button("− model", elem_id="chat_remove", **small)
                self.to = gr.Dropdown(
                    TARGETS[:3], value=ALL, label="Message to", show_label=False, container=False, elem_id="chat_to",
                    scale=0, min_width=150,
                )  # fmt: skip
                self.policy = gr.Dropdown(
                    [("Cut what does not fit", "cut"), ("Refuse what does not fit", "refuse")], value="cut",
                    label="Attached documents", show_label=False, container=False, elem_id="chat_policy", scale=0,
                    min_width=190, visible=False,
                )  # fmt: skip
        self.pending = gr.Textbox(visible=False, elem_id="chat_pending")
        self.kept_back = gr.Checkbox(False, visible=False, elem_id="chat_kept_back")

    def _build_compare(self) -> None:
        with gr.Accordion("Compare answers, replay a conversation", open=False, elem_id="chat_compare") as self.compare:
            with gr.Row():
                self.left = gr.Dropdown([], label="Answer", elem_id="chat_compare_left")
                self.right = gr.Dropdown([], label="Compared with", elem_id="chat_compare_right")
            self.difference = gr.HTML("", elem_id="chat_difference")
            with gr.Row(equal_height=True):
                self.source = gr.Dropdown(
                    TARGETS[1:3], value=0, label="Replay the questions of", elem_id="chat_replay_from",
                    info="They are asked again, one after the other.",
                )  # fmt: skip
                self.target = gr.Dropdown(
                    TARGETS[1:3], value=1, label="In", elem_id="chat_replay_to",
                    info="Its own turns stay, and Undo brings them back.",
                )  # fmt: skip
                self.replay = gr.Button("Replay", size="sm", elem_id="chat_replay", scale=0, min_width=96)

    # --- events ---

    def run_after(self, event: Any, columns: Sequence[int] | None = None) -> None:
        """Has the columns answer what is due after this event."""
        for i in range(MOST_COLUMNS) if columns is None else columns:
            outputs = [*self.columns[i].shown, self.send, self.stop, self.opened]
            event.then(self._runner(i), [self.to, *self.common], outputs, **LONG)

    def _runner(self, i: int) -> Any:
        async def run(request: gr.Request, *given: Any) -> AsyncIterator[Any]:
            to, values = given[0], given[1:]
            session = str(request.session_hash)
            yield tuple(SKIP for _ in range(len(self.columns[i].shown) + 3))
            ended = began = False
            send = OFF if to == ALL else SKIP
            async with aclosing(self.steps.run(request, i, values)) as steps:
                async for desk, busy, line, thinks in steps:
                    began = True
                    if self.steps.desks.held(session) is not desk:
                        break  # another conversation was opened meanwhile
                    view = self.steps.view.column(desk, i, busy=busy, line=line, thinks=thinks)
                    last = not busy and not self._running.any(session, "chat-")
                    buttons = (ON, OFF) if last else (send, ON) if busy else (SKIP, SKIP)
                    ended, send = not busy, SKIP
                    yield (*view, *buttons, desk.id or SKIP)
            if began and not ended:
                # What took its place was shown at once, and updates that were still under way came after that.
                yield (*self._now(session, i), SKIP, SKIP, SKIP)

        return run

    def _now(self, session: str, i: int) -> list[Any]:
        """What column `i` shows now; its figures are left to whoever writes in it."""
        desk = self.steps.desks.held(session)
        if desk is None:
            return [SKIP] * len(self.columns[i].shown)
        busy = self.steps.busy(session, i)
        view = self.steps.view.column(desk, i, busy=busy)
        return [view[0], SKIP, *view[2:]] if busy else view

    def after_step(self, request: gr.Request, desk: Desk | None, i: int, wrong: str) -> list[Any]:
        """What a column shows after a step, what to say, and the conversation's id."""
        if desk is None or wrong:
            return [*(SKIP for _ in self.columns[i].shown), wrong, SKIP]
        busy = self.steps.busy(str(request.session_hash), i)
        return [*self.steps.view.column(desk, i, busy=busy), "", desk.id or SKIP]

    def _wire_composer(self) -> None:
        async def take(
            request: gr.Request, message: str, kept_back: bool, to: int, policy: str, *values: Any
        ) -> list[Any]:
            if kept_back:  # a column still answers
                return [SKIP] * 5
            say, back, opened = await self.steps.send(request, message, to, policy, values)
            box = back if back else SKIP
            left = SKIP if back else ""
            return [say, box, opened or SKIP, left, SKIP if back else gr.update(visible=False)]

        inputs = [self.pending, self.kept_back, self.to, self.policy, *self.common]
        outputs = [self.say, self.box, self.opened, self.chips, self.detach]
        taken = gr.on(
            [self.send.click, self.box.submit],
            fn=None,
            js=TAKE,
            inputs=[self.box, self.to],
            outputs=[self.pending, self.box, self.kept_back],
        )
        self.run_after(taken.then(take, inputs, outputs, **QUICK))
        for example, words in zip(self.examples, EXAMPLES, strict=True):
            chosen = example.click(
                fn=None,
                js=f"(to) => {BUSY} ? ['', true] : [{words!r}, false]",
                inputs=self.to,
                outputs=[self.pending, self.kept_back],
            )
            self.run_after(chosen.then(take, inputs, outputs, **QUICK))

        def stop_all(request: gr.Request) -> None:
            self._running.stop(str(request.session_hash), "chat-")

        self.stop.click(stop_all, **QUICK)

        def aim(request: gr.Request, to: int) -> Any:
            session = str(request.session_hash)
            places = range(MOST_COLUMNS) if to == ALL else [to]
            return gr.update(interactive=not any(self.steps.busy(session, i) for i in places))

        self.to.input(aim, self.to, self.send, **QUICK)

        every = [p for c in self.columns for p in c.shown]

        async def regenerate_all(request: gr.Request, *values: Any) -> list[Any]:
            updates: list[Any] = []
            said = ""
            for i in range(MOST_COLUMNS):
                parts: list[Any] = [SKIP] * len(self.columns[i].shown)
                if i < int(values[2]):
                    desk, wrong = await self.steps.on_column(request, i, values, _regenerated, asks=True)
                    said = said or wrong
                    parts = self.after_step(request, desk, i, wrong)[:-2]
                updates += parts
            return [*updates, said]

        self.run_after(self.again.click(regenerate_all, self.common, [*every, self.say], **QUICK))

        async def take_all_back(request: gr.Request, box: str, *values: Any) -> list[Any]:
            desk = await self.steps.desk(request, Given.of(values))
            self._running.stop(str(request.session_hash), "chat-", forget=True)
            question = ""
            for i in range(desk.talk.shown):
                desk.put_aside(i)
                before = desk.talk.column(i).tree
                desk.talk = on_tree(desk.talk, i, take_back)
                question = question or taken_back(before, desk.talk.column(i).tree)
            await self.steps.desks.save(desk)
            return [question or box, *self.everything(request, desk)[2 * MOST_COLUMNS :], ON, OFF]

        undone = [self.box, *every, self.send, self.stop]
        self.undo.click(take_all_back, [self.box, *self.common], undone, **QUICK)

        def change(by: int) -> Any:
            async def changed(request: gr.Request, *values: Any) -> list[Any]:
                given = list(values)
                given[2] = max(1, min(MOST_COLUMNS, int(values[2]) + by))
                desk = await self.steps.arranged(request, Given.of(given))
                await self.steps.desks.save(desk)
                return [given[2], *self.everything(request, desk), *self.targets(desk)]

            return changed

        changed = [self.shown, *self.view_of_all, *self.target_parts]
        self.add.click(change(1), self.common, changed, **QUICK)
        self.remove.click(change(-1), self.common, changed, **QUICK)

        async def attach(request: gr.Request, paths: list[str], *values: Any) -> list[Any]:
            chips = await self.steps.attach(request, paths, values)
            held = self.steps.desks.held(str(request.session_hash))
            there = bool(held is not None and held.attached)
            return [chips, gr.update(visible=there), gr.update(visible=there)]

        def detach(request: gr.Request) -> list[Any]:
            held = self.steps.desks.held(str(request.session_hash))
            if held is not None:
                held.attached = []
            return ["", gr.update(visible=False), gr.update(visible=False)]

        attached = [self.chips, self.detach, self.policy]
        self.attach.upload(attach, [self.attach, *self.common], attached, **LONG)
        self.detach.click(detach, None, attached, **QUICK)

    def _wire_column(self, i: int) -> None:
        column = self.columns[i]

        def stop(request: gr.Request) -> None:
            self._running.stop(str(request.session_hash), self.steps.place(i))

        column.stop.click(stop, **QUICK)

        def hurry(request: gr.Request) -> Any:
            token = self._running.token(str(request.session_hash), self.steps.place(i))
            if token is not None:
                token.answer_now()
            return gr.update(visible=False)

        column.hurry.click(hurry, None, column.hurry, **QUICK)
        column.allow.click(self._decider(i, True), None, column.asking, **QUICK)
        column.refuse.click(self._decider(i, False), None, column.asking, **QUICK)
        column.model.change(self._greet, column.model, column.log, **QUICK)

        def chosen(desk: Desk, tree: Tree) -> int:
            node = self.steps.view.acted_on(desk, i)
            if node is None:
                raise InvalidRequest("There is no turn yet.", "Write a message first.")
            return node.id

        def on_chosen(step: Callable[[Tree, int, str], Tree]) -> Callable[..., Any]:
            async def made(request: gr.Request, *values: Any) -> list[Any]:
                def of_tree(tree: Tree, model: str) -> Tree:
                    desk = self.steps.desks.held(str(request.session_hash))
                    assert desk is not None, "a step is made on a desk"
                    return step(tree, node_id or chosen(desk, tree), model)

                held = self.steps.desks.held(str(request.session_hash))
                acted = self.steps.view.acted_on(held, i) if held is not None and i < len(held.talk.columns) else None
                node_id = acted.id if acted is not None else 0
                desk, wrong = await self.steps.on_column(request, i, values, of_tree, asks=step in ASKING)
                return self.after_step(request, desk, i, wrong)

            return made

        outputs = [*column.shown, self.say, self.opened]
        for button, step in (
            (column.before, _before),
            (column.after, _after),
            (column.again, _again),
            (column.go_on, _go_on),
            (column.undo, _undo),
        ):
            event = button.click(on_chosen(step), self.common, outputs, **QUICK)
            if step in ASKING:
                self.run_after(event, [i])
        self.run_after(column.log.retry(on_chosen(_again), self.common, outputs, **QUICK), [i])
        column.log.clear(on_chosen(_clear), self.common, outputs, **QUICK)

        async def edited(data: gr.EditData, request: gr.Request, *values: Any) -> list[Any]:
            held = self.steps.desks.held(str(request.session_hash))
            place = data.index if isinstance(data.index, int) else data.index[0]
            nodes = self.steps.view.shown(held, i).nodes if held is not None and i < len(held.talk.columns) else []
            if held is None or not 0 <= place < len(nodes):
                return self.after_step(request, None, i, "")
            node = held.talk.columns[i].tree.node(nodes[place])
            step = partial(_edited, node_id=node.id, content=str(data.value))
            desk, wrong = await self.steps.on_column(request, i, values, step, asks=node.role == "user")
            return self.after_step(request, desk, i, wrong)

        self.run_after(column.log.edit(edited, self.common, outputs, **QUICK), [i])

        def selected(data: gr.SelectData, request: gr.Request) -> list[Any]:
            held = self.steps.desks.held(str(request.session_hash))
            if held is None or self.steps.busy(str(request.session_hash), i) or i >= len(held.talk.columns):
                return [SKIP] * len(column.shown)
            place = data.index if isinstance(data.index, int) else data.index[0]
            nodes = self.steps.view.shown(held, i).nodes
            if 0 <= place < len(nodes):
                held.chosen[i] = nodes[place]
            return [SKIP, *self.steps.view.column(held, i)[1:]]

        column.log.select(selected, None, column.shown, **QUICK)

    def _decider(self, i: int, yes: bool) -> Any:
        def decide(request: gr.Request) -> Any:
            self.steps.decide(request, i, yes)
            return gr.update(visible=False)

        return decide

    def _greet(self, model: str | None) -> Any:
        return gr.update(placeholder=placeholder(self._catalog[model] if model else None))

    def _wire_compare(self) -> None:
        def offer(request: gr.Request) -> list[Any]:
            held = self.steps.desks.held(str(request.session_hash))
            answers = self.steps.view.answers(held) if held is not None else []
            values = [value for _, value in answers] + [None, None]
            columns = self.steps.view.targets(held, "")[1:] if held is not None else TARGETS[1:3]
            last = gr.update(choices=columns, value=min(1, len(columns) - 1))
            offered = [gr.update(choices=answers, value=values[0]), gr.update(choices=answers, value=values[1])]
            return [*offered, gr.update(choices=columns, value=0), last, _diff(held, values[0], values[1])]

        def differ(request: gr.Request, left: str | None, right: str | None) -> str:
            return _diff(self.steps.desks.held(str(request.session_hash)), left, right)

        parts = [self.left, self.right, self.source, self.target, self.difference]
        self.compare.expand(offer, None, parts, **QUICK)
        for part in (self.left, self.right):
            part.input(differ, [self.left, self.right], self.difference, **QUICK)

        async def again(request: gr.Request, source: int, target: int, *values: Any) -> list[Any]:
            try:
                desk = await self.steps.arranged(request, Given.of(values))
                if source == target:
                    raise InvalidRequest("A column cannot be replayed in itself.", "Choose another one.")
                self._running.stop(str(request.session_hash), self.steps.place(target), forget=True)
                desk.put_aside(target)
                desk.talk = replay(desk.talk, source, target)
                self.steps.begin_waiting(desk, target)
                await self.steps.desks.save(desk)
            except PlaygroundError as error:
                return [*([SKIP] * len(self.view_of_all)), problem_html(error)]
            return [*self.everything(request, desk), ""]

        replayed = self.replay.click(
            again, [self.source, self.target, *self.common], [*self.view_of_all, self.say], **QUICK
        )
        self.run_after(replayed)

    # --- views ---

    def everything(self, request: gr.Request, desk: Desk) -> list[Any]:
        """The updates of `view_of_all`."""
        session = str(request.session_hash)
        return self.steps.view.everything(desk, [self.steps.busy(session, i) for i in range(MOST_COLUMNS)])

    @property
    def target_parts(self) -> list[Any]:
        """The choices of a column."""
        return [self.to, self.settings.target]

    def targets(self, desk: Desk) -> list[Any]:
        """Updates of `target_parts` for a new number of columns."""
        choices = self.steps.view.targets(desk, "All columns")
        return [gr.update(choices=choices, value=ALL), gr.update(choices=choices, value=ALL)]


def _regenerated(tree: Tree, model: str) -> Tree:
    return regenerate(tree, model)


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


def _diff(desk: Desk | None, left: str | None, right: str | None) -> str:
    texts = []
    for value in (left, right):
        if desk is None or not isinstance(value, str) or not re.fullmatch(r"\d\.\d+", value):
            return ""
        column, node = map(int, value.split("."))
        if column >= len(desk.talk.columns):
            return ""
        texts.append(desk.talk.columns[column].tree.node(node).content)
    try:
        return diff_html(*texts)
    except PlaygroundError as error:
        return problem_html(error)


def labelled(choices: list[tuple[str, str]], states: dict[str, State]) -> list[tuple[str, str]]:
    """Choices that say which models cannot run here; those come last."""
    able = [(name, i) for name, i in choices if states.get(i) != "unavailable"]
    return able + [(f"{name} (not available here)", i) for name, i in choices if states.get(i) == "unavailable"]
