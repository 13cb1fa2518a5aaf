"""Earlier projects of the Code section: they come back on a reload, are opened, deleted, and begun anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import Failed
from playground.ui.code_kept import Project, Projects
from playground.ui.code_layout import BY_HAND, EXAMPLE
from playground.ui.code_view import Updates, View
from playground.ui.owner import owner_of
from playground.ui.remember import owner_in
from playground.ui.running import Running
from playground.ui.words import note, problem

PLACE = "code"


class Past:
    """Handlers around a visitor's projects; none of them touches one that is being written."""

    def __init__(self, view: View, projects: Projects, running: Running) -> None:
        self._view, self._projects, self._running = view, projects, running

    async def restore(self, state: Any, message: str, circles: bool, request: gr.Request) -> Updates:
        owner = owner_of(request, owner_in(state))
        project = await asyncio.to_thread(self._projects.last, owner)
        if project is None or self._running.any(str(request.session_hash), PLACE):
            return {self._view.page.id: gr.skip()}
        update = await self._view.all_of(project, bool(circles))
        return update if message else update | {self._view.page.message: project.message}

    async def open(self, project_id: str | None, state: Any, circles: bool, request: gr.Request) -> Updates:
        page = self._view.page
        if self._running.any(str(request.session_hash), PLACE):
            return {page.status: note("Stop what is written first.")}
        try:
            project = await asyncio.to_thread(
                self._projects.found, owner_of(request, owner_in(state)), project_id or ""
            )
        except PlaygroundError as error:
            return {page.status: problem(Failed.of(error))}
        return await self._view.all_of(project, bool(circles)) | {page.message: project.message}

    async def new(self, request: gr.Request) -> Updates:
        page = self._view.page
        if self._running.any(str(request.session_hash), PLACE):
            return {page.status: note("Stop what is written first.")}
        return await self._view.all_of(Project(""), False) | {page.message: ""}

    async def delete(self, project_id: str, state: Any, request: gr.Request) -> Updates:
        page = self._view.page
        if self._running.any(str(request.session_hash), PLACE):
            return {page.status: note("Stop what is written first.")}
        if not project_id:
            return {page.status: note("There is nothing to delete: no project is open.")}
        await asyncio.to_thread(self._projects.delete, owner_of(request, owner_in(state)), project_id)
        return await self._view.all_of(Project(""), False) | {page.status: note("The project is deleted.")}

    async def listed(self, state: Any, project_id: str, request: gr.Request) -> Any:
        projects = await asyncio.to_thread(self._projects.listed, owner_of(request, owner_in(state)))
        choices = [(_line(project), project.id) for project in projects]
        return gr.update(choices=choices, value=project_id if any(project_id == one.id for one in projects) else None)

    async def without_outline(self, project_id: str, state: Any, request: gr.Request) -> None:
        if project_id:
            owner = owner_of(request, owner_in(state))
            try:
                await asyncio.to_thread(self._projects.change, owner, project_id, lambda p: replace(p, outline=None))
            except InvalidRequest:
                return  # there is no project that could have one

    def example(self, request: gr.Request) -> tuple[Any, Any, Any]:
        """A plan by hand, as a project of its own."""
        if self._running.any(str(request.session_hash), PLACE):
            return gr.skip(), gr.skip(), gr.skip()
        return "", EXAMPLE, BY_HAND


def _line(project: Project) -> str:
    """A project in the list of earlier ones."""
    written = sum(not part.error for part in project.files.values())
    return f"{project.title} ({written} file{'s' * (written != 1)})" if written else f"{project.title} (plan)"
