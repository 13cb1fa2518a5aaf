"""The Chat tab: one message, up to four models side by side, each with its own history, figures and Stop."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from playground.protocol import State
from playground.ui.chat_layout import build_column, placeholder, settings_fold
from playground.ui.chat_run import ChatForm, run_column
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, between, one_of, owner_in, text
from playground.ui.running import Running
from playground.ui.turns import History, restorable, without_last

MOST_COLUMNS = 4
FIRST = ("starter-phi", "starter-mistral")
EXAMPLES = (
    "What is 7 plus 5?",
    "Is this positive or negative? The food was terrible.",
    "Hello! Who are you?",
    "Write a prompt for a red circle on a black background",
)
# The message leaves the box before the columns start, so that no column reads it twice and the next can be typed.
# While columns still answer, it stays in the box: a half answer is no history.
BUSY = "document.querySelector('#chat_send')?.disabled"
TAKE = f"(message) => !message.trim() || {BUSY} ? ['', message] : [message, '']"

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
ON, OFF = gr.update(interactive=True), gr.update(interactive=False)
UNCHANGED = tuple(gr.skip() for _ in range(6))


def build_chat(context: AppContext, running: Running, remember: Remember) -> list[gr.Dropdown]:
    """Adds the tab's contents; returns the model dropdowns, whose choices are labelled once states are known."""
    cards = context.catalog.of_kind("chat")
    ids = [card.id for card in cards]
    first = [card for card in cards if card.id in FIRST] or cards[:2]
    start = [*first, *first, *first, *first] if len(first) < MOST_COLUMNS else first
    shown = gr.Number(min(2, max(1, len(first))), visible=False, elem_id="chat_columns")

    with gr.Row(elem_id="chat_row"):
        columns = [build_column(i, cards, start[i] if start else None) for i in range(MOST_COLUMNS)]

    with gr.Column(elem_id="chat_composer"):
        with gr.Row(elem_id="chat_input_row", equal_height=True):
            box = gr.Textbox(
                label="Message to all columns",
                placeholder="Ask something",
                lines=1,
                max_lines=8,
                max_length=8000,
                elem_id="chat_message",
                scale=6,
                container=False,
                html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
            )
            send = gr.Button(
                "Send", variant="primary", elem_id="chat_send", elem_classes="pg-run", scale=1, min_width=88
            )
            stop = gr.Button(
                "Stop all", elem_id="chat_stop", elem_classes="pg-stop", scale=0, min_width=88, interactive=False
            )
        with gr.Row(elem_id="chat_examples", elem_classes="pg-pills"):
            examples = [
                gr.Button(e, size="sm", elem_id=f"chat_example_{i}", min_width=40) for i, e in enumerate(EXAMPLES)
            ]
        with gr.Row(elem_id="chat_actions", elem_classes="pg-quiet"):
            again = gr.Button("Regenerate", size="sm", elem_id="chat_again", min_width=40)
            undo = gr.Button("Undo", size="sm", elem_id="chat_undo", min_width=40)
            clear = gr.Button("Clear", size="sm", elem_id="chat_clear", min_width=40)
            add = gr.Button("+ model", size="sm", elem_id="chat_add", min_width=40)
            remove = gr.Button("− model", size="sm", elem_id="chat_remove", min_width=40)
    pending = gr.Textbox(visible=False, elem_id="chat_pending")
    settings = settings_fold(remember)

    remember.keep("chat.columns", shown, one_of(range(1, MOST_COLUMNS + 1)))
    remember.keep("chat.message", box, text)
    for i, column in enumerate(columns):
        remember.keep(f"chat.model.{i}", column.model, one_of(ids))
        remember.keep(f"chat.log.{i}", column.log, restorable, watch=False)
        remember.keep(f"chat.finished.{i}", column.finished, between(0, 1e12))
    remember.after(lambda kept: _visible(kept["chat.columns"]), [column.box for column in columns])

    # --- events ---

    def runner(i: int, retry: bool) -> Any:
        async def run(
            message: str,
            model: str,
            log: History,
            count: float,
            system: str,
            own: bool,
            temperature: float,
            top_p: float,
            max_new_tokens: int,
            seed: float | None,
            state: Any,
            request: gr.Request,
        ) -> AsyncIterator[tuple[Any, ...]]:
            session = str(request.session_hash)
            history, question = without_last(log) if retry else (log, message)
            if i >= count or not question.strip():
                yield UNCHANGED
                return
            form = ChatForm(system, own, temperature, top_p, max_new_tokens, None if seed is None else int(seed))
            asked = form.request(model, history, question, i, owner_of(request, owner_in(state)))
            place = f"chat-{i}"
            token = running.start(session, place)
            messages, figures = history, ""
            try:
                async with aclosing(run_column(context.engine, asked, history, question, token)) as updates:
                    async for messages, figures in updates:
                        if not running.holds(session, place, token):
                            yield UNCHANGED
                            return
                        yield messages, figures, ON, OFF, ON, gr.skip()
            finally:
                running.finish(session, place, token)
            # Only the last column to end says so: two ends may reach the page in either order.
            both = (gr.skip(), gr.skip()) if running.any(session, "chat-") else (ON, OFF)
            yield messages, figures, OFF, *both, time.time()

        return run

    def wire(trigger: Any, i: int, retry: bool) -> None:
        column = columns[i]
        trigger(
            runner(i, retry),
            [pending, column.model, column.log, shown, *settings, remember.state],
            [column.log, column.figures, column.stop, send, stop, column.finished],
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )

    taken = gr.on([send.click, box.submit], fn=None, js=TAKE, inputs=box, outputs=[pending, box])
    starts = [
        taken,
        *(e.click(fn=None, js=f"() => {BUSY} ? '' : {EXAMPLES[k]!r}", outputs=pending) for k, e in enumerate(examples)),
    ]

    def greet(model: str | None) -> Any:
        return gr.update(placeholder=placeholder(context.catalog[model] if model else None))

    for i, column in enumerate(columns):
        for begun in starts:
            wire(begun.then, i, retry=False)
        wire(again.click, i, retry=True)
        wire(column.log.retry, i, retry=True)

        def stop_one(request: gr.Request, place: str = f"chat-{i}") -> None:
            running.stop(str(request.session_hash), place)

        column.model.change(greet, column.model, column.log, **QUICK)

        def forget(request: gr.Request, place: str = f"chat-{i}") -> tuple[str, Any, Any, float]:
            running.stop(str(request.session_hash), place, forget=True)
            busy = running.any(str(request.session_hash), "chat-")
            return "", OFF, gr.skip() if busy else ON, time.time()

        column.log.clear(forget, None, [column.figures, column.stop, send, column.finished], **QUICK)
        column.stop.click(stop_one, **QUICK)

    def stop_all(request: gr.Request) -> None:
        running.stop(str(request.session_hash), "chat-")

    def idle() -> list[Any]:
        """Send, Stop all, Stop of each column, and that all conversations changed."""
        return [ON, OFF, *[OFF] * MOST_COLUMNS, *[time.time()] * MOST_COLUMNS]

    def take_back(request: gr.Request, *logs: History) -> list[Any]:
        running.stop(str(request.session_hash), "chat-", forget=True)
        cut = [without_last(log) for log in logs]
        question = next((asked for _, asked in cut if asked), "")
        return [question, *(log for log, _ in cut), *[""] * MOST_COLUMNS, *idle()]

    def wipe(request: gr.Request) -> list[Any]:
        running.stop(str(request.session_hash), "chat-", forget=True)
        return [*[[] for _ in columns], *[""] * MOST_COLUMNS, *idle()]

    def change(step: int) -> Any:
        def changed(count: float) -> list[Any]:
            now = max(1, min(MOST_COLUMNS, int(count) + step))
            return [now, *_visible(now)]

        return changed

    logs, lines, boxes = [c.log for c in columns], [c.figures for c in columns], [c.box for c in columns]
    buttons = [send, stop, *(c.stop for c in columns), *(c.finished for c in columns)]
    stop.click(stop_all, **QUICK)
    undo.click(take_back, logs, [box, *logs, *lines, *buttons], **QUICK)
    clear.click(wipe, None, [*logs, *lines, *buttons], **QUICK)
    add.click(change(1), shown, [shown, *boxes], **QUICK)
    remove.click(change(-1), shown, [shown, *boxes], **QUICK)
    return [column.model for column in columns]


def _visible(count: float) -> list[Any]:
    return [gr.update(visible=i < int(count)) for i in range(MOST_COLUMNS)]


def labelled(choices: list[tuple[str, str]], states: dict[str, State]) -> list[tuple[str, str]]:
    """Choices that say which models cannot run here; those come last."""
    able = [(name, i) for name, i in choices if states.get(i) != "unavailable"]
    return able + [(f"{name} (not available here)", i) for name, i in choices if states.get(i) == "unavailable"]
