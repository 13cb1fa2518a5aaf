"""What the panel beside the columns does: open, search, rename, copy, delete, export, import, and prompts."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.talks.columns import branched
from playground.talks.exchange import export, import_file
from playground.talks.prompts import Prompt, Prompts, fill, variables
from playground.ui.chat_desk import Desk
from playground.ui.chat_side import choices, nothing
from playground.ui.chat_steps import Given, problem_html
from playground.ui.outputs import outputs_folder
from playground.ui.owner import owner_of
from playground.ui.remember import owner_in
from playground.ui.words import note

if TYPE_CHECKING:
    from playground.ui.chat_tab import ChatTab

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SKIP = gr.skip()
LISTED = 60
WAIT_S, WAITS = 0.1, 30  # for an answer of a window that was just closed to end


class SideSteps:
    """The panel's steps."""

    def __init__(self, tab: ChatTab) -> None:
        self._tab, self._steps, self._side = tab, tab.steps, tab.side
        self._prompts: Prompts | None = None
        self._visible = gr.Checkbox(False, visible=False, elem_id="chat_side_open")
        side, state = tab.side, tab.common[1]
        listing = [side.listed, side.none, side.title, side.note]
        opening = [*tab.view_of_all, tab.shown, tab.opened, *tab.target_parts, *tab.settings.parts, tab.chips, tab.say,
                   tab.send, tab.stop, *listing]  # fmt: skip

        def toggle(visible: bool) -> list[Any]:
            return [not visible, gr.update(visible=not visible)]

        shown = tab.open_side.click(toggle, self._visible, [self._visible, side.box], **QUICK)
        shown.then(self._list, [side.search, tab.opened, state], listing, **QUICK)
        shown.then(self._list_prompts, state, side.prompt, **QUICK)
        side.search.change(self._list, [side.search, tab.opened, state], listing, trigger_mode="always_last", **QUICK)
        side.listed.input(self._open, [side.listed, side.search, *tab.common], opening, **QUICK)
        for button in (side.new, tab.clear):
            button.click(self._new, [side.search, *tab.common], opening, **QUICK)
        side.rename.click(self._rename, [side.title, side.search, tab.opened, state], listing, **QUICK)
        side.title.submit(self._rename, [side.title, side.search, tab.opened, state], listing, **QUICK)
        side.copy.click(self._copy, [side.search, *tab.common], opening, **QUICK)
        self._deleted = gr.Textbox("", visible=False, elem_id="chat_deleted")
        gone = [*opening, self._deleted, side.restore]
        side.delete.click(self._delete, [side.search, *tab.common], gone, **QUICK)
        side.restore.click(self._restore, [self._deleted, side.search, *tab.common], gone, **QUICK)
        for handout, form in ((side.as_json, "json"), (side.as_markdown, "markdown")):
            handout.click(self._exporter(form), tab.common, [handout, side.note], **QUICK)
        side.load.upload(self._import, [side.load, side.search, *tab.common], opening, **QUICK)
        for i, column in enumerate(tab.columns):
            column.branch.click(self._brancher(i), [side.search, *tab.common], opening, **QUICK)

        side.prompt.input(self._show_variables, [side.prompt, state], side.variables, **QUICK)
        side.use.click(self._use, [side.prompt, side.variables, tab.box, state], [tab.box, side.note], **QUICK)
        kept = [side.prompt, side.prompt_name, side.note]
        side.keep_prompt.click(self._keep_prompt, [side.prompt_name, tab.box, state], kept, **QUICK)
        side.drop_prompt.click(self._drop_prompt, [side.prompt, state], [side.prompt, side.note], **QUICK)
        self._opening, self._inputs = opening, [side.search, *tab.common]

    # --- what is listed ---

    async def _list(self, request: gr.Request, query: str, opened: str, state: Any, said: str = "") -> list[Any]:
        owner = owner_of(request, owner_in(state))
        kept = self._steps.desks.kept
        try:
            found: list[Any] = await asyncio.to_thread(
                lambda: kept.search(owner, query, LISTED) if query.strip() else kept.listed(owner, LISTED)
            )
        except PlaygroundError as error:
            return [SKIP, SKIP, SKIP, problem_html(error)]
        listed = choices(found)
        title = next((one.title for one in found if not query.strip() and one.id == opened), None)
        here = opened if any(value == opened for _, value in listed) else None
        return [
            gr.update(choices=listed, value=here),
            gr.update(value=nothing(bool(query.strip())), visible=not listed),
            SKIP if title is None else title,
            said,
        ]

    async def _opened(
        self, request: gr.Request, desk: Desk, search: str, values: Any, said: str = "", *, form: bool = True
    ) -> list[Any]:
        """All that changes when another conversation comes onto the desk."""
        given = Given.of(values)
        session = str(request.session_hash)
        for _ in range(WAITS):  # what the last window still wrote ends soon
            if not any(c.tree.running for c in desk.talk.columns) or self._tab.steps.running.any(session, "chat-"):
                break
            await asyncio.sleep(WAIT_S)
        target, settings = self._steps.values(desk, given.form)
        to, _ = self._tab.targets(desk)
        busy = self._tab.steps.running.any(session, "chat-")
        listed = await self._list(request, search, desk.id, given.state, said)
        listed[2] = desk.title
        return [
            *self._tab.everything(request, desk),
            desk.talk.shown,
            desk.id,
            to,
            {**to, "value": target},
            *(settings if form else [SKIP] * len(settings)),
            await self._steps.chips(desk),
            "",
            gr.update(interactive=not busy),
            gr.update(interactive=busy),
            *listed,
        ]

    def _wrong(self, error: PlaygroundError, extra: int = 0) -> list[Any]:
        return [*([SKIP] * (len(self._opening) - 1)), problem_html(error), *([SKIP] * extra)]

    async def load(self, request: gr.Request, search: str, *values: Any) -> list[Any]:
        """Shows what was open when the page was last left, or an empty conversation."""
        desk = await self._steps.desk(request, Given.of(values))
        return await self._opened(request, desk, search, values, form=bool(desk.id))

    @property
    def loading(self) -> tuple[list[Any], list[Any]]:
        """(inputs, outputs) of `load`."""
        return self._inputs, self._opening

    # --- conversations ---

    async def _open(self, request: gr.Request, wanted: str, search: str, *values: Any) -> list[Any]:
        given = Given.of(values)
        session, owner = str(request.session_hash), owner_of(request, owner_in(given.state))
        self._steps.running.stop(session, "chat-")
        try:
            desk = await self._steps.desks.open(session, owner, wanted)
        except PlaygroundError as error:
            return self._wrong(error)
        return await self._opened(request, desk, search, values)

    async def _new(self, request: gr.Request, search: str, *values: Any) -> list[Any]:
        desk = self._steps.fresh(request, Given.of(values))
        return await self._opened(request, desk, search, values, form=False)

    async def _rename(self, request: gr.Request, title: str, search: str, opened: str, state: Any) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        held = self._steps.desks.held(str(request.session_hash))
        try:
            if not opened:
                raise InvalidRequest("This conversation is still empty.", "Ask something first.")
            summary = await asyncio.to_thread(lambda: self._steps.desks.kept.rename(owner, opened, title))
        except PlaygroundError as error:
            return [SKIP, SKIP, SKIP, problem_html(error)]
        if held is not None and held.id == opened:
            held.title = summary.title
        return await self._list(request, search, opened, state, note("Renamed."))

    async def _copy(self, request: gr.Request, search: str, *values: Any) -> list[Any]:
        given = Given.of(values)
        session, owner = str(request.session_hash), owner_of(request, owner_in(given.state))
        try:
            desk = await self._steps.desk(request, given)
            if not desk.id:
                raise InvalidRequest("This conversation is still empty.", "Ask something first.")
            summary = await asyncio.to_thread(lambda: self._steps.desks.kept.copy(owner, desk.id))
            copied = await self._steps.desks.open(session, owner, summary.id)
        except PlaygroundError as error:
            return self._wrong(error)
        return await self._opened(request, copied, search, values, note("This is the copy."))

    async def _delete(self, request: gr.Request, search: str, *values: Any) -> list[Any]:
        given = Given.of(values)
        owner = owner_of(request, owner_in(given.state))
        desk = await self._steps.desk(request, given)
        gone = desk.id
        try:
            if not gone:
                raise InvalidRequest("This conversation is still empty.", "There is nothing to delete.")
            await asyncio.to_thread(lambda: self._steps.desks.kept.delete(owner, gone))
        except PlaygroundError as error:
            return self._wrong(error, 2)
        fresh = self._steps.fresh(request, given)
        said = note("Deleted. It can be brought back for 30 days.")
        opened = await self._opened(request, fresh, search, values, said, form=False)
        return [*opened, gone, gr.update(visible=True)]

    async def _restore(self, request: gr.Request, gone: str, search: str, *values: Any) -> list[Any]:
        given = Given.of(values)
        session, owner = str(request.session_hash), owner_of(request, owner_in(given.state))
        try:
            await asyncio.to_thread(lambda: self._steps.desks.kept.restore(owner, gone))
            desk = await self._steps.desks.open(session, owner, gone)
        except PlaygroundError as error:
            return self._wrong(error, 2)
        return [*await self._opened(request, desk, search, values), "", gr.update(visible=False)]

    def _brancher(self, i: int) -> Any:
        async def branch(request: gr.Request, search: str, *values: Any) -> list[Any]:
            given = Given.of(values)
            session, owner = str(request.session_hash), owner_of(request, owner_in(given.state))
            try:
                desk = await self._steps.desk(request, given)
                node = self._steps.view.acted_on(desk, i)
                if node is None:
                    raise InvalidRequest("There is no turn to branch at.", "Write a message first.")
                title = f"{desk.title} (branch)" if desk.title else ""
                new = self._steps.desks.put(session, owner, branched(desk.talk, i, node.id), title)
                await self._steps.desks.save(new)
            except PlaygroundError as error:
                return self._wrong(error)
            said = note("This is the branch; the conversation it came from is in the list.")
            return await self._opened(request, new, search, values, said)

        return branch

    # --- files ---

    def _exporter(self, form: Any) -> Any:
        async def hand_out(request: gr.Request, *values: Any) -> list[Any]:
            try:
                desk = await self._steps.desk(request, Given.of(values))
                if desk.empty:
                    raise InvalidRequest("This conversation is still empty.", "Ask something first.")
                found = await asyncio.to_thread(export, desk.talk, desk.title, form)
            except PlaygroundError as error:
                return [SKIP, problem_html(error)]
            folder: Path = outputs_folder(self._tab.context.settings) / "chat" / secrets.token_hex(8)
            path = await asyncio.to_thread(self._steps.file, found.name, found.data, folder)
            return [gr.update(value=path), note(f"{found.name} is ready: press the button again to save it.")]

        return hand_out

    async def _import(self, request: gr.Request, path: str, search: str, *values: Any) -> list[Any]:
        given = Given.of(values)
        session, owner = str(request.session_hash), owner_of(request, owner_in(given.state))
        try:
            data = await asyncio.to_thread(Path(path).read_bytes)
            found = await asyncio.to_thread(import_file, data, given.models[0] or "")
            desk = self._steps.desks.put(session, owner, found.talk, found.title)
            await self._steps.desks.save(desk)
        except PlaygroundError as error:
            return self._wrong(error)
        said = note("Imported.") + "".join(map(note, found.notes))
        return await self._opened(request, desk, search, values, said)

    # --- prompts ---

    @property
    def prompts(self) -> Prompts:
        if self._prompts is None:
            self._prompts = Prompts(self._tab.context.store())
        return self._prompts

    async def _prompt_choices(self, owner: str) -> list[tuple[str, str]]:
        found = await asyncio.to_thread(lambda: self.prompts.listed(owner))
        return [(f"{p.name} (comes with the app)" if p.shipped else p.name, p.id) for p in found]

    async def _list_prompts(self, request: gr.Request, state: Any) -> Any:
        return gr.update(choices=await self._prompt_choices(owner_of(request, owner_in(state))))

    async def _prompt(self, request: gr.Request, prompt_id: str | None, state: Any) -> Prompt:
        if not prompt_id:
            raise InvalidRequest("No prompt is chosen.", "Choose one above.")
        owner = owner_of(request, owner_in(state))
        return await asyncio.to_thread(lambda: self.prompts.get(owner, prompt_id))

    async def _show_variables(self, request: gr.Request, prompt_id: str | None, state: Any) -> Any:
        try:
            names = variables((await self._prompt(request, prompt_id, state)).text)
        except PlaygroundError:
            names = ()  # it was deleted in another window; using it says so
        return gr.update(visible=bool(names), value="\n".join(f"{name}: " for name in names), lines=max(2, len(names)))

    async def _use(self, request: gr.Request, prompt_id: str | None, given: str, box: str, state: Any) -> list[Any]:
        try:
            prompt = await self._prompt(request, prompt_id, state)
            values = values_of(given, variables(prompt.text))
            if "text" in variables(prompt.text) and not values.get("text", "").strip():
                values["text"] = box  # what is in the box is what the prompt is about
            return [fill(prompt.text, values), ""]
        except PlaygroundError as error:
            return [SKIP, problem_html(error)]

    async def _keep_prompt(self, request: gr.Request, name: str, box: str, state: Any) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        try:
            kept = await asyncio.to_thread(lambda: self.prompts.add(owner, name, box))
        except PlaygroundError as error:
            return [SKIP, SKIP, problem_html(error)]
        return [gr.update(choices=await self._prompt_choices(owner), value=kept.id), "", note(f"Kept as {kept.name}.")]

    async def _drop_prompt(self, request: gr.Request, prompt_id: str | None, state: Any) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        try:
            prompt = await self._prompt(request, prompt_id, state)
            await asyncio.to_thread(lambda: self.prompts.delete(owner, prompt.id))
        except PlaygroundError as error:
            return [SKIP, problem_html(error)]
        said = note(f"{prompt.name} is deleted.")
        return [gr.update(choices=await self._prompt_choices(owner), value=None), said]


def values_of(given: str, names: tuple[str, ...]) -> dict[str, str]:
    """Values from lines `name: value`; lines without a name go on with the value before them."""
    found: dict[str, str] = {}
    name = ""
    for line in given.splitlines():
        start, colon, rest = line.partition(":")
        if colon and start.strip() in names:
            name = start.strip()
            found[name] = rest.strip()
        elif name:
            found[name] += "\n" + line
    return found
