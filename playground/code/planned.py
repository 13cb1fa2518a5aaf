"""Code that is planned first and written file by file, over any engine. It is handed one and imports none.

The plan comes from a model and is bound by a schema, or from a person. Each file is asked for by itself, with the plan
and what the files before it offer; `looked_over` checks and packs the whole. Nothing that was written is run.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from playground.attach.outline import outline
from playground.code.check import NOT_OURS, Report, check
from playground.code.files import CodeFile, file_in
from playground.code.names import names_of
from playground.code.pack import packed
from playground.code.plan import PLAN_SCHEMA, Plan, PlannedFile, in_order, plan_as_json, plan_from_json, problems_of
from playground.errors import InvalidRequest
from playground.protocol import (
    CancelToken,
    ChatRequest,
    ChatStats,
    Done,
    Engine,
    Event,
    Failed,
    Linked,
    Message,
    Token,
)

TRIES = 2  # for a plan that holds together, and for each file
MOST_SHOWN = 60_000  # characters of earlier files' outlines in one prompt

PLAN_FIRST = (
    "Plan the project before it is written. List every file once, in JSON: its path, its purpose, the names that it "
    "exports, and for each other file of the plan from which it takes names, which ones. Only exported names can be "
    "taken. No two files take names from each other in a circle. List packages that have to be installed."
)
WRITE_ONE = (
    "Write the file {path} of the project, whole, in one fenced code block. Write no other file. It exports: {exports}."
)


@dataclass(frozen=True)
class Progress:
    """What the engine says meanwhile; `path` is the file that it belongs to, "" for the plan."""

    path: str
    event: Event


@dataclass(frozen=True)
class Planned:
    """A plan that was made; `problems` are what is left of them after the last try."""

    plan: Plan
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileBegun:
    """File `index` of `total`, from 1; `attempt` counts from 1."""

    path: str
    index: int
    total: int
    attempt: int = 1


@dataclass(frozen=True)
class FileWritten:
    """A file that is done; `text` is what there is of it. `error` says why it is not whole, `missing` what the plan
    promises of it and it does not define.
    """

    path: str
    text: str
    error: str = ""
    missing: tuple[str, ...] = ()
    stats: ChatStats | None = None

    @property
    def whole(self) -> bool:
        return not self.error


@dataclass(frozen=True)
class Written:
    """The end: all files in the order of the plan, whole or not."""

    files: tuple[FileWritten, ...]
    stopped: bool = False


PlanEvent: TypeAlias = Progress | Planned | FileBegun | FileWritten | Written | Failed


async def ask_plan(
    engine: Engine, request: ChatRequest, cancel: CancelToken, *, allow_cycles: bool = False, tries: int = TRIES
) -> AsyncIterator[PlanEvent]:
    """A plan for what the conversation of `request` asks for: Progress, then Planned or Failed, or nothing on a cancel.

    A plan with problems is asked for again, with these, up to `tries` times in all.
    """
    asked = list(request.messages)
    last: Planned | Failed | None = None
    for _ in range(tries):
        text, ended = "", None
        turn = replace(request, messages=_instructed(asked, PLAN_FIRST), **_bound(PLAN_SCHEMA))
        async with aclosing(engine.submit(turn, Linked(cancel))) as events:  # type: ignore[type-var]  # an async generator
            async for event in events:
                yield Progress("", event)
                if isinstance(event, Token) and event.kind == "answer":
                    text += event.text
                ended = event
        if isinstance(ended, Failed):
            yield ended
            return
        if cancel.cancelled:
            return
        try:
            plan = plan_from_json(_object_in(text))
            problems = problems_of(plan, allow_cycles=allow_cycles)
            last = Planned(plan, tuple(problems))
        except InvalidRequest as error:
            problems = [str(error)]
            last = last or Failed.of(error)
        if not problems:
            break
        said = "\n".join(f"- {problem}" for problem in problems[:20])
        asked = [
            *request.messages,
            Message("assistant", text or "{}"),
            Message("user", f"This plan cannot be used:\n{said}\nWrite it again, corrected."),
        ]
    if last is not None:
        yield last


async def write_files(
    engine: Engine,
    request: ChatRequest,
    plan: Plan,
    cancel: CancelToken,
    *,
    done: Mapping[str, str] | None = None,
    allow_cycles: bool = False,
    tries: int = TRIES,
) -> AsyncIterator[PlanEvent]:
    """Writes the files of a plan one after the other: FileBegun, Progress and FileWritten for each, at last Written.

    A file that failed is kept as far as it came, and the others are still written. `done` are files that exist already,
    text by path: they are shown to the others and not written. After a cancel, Written has what there is.

    Raises:
        InvalidRequest: the plan has problems.
    """
    problems = problems_of(plan, allow_cycles=allow_cycles)
    if problems:
        raise InvalidRequest(f"The plan cannot be written: {problems[0]}", "Correct the plan first.")
    order = in_order(plan)
    found: dict[str, FileWritten] = {}
    for path, text in (done or {}).items():
        planned = plan.file(path)
        if planned is not None:
            found[path] = FileWritten(path, text, missing=missing_names(planned, text))
    for index, file in enumerate(order, 1):
        if file.path in found or cancel.cancelled:
            continue
        best: FileWritten | None = None
        for attempt in range(1, tries + 1):
            yield FileBegun(file.path, index, len(order), attempt)
            asked = _ask_for(request, plan, file, found, best)
            stream = _one(engine, asked, file, cancel)
            async with aclosing(stream):
                async for event in stream:
                    if isinstance(event, FileWritten):
                        best = event if best is None or event.whole or not best.whole else best
                    else:
                        yield event
            assert best is not None, "every answer ends in a file"
            if cancel.cancelled or not (best.error or best.missing) or best.error.startswith(ENGINE_FAILED):
                break
        assert best is not None, f"tries must be 1 or more, got {tries}"
        found[file.path] = best
        yield best
    files = tuple(found[file.path] for file in plan.files if file.path in found)
    yield Written(files, cancel.cancelled)


def looked_over(whole: Sequence[CodeFile], plan: Plan) -> tuple[Report, bytes]:
    """What the check over these files of a plan found, and the files as a zip, b"" for none (of many: seconds)."""
    return check(whole, plan.packages), packed(whole) if whole else b""


ENGINE_FAILED = "The model failed: "


async def _one(
    engine: Engine, request: ChatRequest, file: PlannedFile, cancel: CancelToken
) -> AsyncGenerator[PlanEvent, None]:
    """One try at one file: Progress, then FileWritten."""
    answer, ended = "", None
    async with aclosing(engine.submit(request, Linked(cancel))) as events:  # type: ignore[type-var]  # an async generator
        async for event in events:
            yield Progress(file.path, event)
            if isinstance(event, Token) and event.kind == "answer":
                answer += event.text
            ended = event
    text, closed = file_in(answer, file.path)
    stats = ended.stats if isinstance(ended, Done) and isinstance(ended.stats, ChatStats) else None
    error = ""
    if isinstance(ended, Failed):
        error = ENGINE_FAILED + f"{ended.error} {ended.hint}".strip()
    elif cancel.cancelled:
        error = "Stopped."
    elif not text.strip() and file.exports:
        error = "The answer holds no file."
    elif stats is not None and stats.stop_reason == "length" and not closed:
        error = "The answer ended before the file did: there was no room for more tokens."
    else:
        error = await asyncio.to_thread(_syntax, file.path, text)
    yield FileWritten(file.path, text, error, () if error else missing_names(file, text), stats)


# --- prompts --------------------------------------------------------------------------------------------------------


def _bound(schema: str) -> dict[str, Any]:
    """The fields of a request that is bound by this schema, "" for none, and by nothing else."""
    return {"json_schema": schema, "regex": "", "choices": (), "grammar": "", "tools": (), "tool_choice": "auto"}


def _instructed(messages: Sequence[Message], instruction: str) -> tuple[Message, ...]:
    """The conversation with an instruction in its system prompt."""
    system = [m.content for m in messages if m.role == "system"]
    rest = [m for m in messages if m.role != "system"]
    return (Message("system", "\n\n".join([*system, instruction])), *rest)


def _ask_for(
    request: ChatRequest, plan: Plan, file: PlannedFile, found: Mapping[str, FileWritten], before: FileWritten | None
) -> ChatRequest:
    """The request for one file, after `before`, a try that was not good enough."""
    parts: list[str] = []
    shown = 0
    for imported in file.imports:
        one = found.get(imported.path)
        if one is None:
            continue
        offers = "\n".join(outline(one.text)) if one.path.endswith(".py") else one.text[:2000]
        state = "" if one.whole else " (it is not whole)"
        if shown + len(offers) <= MOST_SHOWN:
            parts.append(f"What {one.path} offers{state}:\n{offers or '(nothing)'}")
            shown += len(offers)
    parts.append(WRITE_ONE.format(path=file.path, exports=", ".join(file.exports) or "nothing"))
    messages = [*request.messages, Message("assistant", plan_as_json(plan)), Message("user", "\n\n".join(parts))]
    if before is not None:
        wrong = before.error or f"It does not define {', '.join(before.missing)}."
        messages += [
            Message("assistant", f"```\n{before.text}```" if before.text else "(nothing)"),
            Message("user", f"This is not good yet: {wrong} Write {file.path} again, whole, in one fenced code block."),
        ]
    return replace(request, messages=tuple(messages), **_bound(""))


def _object_in(text: str) -> str:
    """The JSON object of an answer that may have been put into a fenced block."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


# --- looking at one file --------------------------------------------------------------------------------------------


def _syntax(path: str, text: str) -> str:
    problems = check([CodeFile(path, text)]).problems
    return next((f"Line {p.line}: {p.text}" for p in problems if p.kind == "syntax"), "")


def missing_names(file: PlannedFile, text: str) -> tuple[str, ...]:
    """Names that the plan promises of a Python file and that it does not define; () where that cannot be told."""
    if not file.path.endswith(".py"):
        return ()
    try:
        names = names_of(ast.parse(text, NOT_OURS))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return () if names.dynamic or names.stars else tuple(name for name in file.exports if name not in names.defined)
