"""The Code section: a plan from a model or by hand, then its files one by one, checked and packed. Runs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from playground.attach.documents import Document, shown_name
from playground.catalog import ModelCard
from playground.code.plan import plan_as_json
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import Failed
from playground.ui.code_html import EMPTY, asking_html, ended_html, files_html, report_html, writing_html
from playground.ui.code_kept import Project, Projects, with_files
from playground.ui.code_layout import EXAMPLES, lay_out
from playground.ui.code_projects import PLACE, Past
from playground.ui.code_run import Asking, Wish, ask, outline_of, request_for
from playground.ui.code_view import Seen, Updates, View, seen_of
from playground.ui.code_writing import Part, Writing, write
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, between, flag, one_of, owner_in, text
from playground.ui.running import Running
from playground.ui.words import chat_figures, note, problem, seconds, waiting

MOST_FILE = 20_000_000
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# Where the form stands above what comes of it, a press would change nothing in sight.
TO_RESULTS = """() => {
    const results = document.querySelector("#code_row > :nth-child(2)");
    if (window.innerWidth < 1000 && results) results.scrollIntoView();
}"""
LONG: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}


@dataclass(frozen=True)
class Form:
    """The fields of a request, in the order of `Layout.form`."""

    message: str
    model: str
    file: str | None
    seed: float | None
    most: float | None
    temperature: float | None
    circles: bool

    def wish(self, outline: Document | None) -> Wish:
        return Wish(self.message or "", self.model, outline, self.temperature, _whole(self.seed), _whole(self.most))


class CodeTab:
    """What the page needs of this section: `model`, to label its choices, and `wire`."""

    def __init__(self, context: AppContext, running: Running, remember: Remember) -> None:
        self._context, self._running = context, running
        self._projects = Projects(context.settings.data_path / "code")
        self._live: dict[str, Writing] = {}  # by session, while files are written
        self._picked: dict[str, str] = {}  # by session: the file that is looked at meanwhile
        self._page = page = lay_out(context)
        self._view = View(page, context.settings)
        self._past = Past(self._view, self._projects, running)
        self._state = remember.state
        self.model = page.model
        remember.keep("code.message", page.message, text)
        remember.keep("code.model", page.model, one_of([card.id for card in context.catalog.of_kind("chat")]))
        remember.keep("code.seed", page.seed, between(0, 2**63, empty=True))
        remember.keep("code.most", page.most, between(1, 1_000_000, empty=True))
        remember.keep("code.temperature", page.temperature, between(0, 5, empty=True))
        remember.keep("code.circles", page.circles, flag)

        asked = [page.id, page.editor, self._state, *page.form]
        shown = [
            page.status, page.table, page.editor, page.files, page.report, page.zip, page.view, page.plan, page.write,
            page.again, page.stop, page.id, page.message, page.fold,
        ]  # fmt: skip
        self._shown = shown
        for button, example in zip(page.examples, EXAMPLES, strict=True):
            button.click(fn=None, js=f"() => {example!r}", outputs=page.message)
        edits: dict[str, Any] = {**QUICK, "trigger_mode": "always_last"}
        page.by_hand.click(self._past.example, None, [page.id, page.editor, page.message], **QUICK).then(
            self._edited, asked, shown, **QUICK
        ).then(self._past.listed, [self._state, page.id], page.earlier, **QUICK)
        gr.on([page.editor.input, page.circles.input], self._edited, asked, shown, **edits)
        page.editor.blur(self._past.listed, [self._state, page.id], page.earlier, **QUICK)
        page.project.clear(self._past.without_outline, [page.id, self._state], None, **QUICK)
        runs = [
            page.plan.click(self._plan, asked, shown, **LONG),
            page.write.click(self._write, asked, shown, **LONG),
            page.again.click(self._write_again, asked, shown, **LONG),
            page.earlier.input(self._past.open, [page.earlier, self._state, page.circles], shown, **QUICK),
            page.new.click(self._past.new, None, shown, **QUICK),
            page.delete.click(self._past.delete, [page.id, self._state], shown, **QUICK),
        ]
        for event in runs:
            event.then(self._past.listed, [self._state, page.id], page.earlier, **QUICK)
        for button in (page.plan, page.write, page.again):
            button.click(fn=None, js=TO_RESULTS)
        page.stop.click(self._stop, **QUICK)
        page.files.click(self._show, [page.id, self._state], [page.files, page.view], **QUICK)

    def wire(self, ready: Any) -> None:
        """Brings the visitor's last project back once the page knows whose it is."""
        page = self._page
        back = ready.then(self._past.restore, [self._state, page.message, page.circles], self._shown, **QUICK)
        back.then(self._past.listed, [self._state, page.id], page.earlier, **QUICK)

    # --- a plan ---

    async def _edited(self, project_id: str, plan: str, state: Any, request: gr.Request, *form: Any) -> Updates:
        """Reads the plan again as it was typed, and keeps it."""
        page, asked = self._page, Form(*form)
        if self._running.any(str(request.session_hash), PLACE):
            return {page.id: gr.skip()}
        owner, plan = owner_of(request, owner_in(state)), plan or ""
        try:
            project = await asyncio.to_thread(self._with_plan, owner, project_id, plan, asked)
        except PlaygroundError as error:
            return {page.status: problem(Failed.of(error))}
        seen = await asyncio.to_thread(seen_of, plan, project.files, asked.circles)
        buttons = self._view.buttons(False, seen)
        del buttons[page.editor]  # it is being typed in
        return {
            **buttons,
            page.id: project.id,
            page.table: seen.html,
            page.status: "",
            page.files: files_html(seen.parts, "") if seen.begun else "",
            **({} if seen.begun else {page.view: gr.update(visible=False)}),
        }

    def _with_plan(
        self, owner: str, project_id: str, plan: str, asked: Form, outline: Document | None = None
    ) -> Project:
        """The project, or a new one, with what the page shows of plan and request."""

        def filled(project: Project) -> Project:
            return replace(
                project,
                plan=plan,
                message=asked.message or "",
                model=asked.model or "",
                outline=outline or project.outline,
            )

        if project_id:
            try:
                return self._projects.change(owner, project_id, filled)
            except InvalidRequest:  # deleted elsewhere: what is on the page is kept as a new one
                pass
        if not plan.strip():
            return Project("")
        return self._projects.begun(
            owner, plan=plan, message=asked.message or "", model=asked.model or "", outline=outline
        )

    async def _plan(
        self, project_id: str, plan: str, state: Any, request: gr.Request, *form: Any
    ) -> AsyncIterator[Updates]:
        """Asks for a plan. The one in the editor stays until there is another."""
        page, asked = self._page, Form(*form)
        session, owner = str(request.session_hash), owner_of(request, owner_in(state))
        token = self._running.start(session, PLACE)
        last: Asking | None = None
        try:
            seen = await asyncio.to_thread(seen_of, plan or "", {}, asked.circles)
            yield {**self._view.buttons(True, seen), page.status: waiting("Starting")}
            outline = await self._outline(asked)
            wanted, said = await request_for(self._context.engine, self._card(asked), asked.wish(outline), owner)
            written = ""
            async with aclosing(ask(self._context.engine, wanted, token, allow_cycles=bool(asked.circles))) as states:
                async for last in states:
                    update: Updates = {page.status: asking_html(last)}
                    if last.text != written:
                        written = last.text
                        update[page.view] = self._view.plan_code("The plan as it comes", written)
                    yield update
            if not self._running.holds(session, PLACE, token):
                return
            if last is None or last.plan is None:
                yield self._unplanned(last, seen)
                return
            made = plan_as_json(last.plan)
            project = await asyncio.to_thread(
                lambda: self._projects.begun(
                    owner, plan=made, message=asked.message or "", model=asked.model or "", outline=outline
                )
            )
            line = f"Planned in {seconds(last.seconds)}. Change the plan where you like, then press Write."
            figures = chat_figures(last.stats) if last.stats is not None else ""
            yield {
                **await self._view.all_of(project, bool(asked.circles)),
                page.status: "".join(map(note, [*said, *last.notices, line])) + figures,
            }
        except PlaygroundError as error:
            yield {**self._view.buttons(False, seen), page.status: problem(Failed.of(error))}
        finally:
            self._running.finish(session, PLACE, token)

    def _unplanned(self, last: Asking | None, seen: Seen) -> Updates:
        """Why there is no plan; what had come of it stays on the page, and so does the plan before."""
        page = self._page
        arrived = last is not None and bool(last.text)
        if last is not None and last.failed is not None:
            said = problem(last.failed)
        else:
            said = note("Stopped." + (" What had come of the plan is shown below." if arrived else ""))
        update: Updates = {**self._view.buttons(False, seen), page.status: said}
        if arrived:
            update[page.view] = self._view.plan_code("What had come of the plan", last.text)  # type: ignore[union-attr]
        return update

    # --- files ---

    async def _write_again(
        self, project_id: str, plan: str, state: Any, request: gr.Request, *form: Any
    ) -> AsyncIterator[Updates]:
        """All files anew, as a project of its own: what was finished before stays under the earlier ones."""
        async with aclosing(self._run(project_id, plan, state, request, Form(*form), anew=True)) as updates:
            async for update in updates:
                yield update

    async def _write(
        self, project_id: str, plan: str, state: Any, request: gr.Request, *form: Any
    ) -> AsyncIterator[Updates]:
        """The files that are missing, not whole, or lack names that the plan promises."""
        async with aclosing(self._run(project_id, plan, state, request, Form(*form))) as updates:
            async for update in updates:
                yield update

    async def _run(
        self, project_id: str, text: str, state: Any, request: gr.Request, asked: Form, anew: bool = False
    ) -> AsyncGenerator[Updates]:
        page = self._page
        session, owner = str(request.session_hash), owner_of(request, owner_in(state))
        token = self._running.start(session, PLACE)
        seen = Seen(None, (), {}, EMPTY)
        project = Project("")
        files: Writing | None = None
        try:
            yield {page.status: waiting("Starting"), page.stop: gr.update(interactive=True)}
            outline = await self._outline(asked)
            project = await asyncio.to_thread(self._project, owner, project_id, text or "", asked, outline, anew)
            seen = await asyncio.to_thread(seen_of, project.plan, project.files, bool(asked.circles))
            if seen.plan is None:
                raise InvalidRequest("There is no plan to write.", "Press Plan, or write one in the box.")
            yield {
                **self._view.buttons(True, seen),
                page.id: project.id,
                page.table: seen.html,
                page.report: "",
                page.fold: gr.update(open=False),
            }
            wish, card = asked.wish(project.outline), self._card(asked)
            wanted, said = await request_for(self._context.engine, card, wish, owner, seen.plan)
            self._picked.pop(session, None)
            stream = write(self._context.engine, wanted, seen.plan, seen.parts, token, allow_cycles=bool(asked.circles))
            drawn: dict[Any, Any] = {}
            async with aclosing(stream) as states:
                async for files in states:
                    self._live[session] = files
                    if files.fresh:
                        project = await self._kept(owner, project, files)
                    if not files.over and self._running.holds(session, PLACE, token):
                        yield self._changed(self._moment(session, files), drawn)
            if files is None or not self._running.holds(session, PLACE, token):
                return
            seen = replace(seen, parts=files.parts)
            ended = problem(files.failed) if files.failed else ended_html(files.parts, files.stopped)
            yield {
                **self._view.buttons(False, seen),
                page.status: "".join(map(note, [*said, *files.notices])) + ended,
                **self._looked_at(session, files),
                page.report: report_html(files.report),
                page.zip: await self._view.zip(files.zip, project.message),
            }
        except PlaygroundError as error:
            seen = seen if seen.plan else await asyncio.to_thread(seen_of, text or "", {}, bool(asked.circles))
            yield {**self._view.buttons(False, seen), page.status: problem(Failed.of(error))}
        finally:
            self._running.finish(session, PLACE, token)
            if files is not None:
                if self._live.get(session) is files:
                    del self._live[session]
                    self._picked.pop(session, None)
                if not files.over:  # the page was left
                    files.cut()
                    await self._kept(owner, project, files)

    def _project(
        self, owner: str, project_id: str, plan: str, asked: Form, outline: Document | None, anew: bool
    ) -> Project:
        """The one whose files are written; with `anew` another of the same plan."""
        if anew and outline is None and project_id:
            outline = self._projects.found(owner, project_id).outline
        return self._with_plan(owner, "" if anew else project_id, plan, asked, outline)

    async def _kept(self, owner: str, project: Project, files: Writing) -> Project:
        """Keeps what is finished; a project that was deleted meanwhile stays so."""
        files.fresh.clear()
        try:
            return await asyncio.to_thread(
                self._projects.change, owner, project.id, lambda before: with_files(before, files.parts)
            )
        except InvalidRequest:
            return project

    def _moment(self, session: str, files: Writing) -> Updates:
        return {self._page.status: writing_html(files), **self._looked_at(session, files)}

    def _looked_at(self, session: str, files: Writing) -> Updates:
        """The list, and the file that was picked, else the one that is written or was last."""
        last = files.now or next((path for path in reversed(files.order) if files.parts[path].text), "")
        path = self._picked.get(session, last)
        part = files.parts.get(path, Part(""))
        return {self._page.files: files_html(files.parts, path), self._page.view: self._view.code(path, part.shown)}

    def _changed(self, updates: Updates, drawn: Updates) -> Updates:
        """Those that differ from what is drawn: a list that is drawn anew under the hand cannot be clicked."""
        found = {part: value for part, value in updates.items() if drawn.get(part) != value}
        drawn.update(found)
        return found or {self._page.id: gr.skip()}

    async def _show(self, project_id: str, state: Any, request: gr.Request, event: gr.EventData) -> Updates:
        """Shows the file whose name was clicked, also while others are written."""
        page, path = self._page, str(event._data.get("key", ""))
        session, owner = str(request.session_hash), owner_of(request, owner_in(state))
        live = self._live.get(session)
        if live is not None:
            if path == live.now:
                self._picked.pop(session, None)  # follows again
            elif path in live.parts:
                self._picked[session] = path
            return self._looked_at(session, live)
        try:
            project = await asyncio.to_thread(self._projects.found, owner, project_id)
        except PlaygroundError:
            return {page.view: gr.skip()}
        seen = await asyncio.to_thread(seen_of, project.plan, project.files, True)
        part = seen.parts.get(path, Part(""))
        return {page.files: files_html(seen.parts, path), page.view: self._view.code(part.path, part.text)}

    def _stop(self, request: gr.Request) -> None:
        self._running.stop(str(request.session_hash), PLACE)

    # --- small ---

    def _card(self, asked: Form) -> ModelCard:
        if not asked.model:
            raise InvalidRequest("No model is chosen.", "Choose one under Model.")
        return self._context.catalog[asked.model]

    async def _outline(self, asked: Form) -> Document | None:
        if not asked.file:
            return None
        path = Path(asked.file)

        def data() -> bytes:
            with path.open("rb") as opened:
                found = opened.read(MOST_FILE + 1)
            if len(found) > MOST_FILE:
                raise InvalidRequest(f"{path.name} has over {MOST_FILE // 10**6} MB.", "Pack fewer files.")
            return found

        return await outline_of(shown_name(path.name), await asyncio.to_thread(data))


def build_code(context: AppContext, running: Running, remember: Remember) -> CodeTab:
    """Adds the section's contents."""
    return CodeTab(context, running, remember)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
