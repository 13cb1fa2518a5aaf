"""The public API of planned code: /plan_code asks a model for a plan, /write_code writes it file by file.

Annotations are live here, since gradio reads the hints of each function as objects; a generator carries the hint of one
yield.
"""

import asyncio
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from playground.attach.documents import shown_name
from playground.catalog import ModelCard
from playground.chat.request import check_text
from playground.code.plan import Plan, in_order, plan_as_json, problems_of
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import CancelToken
from playground.ui.api_files import uploaded
from playground.ui.api_shared import model_ids, sentence, told
from playground.ui.code_kept import save_zip
from playground.ui.code_run import Asking, Wish, ask, outline_of, plan_from, request_for
from playground.ui.code_writing import Part, Writing, parts_of, write
from playground.ui.context import AppContext
from playground.ui.owner import owner_of

DEFAULT_MODEL = "starter-phi"


def register_code(context: AppContext) -> None:
    """Adds the functions."""

    async def prepared(model: Any, message: Any, file: Any, **settings: Any) -> tuple[ModelCard, Wish]:
        (card_id,) = model_ids([model] if isinstance(model, str) else model, context, "chat")[:1]
        check_text("message", message)
        name = str(file.get("orig_name") or "project.zip") if isinstance(file, dict) else ""
        outline = await outline_of(shown_name(name), uploaded(file, "project"))
        return context.catalog[card_id], Wish(message, card_id, outline, **settings)

    async def plan_code(  # type: ignore[misc]  # gradio wants the hint of one yield
        message: str = "",
        model: str = DEFAULT_MODEL,
        project: dict | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        max_new_tokens: int | None = None,
        allow_cycles: bool = False,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> dict:
        """A plan of a project, streamed while the model writes it: its files, and what each exports and imports.

        `project` is an uploaded zip of a project to which it belongs; the model sees its outline. Without
        `max_new_tokens` a plan takes at most a quarter of the model's context. A plan with problems is asked for once
        more. Each update is {"state": "planning", "ended" or "stopped", "waiting", "text" (what has come of this try),
        "attempt", "tokens", "seconds", "plan" (JSON text, "" until the end), "problems" (sentences), "notices"}. The
        plan, edited or not, goes to /write_code.
        """
        try:
            card, wish = await prepared(
                model, message, project, temperature=temperature, seed=seed, max_new_tokens=max_new_tokens
            )
            asked, said = await request_for(context.engine, card, wish, owner_of(request, ""))
        except PlaygroundError as error:
            raise told(error) from None
        last: Asking | None = None
        async with aclosing(ask(context.engine, asked, CancelToken(), allow_cycles=bool(allow_cycles))) as states:
            async for state in states:
                last = state
                if state.plan is None and state.failed is None:
                    yield _planning(state, said)
        if last is not None and last.failed is not None:
            raise gr.Error(sentence(last.failed), print_exception=False)
        if last is not None:
            yield _planning(last, said) | {"state": "ended" if last.plan is not None else "stopped"}

    async def check_plan(
        plan: dict | str = "",
        allow_cycles: bool = False,
    ) -> dict:
        """What is wrong with a plan, as sentences, and the order in which its files would be written."""
        try:
            found = await asyncio.to_thread(plan_from, plan)
        except PlaygroundError as error:
            raise told(error) from None
        order = [file.path for file in in_order(found)]
        return {
            "problems": problems_of(found, allow_cycles=bool(allow_cycles)),
            "order": order,
            "plan": plan_as_json(found),
        }

    async def write_code(  # type: ignore[misc]
        plan: dict | str = "",
        message: str = "",
        model: str = DEFAULT_MODEL,
        done: dict | None = None,
        project: dict | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        max_new_tokens: int | None = None,
        allow_cycles: bool = False,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """The files of a plan, written one after the other and streamed; nothing that was written is run.

        `plan` is that of /plan_code or one of your own, as an object or as JSON text. `done` holds the texts of files
        that exist already, by path: they are shown to the others and not written, unless they lack a name that the plan
        promises. Each update is {"state": "writing", "ended" or "stopped", "waiting", "writing" (the path under way),
        "files", "report", "zip", "notices"}. A file is {"file" (its path), "state": "waiting", "writing", "done",
        "not whole" or "lacks names", "attempt", "text", "error", "missing", "tokens", "seconds", "tokens_per_s"}. The
        last update has the report of the check over all whole files and a zip of them to download, None where there are
        none.
        """
        try:
            card, wish = await prepared(
                model, message, project, temperature=temperature, seed=seed, max_new_tokens=max_new_tokens
            )
            found = await asyncio.to_thread(plan_from, plan)
            parts = await asyncio.to_thread(parts_of, found, _existing(found, done))
            asked, said = await request_for(context.engine, card, wish, owner_of(request, ""), found)
            stream = write(context.engine, asked, found, parts, CancelToken(), allow_cycles=bool(allow_cycles))
            async with aclosing(stream) as states:
                async for state in states:
                    if state.failed is not None:
                        raise gr.Error(sentence(state.failed), print_exception=False)
                    if not state.over:
                        yield _writing(state, said, None)
                        continue
                    path = await asyncio.to_thread(save_zip, context.settings, state.zip, wish.message)
                    yield _writing(state, said, path)
        except PlaygroundError as error:
            raise told(error) from None

    for function in (plan_code, check_plan, write_code):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _existing(plan: Plan, done: Any) -> dict[str, Part]:
    """The texts of files that a caller has already.

    Raises:
        InvalidRequest: it is no object of texts by path, or a path is not in the plan.
    """
    if done is None:
        return {}
    if not isinstance(done, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in done.items()):
        raise InvalidRequest("done must hold the texts of files by path.", 'For example {"main.py": "print(1)"}.')
    for path, text in done.items():
        if plan.file(path) is None:
            raise InvalidRequest(f"done names {path[:100]!r}, which the plan does not have.", "Leave it out.")
        check_text(f"{PurePosixPath(path).name[:100]} in done", text)
    return {path: Part(path, "done", text) for path, text in done.items()}


def _planning(state: Asking, said: tuple[str, ...]) -> dict[str, Any]:
    return {
        "state": "planning",
        "waiting": state.waiting,
        "text": state.text,
        "attempt": state.attempt,
        "tokens": state.tokens,
        "seconds": round(state.seconds, 3),
        "plan": "" if state.plan is None else plan_as_json(state.plan),  # gradio takes an object with a path for a file
        "problems": list(state.problems),
        "notices": [*said, *state.notices],
    }


def _writing(state: Writing, said: tuple[str, ...], path: Path | None) -> dict[str, Any]:
    report = state.report
    file = None if path is None else FileData(path=str(path), orig_name=path.name, mime_type="application/zip")
    return {
        "state": "writing" if not state.over else "stopped" if state.stopped else "ended",
        "waiting": state.waiting if state.now else "",
        "writing": state.now,
        "files": [_row(part) for part in state.parts.values()],
        "report": None
        if report is None
        else {"ok": report.ok, "summary": report.summary, "problems": [_named(asdict(one)) for one in report.problems]},
        "zip": None if file is None else file.model_dump(),
        "notices": [*said, *state.notices],
    }


def _row(part: Part) -> dict[str, Any]:
    row = _named(asdict(replace(part, text=part.shown, seconds=round(part.seconds, 3))))
    del row["live"]
    return row


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its path as "file": gradio would take it for a file to download."""
    return {"file": row.pop("path"), **row}
