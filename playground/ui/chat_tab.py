"""The Chat tab: one message, up to four models side by side, each with its own history, settings, figures and Stop."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from playground.protocol import State
from playground.talks.columns import MOST_COLUMNS, on_tree
from playground.talks.versions import regenerate, take_back, taken_back
from playground.ui.chat_column import wire_column
from playground.ui.chat_compare import Compare
from playground.ui.chat_desk import Desk
from playground.ui.chat_layout import build_column
from playground.ui.chat_settings import TARGETS, Settings, build_settings
from playground.ui.chat_side import build_side
from playground.ui.chat_side_steps import SideSteps
from playground.ui.chat_steps import ALL, Given, Steps
from playground.ui.chat_view import OFF, ON
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
        self.context, self.running = context, running
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
                self.compare = Compare()
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
            wire_column(self, i)
        self.compare.wire(self)
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
                    last = not busy and not self.running.any(session, "chat-")
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
            self.running.stop(str(request.session_hash), "chat-")

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
                    desk, wrong = await self.steps.on_column(request, i, values, regenerate, asks=True)
                    said = said or wrong
                    parts = self.after_step(request, desk, i, wrong)[:-2]
                updates += parts
            return [*updates, said]

        self.run_after(self.again.click(regenerate_all, self.common, [*every, self.say], **QUICK))

        async def take_all_back(request: gr.Request, box: str, *values: Any) -> list[Any]:
            desk = await self.steps.desk(request, Given.of(values))
            self.running.stop(str(request.session_hash), "chat-", forget=True)
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


def labelled(choices: list[tuple[str, str]], states: dict[str, State]) -> list[tuple[str, str]]:
    """Choices that say which models cannot run here; those come last."""
    able = [(name, i) for name, i in choices if states.get(i) != "unavailable"]
    return able + [(f"{name} (not available here)", i) for name, i in choices if states.get(i) == "unavailable"]
