"""The public API of batches: look at an input, start, follow, stop, list, read, resume, export and delete.

Annotations are live here, since gradio reads the hints of each function as objects.
"""

import asyncio
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from playground.batches.exporting import table
from playground.batches.kept import Batches
from playground.batches.records import Spec
from playground.batches.running import AT_ONCE
from playground.batches.similar import THRESHOLD, grouped
from playground.batches.totals import comparisons, thinking_tokens, totals
from playground.errors import InvalidRequest, PlaygroundError
from playground.ui.api_files import uploaded
from playground.ui.api_shared import model_ids, sentence, told
from playground.ui.batch_run import Form, Seen, export_file, follow, items_of, spec_of, table_of
from playground.ui.context import AppContext
from playground.ui.owner import owner_of
from playground.ui.running import Running

MIME = {"csv": "text/csv", "jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"}
DEFAULT_MODELS = ["starter-phi"]


def register_batches(context: AppContext) -> None:
    """Adds the functions."""
    running = Running()

    def batches() -> Batches:
        return Batches(context.store())

    def form_with(data: Any, file: Any, **values: Any) -> Form:
        given = uploaded(file, "file")
        if given is None and not isinstance(data, str):
            data = "\n".join(data) if isinstance(data, list) and all(isinstance(d, str) for d in data) else None
        if given is None and data is None:
            raise InvalidRequest("data must be a text, or a list of texts.", "Or upload a file.")
        name = str(file.get("orig_name") or "") if isinstance(file, dict) else ""
        return Form(data if given is None else given, name, **values)

    async def batch_preview(
        data: str = "",
        file: dict | None = None,
        form: str = "",
        column: str = "",
        template: str = "",
        truth: str = "",
        similarity: float = THRESHOLD,
    ) -> dict:
        """What an input holds: its columns, how many prompts, the first five, and the groups of similar ones."""

        def look() -> dict[str, Any]:
            asked = form_with(data, file, form=form)
            found = table_of(asked)
            items, head = items_of(found, column, template, truth)
            first = [{"line": i.line, "prompt": i.prompt, "truth": i.truth} for i in items[:5]]
            groups = [list(group) for group in grouped(items, similarity)]
            return {
                "columns": list(found.columns),
                "count": len(items),
                "first": first,
                "shared": head,
                "groups": groups,
            }

        return await _told(look)

    async def batch_start(  # type: ignore[misc]  # gradio wants the hint of one yield
        data: str = "",
        models: list[str] = DEFAULT_MODELS,
        file: dict | None = None,
        form: str = "",
        column: str = "",
        template: str = "",
        truth: str = "",
        system_prompt: str = "",
        temperature: float | None = None,
        top_p: float | None = None,
        max_new_tokens: int | None = None,
        seed: int | None = None,
        reasoning_effort: str | None = None,
        match: str = "contains",
        reason_once: bool = False,
        reasoner: str = "",
        similarity: float = THRESHOLD,
        groups: list | None = None,
        at_once: int = AT_ONCE,
        name: str = "",
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> dict:
        """Runs every prompt on every model; streams progress with the rows that are new. The same batch is resumed.

        `system_prompt` is shared by all prompts and read once on this machine; `at_once` is for models behind an API.
        """
        ids, owner = model_ids(models, context, "chat"), owner_of(request, "")

        def opened() -> str:
            asked = form_with(
                data,
                file,
                form=form,
                column=column,
                template=template,
                truth=truth,
                prefix=system_prompt,
                models=ids,
                temperature=temperature,
                top_p=top_p,
                max_new_tokens=max_new_tokens,
                seed=seed,
                reasoning_effort=reasoning_effort,
                match=match,
                reason_once=bool(reason_once),
                reasoner=reasoner,
                similarity=similarity,
                groups=_groups(groups),
            )
            return batches().open(owner, spec_of(context, asked), name)

        async with aclosing(_run(owner, await _told(opened), at_once, True)) as states:
            async for state in states:
                yield state

    async def batch_resume(  # type: ignore[misc]
        batch: str = "",
        retry: bool = True,
        at_once: int = AT_ONCE,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Runs what a batch still lacks, with `retry` also what ended in an error; streams like /batch_start."""
        async with aclosing(_run(owner_of(request, ""), batch, at_once, bool(retry))) as states:
            async for state in states:
                yield state

    async def _run(owner: str, batch: str, at_once: int, retry: bool):  # type: ignore[no-untyped-def]
        spec = await _told(lambda: batches().spec(owner, str(batch)))
        token = running.start(owner, f"batch-{batch}")
        try:
            async with aclosing(follow(context, owner, batch, token, remote_at_once=at_once, retry=retry)) as stream:
                async for seen in stream:
                    if seen.failed is not None:
                        raise gr.Error(sentence(seen.failed), print_exception=False)
                    yield _state(spec, seen)
        finally:
            running.finish(owner, f"batch-{batch}", token)

    async def batch_stop(batch: str = "", request: gr.Request = None) -> int:  # type: ignore[assignment]
        """Stops a batch that this caller runs; what is finished stays. Returns how many were stopped."""
        return running.stop(owner_of(request, ""), f"batch-{batch}")

    async def batch_list(request: gr.Request = None) -> list[dict]:  # type: ignore[assignment]
        """The caller's batches, last changed first."""
        found = await _told(lambda: batches().listed(owner_of(request, "")))
        return [asdict(one) | {"created": one.created.isoformat(), "updated": one.updated.isoformat()} for one in found]

    async def batch_rows(batch: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """A batch's rows, the thoughts of its groups, and each model's totals.

        `compared`: with groups, against the same batch without, where that has run to its end.
        """

        def look() -> dict[str, Any]:
            owner = owner_of(request, "")
            spec, (rows, thoughts) = batches().spec(owner, str(batch)), batches().results(owner, str(batch))
            truths = [item.truth for item in spec.items]
            sums = [asdict(one) | {"accuracy": one.accuracy} for one in (totals(m, rows, truths) for m in spec.models)]
            plain = batches().one_by_one(owner, spec)
            return {
                "compared": comparisons(spec, rows, thoughts, plain) if plain and len(rows) == spec.total else [],
                "rows": table(spec, rows),
                "groups": [list(group) for group in spec.groups],
                "thoughts": [asdict(one) for one in thoughts],
                "thinking_tokens": thinking_tokens(thoughts),
                "totals": sums,
            }

        return await _told(look)

    async def batch_export(
        batch: str = "",
        form: str = "csv",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """A batch's rows as a file to download: csv, jsonl or parquet."""
        path = await _told(lambda: export_file(context, owner_of(request, ""), str(batch), str(form)))
        return FileData(path=str(path), orig_name=path.name, mime_type=MIME[form]).model_dump()

    async def batch_delete(batch: str = "", request: gr.Request = None) -> str:  # type: ignore[assignment]
        """Stops and deletes a batch with all its rows; returns its id."""
        owner = owner_of(request, "")
        running.stop(owner, f"batch-{batch}")
        await _told(lambda: batches().delete(owner, str(batch)))
        return str(batch)

    for function in (
        batch_preview,
        batch_start,
        batch_resume,
        batch_stop,
        batch_list,
        batch_rows,
        batch_export,
        batch_delete,
    ):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


async def _told(work: Any) -> Any:
    """What `work` returns, from a thread; its error as one sentence."""
    try:
        return await asyncio.to_thread(work)
    except PlaygroundError as error:
        raise told(error) from None


def _state(spec: Spec, seen: Seen) -> dict[str, Any]:
    state = "running" if seen.ended is None else "stopped" if seen.ended.stopped else "ended"
    return {
        "batch": seen.batch_id,
        "state": state,
        "progress": [asdict(one) for one in seen.progress.values()],
        "rows": table(spec, seen.fresh),
        "thoughts": len(seen.thoughts),
        "given_up": [asdict(one) for one in seen.gave_up],
        "left": None if seen.ended is None else seen.ended.left,
    }


def _groups(value: Any) -> tuple[tuple[int, ...], ...]:
    if not value:
        return ()
    if not isinstance(value, list) or not all(
        isinstance(group, list) and all(isinstance(i, int) and not isinstance(i, bool) for i in group)
        for group in value
    ):
        raise InvalidRequest("groups must be a list of lists of prompt numbers, from 0 on.", "See /batch_preview.")
    return tuple(map(tuple, value))
