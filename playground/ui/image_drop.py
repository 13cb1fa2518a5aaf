"""A place to drop a picture: its settings come back into the form, and Verify makes it again and compares."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError
from playground.protocol import Failed
from playground.ui.context import AppContext
from playground.ui.image_recall import picture_bytes, recalled
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in
from playground.ui.running import Running
from playground.ui.verify_run import verifying
from playground.ui.words import problem

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SETTLED: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
PLACE = "image-verify"


class Drop:
    """The fold; `wire` connects it with the form's controls, by the names that `image_recall.filled` uses."""

    def __init__(self) -> None:
        with gr.Accordion("Settings from a picture", open=False, elem_id="image_drop"):
            self.file = gr.File(
                label="Drop a picture here: its settings come back into the form",
                file_types=["image"],
                type="filepath",
                height=120,
                elem_id="image_drop_file",
            )
            self.found = gr.HTML("", elem_id="image_drop_found", elem_classes="pg-maybe")
            with gr.Row(visible=False, elem_id="image_drop_row") as self.row:
                small: dict[str, Any] = {"size": "sm", "min_width": 80}
                self.verify = gr.Button("Verify", elem_id="image_drop_verify", **small)
                self.stop = gr.Button(
                    "Stop",
                    size="sm",
                    min_width=80,
                    interactive=False,
                    elem_id="image_drop_stop",
                    elem_classes="pg-stop",
                )
            self.verdict = gr.HTML("", elem_id="image_drop_verdict", elem_classes="pg-maybe")

    def wire(
        self, context: AppContext, running: Running, remember: Remember, form: dict[str, Any], sizes: list[Any]
    ) -> None:
        """Fills the form when a picture is dropped."""
        names = list(form)

        async def dropped(path: str | None) -> list[Any]:
            updates, said = await recalled(context, path, names, sizes)
            return [*updates, said, gr.update(visible=bool(path)), ""]

        async def check(path: str | None, state: Any, request: gr.Request) -> AsyncIterator[Any]:
            try:
                data = await asyncio.to_thread(picture_bytes, path)
            except PlaygroundError as error:
                yield problem(Failed.of(error)), gr.skip()
                return
            owner = owner_of(request, owner_in(state))
            async with aclosing(verified(context, running, str(request.session_hash), PLACE, data, owner)) as shown:
                async for html, going in shown:
                    yield html, gr.update(interactive=going)

        self.file.upload(dropped, self.file, [*form.values(), self.found, self.row, self.verdict], **SETTLED)
        self.file.clear(lambda: ("", gr.update(visible=False), ""), None, [self.found, self.row, self.verdict], **QUICK)
        self.verify.click(check, [self.file, remember.state], [self.verdict, self.stop], **SETTLED)
        self.stop.click(stopper(running, PLACE), None, None, **QUICK)


async def verified(
    context: AppContext, running: Running, session: str, place: str, data: bytes, owner: str
) -> AsyncGenerator[tuple[str, bool]]:
    """What to show of a verification at this place, and whether it goes on."""
    token = running.start(session, place)
    last = ""
    try:
        async with aclosing(verifying(context, data, owner, token)) as shown:
            async for last in shown:
                if running.holds(session, place, token):  # a newer one shows its own
                    yield last, True
    finally:
        current = running.holds(session, place, token)
        running.finish(session, place, token)
    if current:
        yield last, False


def stopper(running: Running, place: str) -> Any:
    """A handler that stops what runs at this place."""

    def stop(request: gr.Request) -> None:
        running.stop(str(request.session_hash), place)

    return stop
