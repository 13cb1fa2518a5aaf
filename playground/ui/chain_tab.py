"""The Chain section: steps in a list, the settings of the chosen one, pictures in, and every step's pictures out.

The settings of the step that is shown are read from their controls whenever something is done, so that what was typed
last is never lost and nothing has to be sent while typing.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.images.chain.document import Chain, dump, dumps, parse
from playground.images.chain.items import chain_in
from playground.images.chain.kept import EXAMPLES, KeptChains
from playground.images.chain.steps import STEPS
from playground.protocol import Failed
from playground.ui.chain_form import encoded_picture, line_of
from playground.ui.chain_layout import lay_out
from playground.ui.chain_run import follow
from playground.ui.chain_view import rows_html, status_html
from playground.ui.context import AppContext
from playground.ui.outputs import outputs_folder
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in, text
from playground.ui.running import Running
from playground.ui.words import note, problem

PLACE = "chain"
MOST_FILE = 20_000_000
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LONG: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
Steps = list[dict[str, Any]]
Given = dict[Any, Any]  # values by component


@dataclass(frozen=True)
class ChainSection:
    """What the page needs of this section: `wire(ready)` is called with what the page has run once it is loaded."""

    wire: Callable[[Any], Any]


def build_chain(context: AppContext, running: Running, remember: Remember) -> ChainSection:
    """Adds the section's contents."""
    kept = KeptChains(context.settings.data_path)
    parts = lay_out(context.catalog, [chain.name for chain in EXAMPLES])
    fields = parts.form
    steps, shown = gr.State(_steps_of(EXAMPLES[0])), gr.State(0)
    state = remember.state
    remember.keep("chain.document", parts.document, text)
    view = [steps, shown, parts.list, parts.document, *fields.outputs]
    held = {steps, shown, *fields.inputs}  # given as a set, a handler gets them by component

    def look(now: Steps, at: int) -> list[Any]:
        """Everything that shows the steps, with the one at `at` chosen."""
        at = max(0, min(at, len(now) - 1))
        choices = [(line_of(number, step), str(number - 1)) for number, step in enumerate(now, 1)]
        listed = gr.update(choices=choices, value=str(at) if now else None)
        document = json.dumps({"chain": 1, "name": "", "steps": now}, ensure_ascii=False)
        return [now, at, listed, document, *fields.shown(now[at] if now else None)]

    def settled(data: Given) -> tuple[Steps, int]:
        """The steps with what stands in the controls of the one that is shown, and which one that is."""
        now, at = list(data[steps]), data[shown]
        if 0 <= at < len(now):
            now[at] = fields.read(now[at], [data[control] for control in fields.inputs])
        return now, at

    # --- the list ---

    def choose(data: Given) -> list[Any]:
        now, at = settled(data)
        picked = str(data[parts.list])
        return look(now, int(picked) if picked.isdecimal() else at)

    def add(data: Given) -> list[Any]:
        now, at = settled(data)
        do = data[parts.kind]
        if do not in STEPS:
            return look(now, at)
        place = 0 if do == "generate" or not now else at + 1
        return look([*now[:place], *_steps_of(Chain((STEPS[do](),))), *now[place:]], place)

    def move(by: int) -> Any:
        def moved(data: Given) -> list[Any]:
            now, at = settled(data)
            to = at + by
            if 0 <= to < len(now) and 0 <= at < len(now):
                now[at], now[to] = now[to], now[at]
                at = to
            return look(now, at)

        return moved

    def remove(data: Given) -> list[Any]:
        now, at = settled(data)
        return look([*now[:at], *now[at + 1 :]], at)

    def example(number: int) -> Any:
        return lambda: [*look(_steps_of(EXAMPLES[number]), 0), ""]

    def pictured(control: Any, name: str) -> Any:
        def uploaded(data: Given) -> list[Any]:
            now, at = settled(data)
            said = ""
            try:
                now[at][name] = encoded_picture(name, data[control])
                parse({"chain": 1, "steps": now})
            except PlaygroundError as error:
                now[at][name] = ""
                said = problem(Failed.of(error))
            return [*(update for part, update in zip(view, look(now, at), strict=True) if part is not control), said]

        return uploaded

    parts.list.input(choose, {parts.list, *held}, view, **QUICK)
    parts.add.click(add, {parts.kind, *held}, view, **QUICK)
    parts.up.click(move(-1), held, view, **QUICK)
    parts.down.click(move(1), held, view, **QUICK)
    parts.remove.click(remove, held, view, **QUICK)
    for number, button in enumerate(parts.examples):
        button.click(example(number), None, [*view, parts.said], **QUICK)
    for name, control in fields.pictures:
        # The control that told of the picture shows it already.
        outputs = [*(part for part in view if part is not control), parts.said]
        for event in (control.upload, control.clear):
            event(pictured(control, name), {control, *held}, outputs, **QUICK)

    # --- the run ---

    async def run(data: Given, request: gr.Request) -> AsyncIterator[Any]:
        now, at = settled(data)
        session = str(request.session_hash)
        first = look(now, at)
        still = [gr.skip() for _ in first]
        yield [*first, note("Starting"), "", gr.update(interactive=True)]
        token = running.start(session, PLACE)
        status: Any = gr.skip()
        try:
            chain = parse({"chain": 1, "steps": now})
            given = await asyncio.to_thread(_read_files, data[parts.files] or [])
            owner = owner_of(request, owner_in(data[state]))
            async with aclosing(follow(context, chain, given, owner, token)) as updates:
                async for seen in updates:
                    if not running.holds(session, PLACE, token):  # a newer run shows its own
                        continue
                    status = status_html(seen)
                    yield [*still, status, rows_html(seen) if seen.fresh else gr.skip(), gr.skip()]
        except PlaygroundError as error:
            status = problem(Failed.of(error))
        finally:
            current = running.holds(session, PLACE, token)
            running.finish(session, PLACE, token)
        yield [*still, *([status, gr.skip(), gr.update(interactive=False)] if current else [gr.skip()] * 3)]

    def stop(request: gr.Request) -> None:
        running.stop(str(request.session_hash), PLACE)

    shows = [*view, parts.status, parts.rows, parts.stop]
    parts.run.click(run, {parts.files, state, *held}, shows, **LONG)
    parts.stop.click(stop, **QUICK)

    # --- keeping ---

    def told(count: int, work: Callable[[str], list[Any]], data: Given, request: gr.Request) -> list[Any]:
        """What `work(owner)` gives, `count` updates and a note, or the error as one; then the names that are kept."""
        owner = owner_of(request, owner_in(data[state]))
        try:
            found = work(owner)
        except PlaygroundError as error:
            found = [*[gr.skip()] * count, problem(Failed.of(error))]
        return [*found, _names(kept, owner)]

    def save(data: Given, request: gr.Request) -> list[Any]:
        now, at = settled(data)

        def work(owner: str) -> list[Any]:
            saved = kept.put(owner, data[parts.name], parse({"chain": 1, "steps": now}))
            return [*look(now, at), note(f"Kept as {saved}.")]

        return told(len(view), work, data, request)

    def load(data: Given, request: gr.Request) -> list[Any]:
        name = data[parts.kept]

        def work(owner: str) -> list[Any]:
            if not name:
                raise InvalidRequest("No chain is chosen.", "Choose one of the list.")
            return [*look(_steps_of(kept.get(owner, name)), 0), name, note(f"{name} stands in the list of steps.")]

        return told(len(view) + 1, work, data, request)

    def rename(data: Given, request: gr.Request) -> list[Any]:
        def work(owner: str) -> list[Any]:
            name = str(data[parts.kept] or "")
            return [note(f"{name} is called {kept.rename(owner, name, data[parts.name])} now.")]

        return told(0, work, data, request)

    def delete(data: Given, request: gr.Request) -> list[Any]:
        def work(owner: str) -> list[Any]:
            name = str(data[parts.kept] or "")
            kept.delete(owner, name)
            return [note(f"{name} is deleted.")]

        return told(0, work, data, request)

    def export(data: Given) -> list[Any]:
        now, at = settled(data)
        try:
            chain = parse({"chain": 1, "name": " ".join(str(data[parts.name] or "").split())[:80], "steps": now})
            path = _exported(context, chain)
        except PlaygroundError as error:
            return [*look(now, at), problem(Failed.of(error)), gr.update(visible=False)]
        return [*look(now, at), note("The file is ready."), gr.update(value=str(path), visible=True)]

    def bring_in(path: str | None) -> list[Any]:
        if not path:
            return [gr.skip()] * (len(view) + 1)
        try:
            chain = _from_file(Path(path))
        except PlaygroundError as error:
            return [*[gr.skip()] * len(view), problem(Failed.of(error))]
        count = len(chain.steps)
        return [*look(_steps_of(chain), 0), note(f"Its {count} step{'s' if count > 1 else ''} stand in the list.")]

    parts.save.click(save, {parts.name, state, *held}, [*view, parts.said, parts.kept], **QUICK)
    parts.load.click(load, {parts.kept, state}, [*view, parts.name, parts.said, parts.kept], **QUICK)
    parts.rename.click(rename, {parts.kept, parts.name, state}, [parts.said, parts.kept], **QUICK)
    parts.delete.click(delete, {parts.kept, state}, [parts.said, parts.kept], **QUICK)
    parts.export.click(export, {parts.name, *held}, [*view, parts.said, parts.file], **QUICK)
    parts.bring.upload(bring_in, parts.bring, [*view, parts.said], **QUICK)

    def restore(data: Given, request: gr.Request) -> list[Any]:
        try:
            now = _steps_of(parse(data[parts.document]))
        except PlaygroundError:
            now = _steps_of(EXAMPLES[0])  # a browser can send anything; what is no chain is not shown
        return [*look(now, 0), _names(kept, owner_of(request, owner_in(data[state])))]

    def wire(ready: Any) -> Any:
        return ready.then(restore, {parts.document, state}, [*view, parts.kept], **QUICK)

    return ChainSection(wire)


def _steps_of(chain: Chain) -> Steps:
    return dump(chain)["steps"]


def _names(kept: KeptChains, owner: str) -> Any:
    try:
        return gr.update(choices=kept.names(owner))
    except PlaygroundError:
        return gr.update(choices=[])


def _read_files(paths: Sequence[str]) -> list[tuple[str, bytes]]:
    given = []
    for path in map(Path, paths):
        if path.stat().st_size > MOST_FILE:
            raise InvalidRequest(
                f"{path.name} has {path.stat().st_size / 1e6:.0f} MB; the limit is 20 MB.", "Shrink it."
            )
        given.append((path.name, path.read_bytes()))
    return given


def _exported(context: AppContext, chain: Chain) -> Path:
    folder = outputs_folder(context.settings) / "chains" / secrets.token_hex(8)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "chain.json"
    path.write_text(dumps(chain, indent=1), encoding="utf-8", errors="replace")
    return path


def _from_file(path: Path) -> Chain:
    """The chain of a JSON file, or the one that a picture carries."""
    if path.stat().st_size > MOST_FILE:
        raise InvalidRequest(f"The file has {path.stat().st_size / 1e6:.0f} MB; the limit is 20 MB.")
    data = path.read_bytes()
    if path.suffix.lower() == ".json":
        return parse(data.decode("utf-8", "replace"))
    chain = chain_in(data)
    if chain is None:
        raise InvalidRequest("The picture carries no chain.", "Choose one that a chain has saved.")
    return chain
