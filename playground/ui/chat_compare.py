"""The fold under the chat's columns: two answers word by word, and a conversation's questions on another model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.talks.columns import replay
from playground.ui.chat_desk import Desk
from playground.ui.chat_settings import TARGETS
from playground.ui.chat_steps import Given, problem_html
from playground.ui.chat_view import diff_html

if TYPE_CHECKING:
    from playground.ui.chat_tab import ChatTab

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SKIP = gr.skip()


class Compare:
    """The fold; it is built where it is made."""

    def __init__(self) -> None:
        with gr.Accordion("Compare answers, replay a conversation", open=False, elem_id="chat_compare") as self._fold:
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

    def wire(self, tab: ChatTab) -> None:
        """Wires the fold to the tab's columns."""

        def offer(request: gr.Request) -> list[Any]:
            held = tab.steps.desks.held(str(request.session_hash))
            answers = tab.steps.view.answers(held) if held is not None else []
            values = [value for _, value in answers] + [None, None]
            columns = tab.steps.view.targets(held, "")[1:] if held is not None else TARGETS[1:3]
            last = gr.update(choices=columns, value=min(1, len(columns) - 1))
            offered = [gr.update(choices=answers, value=values[0]), gr.update(choices=answers, value=values[1])]
            return [*offered, gr.update(choices=columns, value=0), last, _diff(held, values[0], values[1])]

        def differ(request: gr.Request, left: str | None, right: str | None) -> str:
            return _diff(tab.steps.desks.held(str(request.session_hash)), left, right)

        parts = [self.left, self.right, self.source, self.target, self.difference]
        self._fold.expand(offer, None, parts, **QUICK)
        for part in (self.left, self.right):
            part.input(differ, [self.left, self.right], self.difference, **QUICK)

        async def again(request: gr.Request, source: int, target: int, *values: Any) -> list[Any]:
            try:
                desk = await tab.steps.arranged(request, Given.of(values))
                if source == target:
                    raise InvalidRequest("A column cannot be replayed in itself.", "Choose another one.")
                tab.running.stop(str(request.session_hash), tab.steps.place(target), forget=True)
                desk.put_aside(target)
                desk.talk = replay(desk.talk, source, target)
                tab.steps.begin_waiting(desk, target)
                await tab.steps.desks.save(desk)
            except PlaygroundError as error:
                return [*([SKIP] * len(tab.view_of_all)), problem_html(error)]
            return [*tab.everything(request, desk), ""]

        replayed = self.replay.click(
            again, [self.source, self.target, *tab.common], [*tab.view_of_all, tab.say], **QUICK
        )
        tab.run_after(replayed)


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
