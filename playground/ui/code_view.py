"""What the Code section shows: a plan as it is read, its files, the buttons that make sense. Starts nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from playground.code.plan import Plan, plan_from_json, problems_of
from playground.errors import PlaygroundError
from playground.protocol import Failed
from playground.settings import Settings
from playground.ui.code_html import EMPTY, files_html, language_of, plan_html, report_html
from playground.ui.code_kept import Project, save_zip
from playground.ui.code_layout import Layout
from playground.ui.code_writing import Part, look_over, parts_of
from playground.ui.words import problem

Updates = dict[Any, Any]


@dataclass(frozen=True)
class Seen:
    """A plan as it stands in the editor: `plan` None where it is none, `html` what is shown of it."""

    plan: Plan | None
    problems: Sequence[str]
    parts: Mapping[str, Part]
    html: str

    @property
    def ready(self) -> bool:
        return self.plan is not None and not self.problems

    @property
    def begun(self) -> bool:
        return any(part.kept for part in self.parts.values())


def seen_of(plan: str, files: Mapping[str, Part], circles: bool) -> Seen:
    """What a plan says as it is typed, and what there is of its files."""
    if not plan.strip():
        return Seen(None, (), {}, EMPTY)
    try:
        found = plan_from_json(plan)
    except PlaygroundError as error:
        return Seen(None, (), {}, problem(Failed.of(error)))
    problems = problems_of(found, allow_cycles=circles)
    return Seen(found, problems, parts_of(found, files), plan_html(found, problems))


class View:
    """Updates of the section's components."""

    def __init__(self, page: Layout, settings: Settings) -> None:
        self.page, self._settings = page, settings

    def buttons(self, busy: bool, seen: Seen) -> Updates:
        """Ctrl+Enter presses the one that comes next: Plan while there is no plan to write, then Write."""
        page, ready = self.page, seen.ready

        def styled(first: bool, interactive: bool) -> Any:
            variant, css = ("primary", ["pg-run"]) if first else ("secondary", [])
            return gr.update(interactive=interactive, variant=variant, elem_classes=css)

        return {
            page.plan: styled(not ready, not busy),
            page.write: styled(ready, ready and not busy),
            page.again: gr.update(visible=seen.begun, interactive=ready and not busy),
            page.stop: gr.update(interactive=busy),
            page.editor: gr.update(interactive=not busy),
        }

    def code(self, path: str, content: str) -> Any:
        return gr.update(value=content, label=path or "Code", language=language_of(path), visible=bool(content))

    async def all_of(self, project: Project, circles: bool) -> Updates:
        """All of a project that is not running: plan, files, what was found in them, and the first of them."""
        page = self.page
        seen = await asyncio.to_thread(seen_of, project.plan, project.files, circles)
        shown = next((part for part in seen.parts.values() if part.text), Part(""))
        return {
            **self.buttons(False, seen),
            page.id: project.id,
            page.editor: gr.update(value=project.plan, interactive=True),
            page.table: seen.html,
            page.fold: gr.update(open=not seen.begun),
            page.files: files_html(seen.parts, shown.path) if seen.begun else "",
            page.view: self.code(shown.path, shown.text),
            page.status: "",
            **await self._checked(seen, project.message),
        }

    async def _checked(self, seen: Seen, title: str) -> Updates:
        """The check over what is whole, and the zip of it."""
        page = self.page
        report, data = (None, b"") if seen.plan is None else await look_over(seen.plan, seen.parts)
        return {page.report: report_html(report), page.zip: await self.zip(data, title)}

    async def zip(self, data: bytes, title: str) -> Any:
        path = await asyncio.to_thread(save_zip, self._settings, data, title)
        return gr.update(visible=False) if path is None else gr.update(value=str(path), visible=True)

    def plan_code(self, label: str, content: str) -> Any:
        return gr.update(value=content, label=label, language="json", visible=True)
