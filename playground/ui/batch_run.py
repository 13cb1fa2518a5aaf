"""What the Batches section and its API share: a spec out of a form's values, a run at a page's pace, and files."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from playground.batches.building import items_of
from playground.batches.exporting import export
from playground.batches.kept import Batches
from playground.batches.progress import ModelProgress
from playground.batches.reading import Table, form_of, read
from playground.batches.records import Groups, Row, Spec, Thought, checked, fresh_seed
from playground.batches.resuming import resume
from playground.batches.running import AT_ONCE, Ended, GaveUp, Update
from playground.batches.similar import THRESHOLD, grouped
from playground.catalog import ModelCard
from playground.errors import InvalidRequest, PlaygroundError
from playground.protocol import CancelToken, Failed, Loading, Queued
from playground.ui.context import AppContext
from playground.ui.outputs import outputs_folder
from playground.ui.words import loading, queued
from playground.whole_files import write_whole

log = logging.getLogger(__name__)

LOCAL_AT_ONCE = 16  # as many as a local model answers at a time
TICK_S = 0.4  # between two looks at what has come


@dataclass(frozen=True)
class Form:
    """What a person filled in, unchecked. `data` is a file's bytes or the pasted text; `form` may be empty.

    `groups` stand in place of those that similarity makes.
    """

    data: bytes | str = ""
    name: str = ""
    form: str = ""
    column: str = ""
    template: str = ""
    truth: str = ""
    prefix: str = ""
    models: Sequence[str] = ()
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    match: str = "contains"
    reason_once: bool = False
    reasoner: str = ""
    similarity: float = THRESHOLD
    groups: Groups = ()


@dataclass
class Seen:
    """A run as far as it has come.

    `fresh` are the rows since the last look; `waiting` says what each model is waited for.
    """

    batch_id: str
    progress: dict[str, ModelProgress] = field(default_factory=dict)
    fresh: list[Row] = field(default_factory=list)
    thoughts: list[Thought] = field(default_factory=list)
    gave_up: list[GaveUp] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    ended: Ended | None = None
    failed: Failed | None = None

    def add(self, update: Update) -> None:
        if isinstance(update, Row):
            self.fresh.append(update)
            self.waiting.pop(update.model, None)
        elif isinstance(update, Thought):
            self.thoughts.append(update)
        elif isinstance(update, ModelProgress):
            self.progress[update.model] = update
        elif isinstance(update, GaveUp):
            self.gave_up.append(update)
        else:
            self.ended = update
            self.progress |= {one.model: one for one in update.progress}


def table_of(form: Form) -> Table:
    """The input as a table; InvalidRequest names the line that cannot be read."""
    data = form.data
    start = data[:200].decode("utf-8", "replace") if isinstance(data, bytes) else data[:200]
    return read(data, form.form or form_of(form.name, start))


def spec_of(context: AppContext, form: Form) -> Spec:
    """The batch that a form asks for, with a fresh seed where it names none; every setting is checked for every model.

    Raises:
        PlaygroundError: something in the form cannot be; names it.
    """
    from playground.chat.request import checked_chat

    items, head = items_of(table_of(form), _text(form.column), _text(form.template), _text(form.truth))
    spec = Spec(
        models=tuple(form.models),
        items=items,
        prefix=_text(form.prefix),
        head=head,
        seed=fresh_seed() if form.seed is None else _whole(form.seed),
        temperature=form.temperature,
        top_p=form.top_p,
        max_new_tokens=form.max_new_tokens,
        reasoning_effort=form.reasoning_effort or None,
        match=form.match,
    )
    if form.reason_once:
        groups = tuple(tuple(group) for group in form.groups) or grouped(items, form.similarity)
        spec = replace(spec, groups=groups, reasoner=reasoner_of(context, form))
    spec = checked(spec)
    for model in {*spec.models, *([spec.reasoner] if spec.reasoner else [])}:
        card = context.catalog[model]
        if card.kind != "chat":
            raise InvalidRequest(f"{card.name} is not a text model.", "Choose another.")
        longest = max(spec.items, key=lambda item: len(item.prompt))
        checked_chat(spec.request(model, longest, "check"), card)
    return spec


def reasoner_of(context: AppContext, form: Form) -> str:
    """The model that thinks for the others: the one named, else the first of the models that can.

    Raises:
        InvalidRequest: it does not think, or none of the models does.
    """
    if form.reasoner:
        if not context.catalog[form.reasoner].can("thinking"):
            raise InvalidRequest(f"{context.catalog[form.reasoner].name} does not think.", "Choose a model that does.")
        return form.reasoner
    for model in form.models:
        if context.catalog[model].can("thinking"):
            return model
    raise InvalidRequest("None of these models thinks before it answers.", "Name one that does as the reasoner.")


def takes_thoughts(card: ModelCard) -> bool:
    """Whether a model can be given a thought as its own; others are given it in the message."""
    return card.backend == "local" and card.can("thinking")


async def follow(
    context: AppContext,
    owner: str,
    batch_id: str,
    cancel: CancelToken,
    *,
    remote_at_once: int = AT_ONCE,
    retry: bool = True,
) -> AsyncGenerator[Seen]:
    """Runs what a batch lacks; yields what has been seen a few times a second, and at the end.

    An error of the whole run stands in `failed`. Leaving the iterator ends the run; what was finished is kept.
    """
    seen = Seen(batch_id)
    queue: asyncio.Queue[Update | None] = asyncio.Queue()

    def told(model: str, event: Loading | Queued) -> None:
        seen.waiting[model] = loading(event) if isinstance(event, Loading) else queued(event)

    async def pump() -> None:
        try:
            batches = await asyncio.to_thread(lambda: Batches(context.store()))
            spec = await asyncio.to_thread(batches.spec, owner, batch_id)
            cards = [context.catalog[model] for model in {*spec.models, *([spec.reasoner] if spec.reasoner else [])}]
            at_once = {card.id: LOCAL_AT_ONCE if card.backend == "local" else remote_at_once for card in cards}
            thinkers = frozenset(card.id for card in cards if takes_thoughts(card))
            async for update in resume(
                batches,
                owner,
                batch_id,
                context.engine,
                cancel,
                at_once=at_once,
                thinkers=thinkers,
                retry=retry,
                told=told,
            ):
                queue.put_nowait(update)
        except PlaygroundError as error:
            seen.failed = Failed.of(error)
        except Exception as error:  # the traceback goes to the log, a sentence to the user
            log.exception("a batch failed")
            seen.failed = Failed(
                f"The batch failed: {type(error).__name__}.", "The log of the app has the details.", "Internal"
            )
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(pump())
    try:
        over = False
        while not over:
            with suppress(TimeoutError):
                first = await asyncio.wait_for(queue.get(), TICK_S)
                over = first is None
                if first is not None:
                    seen.add(first)
                    await asyncio.sleep(TICK_S / 4)  # what comes at once is shown at once
            while not queue.empty():
                update = queue.get_nowait()
                over = over or update is None
                if update is not None:
                    seen.add(update)
            yield seen
            seen.fresh = []
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def export_file(context: AppContext, owner: str, batch_id: str, form: str) -> Path:
    """Writes the rows of a batch into the outputs folder, under an unguessable name.

    Raises:
        InvalidRequest: there is no such batch or form.
        PlaygroundError: Parquet needs a package that is not here.
    """
    batches = Batches(context.store())
    spec, (rows, _) = batches.spec(owner, batch_id), batches.results(owner, batch_id)
    data = export(spec, rows, form)
    path = outputs_folder(context.settings) / time.strftime("%Y-%m-%d") / f"batch-{secrets.token_hex(8)}.{form}"
    write_whole(path, data)
    return path


def _text(value: Any) -> str:
    if not isinstance(value or "", str):
        raise InvalidRequest(f"A text was expected, got {value!r}."[:200], "Give texts.")
    return value or ""


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
