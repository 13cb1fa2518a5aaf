"""The gallery on the page: search, tiles in pages, one picture large, and what can be done with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.gallery.kept import Pictures, Search
from playground.protocol import Failed
from playground.ui.context import AppContext
from playground.ui.gallery_files import zip_of
from playground.ui.gallery_view import NOT_FOUND, NOTHING, Shown, about_html, page_of, record_of_kept
from playground.ui.image_drop import stopper, verified
from playground.ui.image_recall import picture_bytes, taken
from playground.ui.image_run import Picture
from playground.ui.owner import owner_of
from playground.ui.remember import Remember, owner_in
from playground.ui.running import Running
from playground.ui.words import note, problem

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
SETTLED: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
PLACE = "gallery-verify"
MOST_CHOSEN = 500
TO_FORM = "() => document.getElementById('image_prompt').scrollIntoView({block: 'center'})"
SKIP = gr.skip()


@dataclass
class GalleryTab:
    """The gallery's part of the page; `refresh` shows it anew after what `trigger` begins."""

    inpaint_this: gr.Button
    picture: gr.State
    refresh: Callable[[Any], Any]


class _Parts:
    """The controls, in the order in which they stand."""

    def __init__(self, models: list[tuple[str, str]]) -> None:
        small: dict[str, Any] = {"size": "sm", "min_width": 72}
        gr.HTML('<h2 class="pg-h2">Gallery</h2>', elem_id="past_title")
        with gr.Row(elem_id="gallery_filters", elem_classes="pg-filters"):
            self.words = gr.Textbox(
                "", label="Search", placeholder="Words of the prompt", max_length=500, min_width=200, scale=3,
                elem_id="gallery_words",
            )  # fmt: skip
            self.model = gr.Dropdown(
                [("Any model", ""), *models], value="", label="Model", min_width=150, scale=2, elem_id="gallery_model"
            )
            self.seed = gr.Textbox(
                "", label="Seed", placeholder="Any", max_length=10, min_width=100, elem_id="gallery_seed"
            )
            self.since = gr.Textbox(
                "", label="From day", placeholder="YYYY-MM-DD", max_length=10, min_width=140, elem_id="gallery_since"
            )
            self.until = gr.Textbox(
                "", label="To day", placeholder="YYYY-MM-DD", max_length=10, min_width=140, elem_id="gallery_until"
            )
            self.liked = gr.Checkbox(False, label="Favourites only", min_width=160, elem_id="gallery_liked")
        self.note = gr.HTML(NOTHING, elem_id="past_note")
        with gr.Row(visible=False, elem_id="gallery_bar", elem_classes="pg-gallery-bar") as self.bar:
            self.line = gr.HTML("", elem_id="gallery_line")
            self.earlier = gr.Button("Newer page", elem_id="gallery_newer", **small)
            self.later = gr.Button("Older page", elem_id="gallery_older", **small)
            self.all = gr.Button("Choose this page", elem_id="gallery_choose_page", **small)
            self.none = gr.Button("Choose none", visible=False, elem_id="gallery_choose_none", **small)
            self.zip = gr.Button("Pack chosen as zip", visible=False, elem_id="gallery_zip", **small)
            self.zip_file = gr.DownloadButton(
                "Download the zip", visible=False, variant="primary", elem_id="gallery_zip_file", **small
            )
        self.tiles = gr.Gallery(
            label="Your earlier pictures", show_label=False, elem_id="past_gallery", columns=8, height="auto",
            fit_columns=False, object_fit="contain", format="webp", interactive=False, visible=False,
            allow_preview=False, buttons=[],
        )  # fmt: skip
        self.said = gr.HTML("", elem_id="gallery_said", elem_classes="pg-maybe")
        self.restore = gr.Button("Bring back the deleted one", visible=False, elem_id="gallery_restore", **small)
        with gr.Row(visible=False, elem_id="gallery_one", elem_classes="pg-panes pg-gallery-one") as self.one:
            with gr.Column(scale=6, min_width=280):
                self.large = gr.Image(
                    label="Picture", show_label=False, type="filepath", interactive=False, buttons=["fullscreen"],
                    elem_id="gallery_large",
                )  # fmt: skip
            with gr.Column(scale=5, min_width=280, elem_classes="pg-results"):
                self.about = gr.HTML("", elem_id="gallery_about")
                with gr.Row(elem_classes="pg-buttons"):
                    self.back = gr.Button("‹ Previous", elem_id="gallery_back", elem_classes="pg-leaf-back", **small)
                    self.on = gr.Button("Next ›", elem_id="gallery_on", elem_classes="pg-leaf-on", **small)
                    self.choose = gr.Button("Choose", elem_id="gallery_choose", **small)
                with gr.Row(elem_classes="pg-buttons"):
                    self.use = gr.Button("Use these settings", variant="primary", elem_id="gallery_use", **small)
                    self.verify = gr.Button("Verify", elem_id="gallery_verify", **small)
                    self.stop = gr.Button(
                        "Stop", visible=False, elem_id="gallery_stop", elem_classes="pg-stop", **small
                    )
                    self.inpaint = gr.Button("Inpaint this", elem_id="gallery_inpaint", **small)
                with gr.Row(elem_classes="pg-buttons"):
                    self.like = gr.Button("Favourite", elem_id="gallery_like", **small)
                    self.download = gr.DownloadButton("Download", elem_id="gallery_download", **small)
                    self.delete = gr.Button("Delete", elem_id="gallery_delete", **small)
                self.verdict = gr.HTML("", elem_id="gallery_verdict", elem_classes="pg-maybe")
                self.settings = gr.HTML("", elem_id="gallery_settings", elem_classes="pg-maybe")
        self.shown = gr.State(Shown())
        self.selected = gr.State("")
        self.chosen = gr.State([])
        self.gone = gr.State([])
        self.picture = gr.State(None)

    @property
    def filters(self) -> list[Any]:
        return [self.words, self.model, self.seed, self.since, self.until, self.liked]

    @property
    def page(self) -> list[Any]:
        """What a page of tiles sets."""
        return [self.tiles, self.shown, self.line, self.note, self.bar, self.earlier, self.later, self.none, self.zip,
                self.zip_file]  # fmt: skip

    @property
    def opened(self) -> list[Any]:
        """What one picture sets."""
        return [self.one, self.large, self.about, self.like, self.download, self.selected, self.picture, self.verdict,
                self.settings, self.choose]  # fmt: skip


def build_gallery(
    context: AppContext, running: Running, remember: Remember, form: dict[str, Any], sizes: list[Any]
) -> GalleryTab:
    """Adds the section; `form` are the controls that Use these settings fills, by the names of `image_recall`."""
    models = [(card.name, card.id) for card in context.catalog.of_kind("image")]
    parts = _Parts(models)
    names = {card_id: name for name, card_id in models}
    fields = list(form)

    def kept() -> Pictures:
        return Pictures(context.store())

    def tiles(owner: str, values: tuple[Any, ...], page: int, chosen: list[str]) -> list[Any]:
        try:
            search = _search(values)
            shown = page_of(context, owner, search, page, set(chosen))
        except PlaygroundError as error:
            hidden = gr.update(visible=False)
            return [hidden, Shown(), "", gr.update(value=problem(Failed.of(error)), visible=True), hidden, *[SKIP] * 5]
        some = shown.count > 0
        return [
            gr.update(value=[list(tile) for tile in shown.tiles], visible=some, selected_index=None),
            shown,
            f'<span class="pg-note">{shown.line}</span>',
            gr.update(value=NOTHING if search == Search() else NOT_FOUND, visible=not some),
            gr.update(visible=some),
            gr.update(visible=shown.pages > 1, interactive=shown.page > 0),
            gr.update(visible=shown.pages > 1, interactive=shown.page < shown.pages - 1),
            gr.update(visible=bool(chosen)),
            gr.update(visible=bool(chosen), value=f"Pack {len(chosen)} as zip"),
            gr.update(visible=False),  # it held what was chosen before
        ]

    def large(owner: str, picture_id: str, chosen: list[str]) -> list[Any]:
        found = kept().get(owner, picture_id)
        there = found.there
        picture = Picture(
            found.path, found.model, names.get(found.model, found.model), found.seed or 0, found.seconds,
            found.prompt, found.parameters,
        )  # fmt: skip
        lost = "" if there else problem(Failed("The picture's file is missing.", "Its settings are kept; use those."))
        return [
            gr.update(visible=True),
            gr.update(value=found.path if there else None, visible=there),
            about_html(found, names) + lost,
            "Remove favourite" if found.favourite else "Favourite",
            gr.update(value=found.path if there else None, interactive=there),
            picture_id,
            picture if there else None,
            "",
            "",
            "Take from chosen" if picture_id in chosen else "Choose",
        ]

    closed = [gr.update(visible=False), *[SKIP] * 4, "", None, "", "", SKIP]
    same_page, same_one = [SKIP] * len(parts.page), [SKIP] * len(parts.opened)

    async def show(request: gr.Request, state: Any, shown: Shown, chosen: list[str], *values: Any) -> list[Any]:
        return await asyncio.to_thread(tiles, owner_of(request, owner_in(state)), values, shown.page, chosen)

    async def first(request: gr.Request, state: Any, chosen: list[str], *values: Any) -> list[Any]:
        return await asyncio.to_thread(tiles, owner_of(request, owner_in(state)), values, 0, chosen)

    def turning(step: int) -> Any:
        async def turned(request: gr.Request, state: Any, shown: Shown, chosen: list[str], *values: Any) -> list[Any]:
            owner = owner_of(request, owner_in(state))
            return await asyncio.to_thread(tiles, owner, values, shown.page + step, chosen)

        return turned

    async def select(
        request: gr.Request, state: Any, shown: Shown, chosen: list[str], event: gr.SelectData
    ) -> list[Any]:
        index = event.index if isinstance(event.index, int) else -1
        if not 0 <= index < len(shown.ids):
            return [*same_one, SKIP]
        return await one(owner_of(request, owner_in(state)), shown.ids[index], chosen)

    async def one(owner: str, picture_id: str, chosen: list[str]) -> list[Any]:
        try:
            return [*await asyncio.to_thread(large, owner, picture_id, chosen), ""]
        except PlaygroundError as error:
            return [*closed, problem(Failed.of(error))]

    def leafing(step: int) -> Any:
        async def leafed(
            request: gr.Request, state: Any, shown: Shown, chosen: list[str], selected: str, *values: Any
        ) -> list[Any]:
            owner = owner_of(request, owner_in(state))
            at = shown.ids.index(selected) + step if selected in shown.ids else 0
            if 0 <= at < len(shown.ids):
                return [*same_page, *await one(owner, shown.ids[at], chosen)]
            if not 0 <= shown.page + step < shown.pages:  # the first or the last picture of all
                return [*same_page, *same_one, SKIP]
            page = await asyncio.to_thread(tiles, owner, values, shown.page + step, chosen)
            ids = page[1].ids
            return [*page, *(await one(owner, ids[0 if step > 0 else -1], chosen) if ids else [*closed, ""])]

        return leafed

    async def like(
        request: gr.Request, state: Any, shown: Shown, chosen: list[str], selected: str, *values: Any
    ) -> list[Any]:
        owner = owner_of(request, owner_in(state))

        def act() -> None:
            kept().favourite(owner, [selected], not kept().get(owner, selected).favourite)

        return await changed(owner, act, shown, chosen, selected, values)

    async def changed(
        owner: str, act: Callable[[], None], shown: Shown, chosen: list[str], selected: str, values: tuple[Any, ...]
    ) -> list[Any]:
        try:
            await asyncio.to_thread(act)
        except PlaygroundError as error:
            return [*same_page, *same_one, problem(Failed.of(error))]
        page = await asyncio.to_thread(tiles, owner, values, shown.page, chosen)
        if not selected:
            return [*page, *closed, ""]
        found = await one(owner, selected, chosen)
        found[7:9] = [SKIP, SKIP]  # it is the same picture: its verdict and its settings stay
        return [*page, *found]

    async def choose(
        request: gr.Request, state: Any, shown: Shown, chosen: list[str], selected: str, *values: Any
    ) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        now = [i for i in chosen if i != selected] if selected in chosen else [*chosen, selected][-MOST_CHOSEN:]
        return [*await changed(owner, lambda: None, shown, now, selected, values), now]

    async def choose_page(
        request: gr.Request, state: Any, shown: Shown, chosen: list[str], selected: str, *values: Any
    ) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        now = list(dict.fromkeys([*chosen, *shown.ids]))[-MOST_CHOSEN:]
        return [*await asyncio.to_thread(tiles, owner, values, shown.page, now), now]

    async def choose_none(
        request: gr.Request, state: Any, shown: Shown, chosen: list[str], selected: str, *values: Any
    ) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        return [*await asyncio.to_thread(tiles, owner, values, shown.page, []), []]

    async def delete(
        request: gr.Request, state: Any, shown: Shown, chosen: list[str], selected: str, *values: Any
    ) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        try:
            await asyncio.to_thread(lambda: kept().delete(owner, [selected]))
        except PlaygroundError as error:
            return [*same_page, *same_one, problem(Failed.of(error)), SKIP, SKIP, SKIP]
        left = [i for i in chosen if i != selected]
        page = await asyncio.to_thread(tiles, owner, values, shown.page, left)
        said = note("Deleted. It can be brought back within 30 days.")
        return [*page, *closed, said, gr.update(visible=True), [selected], left]

    async def restore(
        request: gr.Request, state: Any, shown: Shown, chosen: list[str], gone: list[str], *values: Any
    ) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        if not gone:
            return [*same_page, *same_one, SKIP, gr.update(visible=False), []]
        found = await changed(owner, lambda: kept().restore(owner, gone), shown, chosen, gone[0], values)
        return [*found, gr.update(visible=False), []]

    async def use(request: gr.Request, state: Any, selected: str) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        try:
            record = await asyncio.to_thread(lambda: record_of_kept(kept().get(owner, selected)))
        except PlaygroundError as error:
            return [*[SKIP] * len(fields), problem(Failed.of(error))]
        updates, said = taken(context, record, fields, sizes)
        return [*updates, said]

    async def check(request: gr.Request, state: Any, selected: str) -> AsyncIterator[Any]:
        owner, hidden = owner_of(request, owner_in(state)), gr.update(visible=False)
        try:
            found = await asyncio.to_thread(lambda: kept().get(owner, selected))
            data = await asyncio.to_thread(picture_bytes, found.path)
        except PlaygroundError as error:
            yield problem(Failed.of(error)), hidden
            return
        async with aclosing(verified(context, running, str(request.session_hash), PLACE, data, owner)) as steps:
            async for html, going in steps:
                yield html, gr.update(visible=going)

    async def pack(request: gr.Request, state: Any, chosen: list[str]) -> list[Any]:
        owner = owner_of(request, owner_in(state))
        try:
            path, missing = await asyncio.to_thread(zip_of, context, owner, chosen)
        except PlaygroundError as error:
            return [SKIP, problem(Failed.of(error))]
        lost = f" {len(missing)} files are missing and were left out." if missing else ""
        size = Path(path).stat().st_size / 1e6
        return [gr.update(value=str(path), visible=True), note(f"The zip is ready, {size:.1f} MB.{lost}")]

    of_page = [remember.state, parts.shown, parts.chosen, *parts.filters]
    of_one = [remember.state, parts.shown, parts.chosen, parts.selected, *parts.filters]
    everything = [*parts.page, *parts.opened, parts.said]
    gr.on(
        [parts.words.submit, parts.words.change, parts.model.change, parts.seed.submit, parts.since.submit,
         parts.until.submit, parts.seed.blur, parts.since.blur, parts.until.blur, parts.liked.change],
        first, [remember.state, parts.chosen, *parts.filters], parts.page, trigger_mode="always_last", **SETTLED,
    )  # fmt: skip
    parts.earlier.click(turning(-1), of_page, parts.page, **SETTLED)
    parts.later.click(turning(1), of_page, parts.page, **SETTLED)
    parts.tiles.select(select, [remember.state, parts.shown, parts.chosen], [*parts.opened, parts.said], **QUICK)
    parts.back.click(leafing(-1), of_one, everything, **QUICK)
    parts.on.click(leafing(1), of_one, everything, **QUICK)
    parts.like.click(like, of_one, everything, **QUICK)
    parts.choose.click(choose, of_one, [*everything, parts.chosen], **QUICK)
    parts.all.click(choose_page, of_one, [*parts.page, parts.chosen], **QUICK)
    parts.none.click(choose_none, of_one, [*parts.page, parts.chosen], **QUICK)
    parts.delete.click(delete, of_one, [*everything, parts.restore, parts.gone, parts.chosen], **QUICK)
    parts.restore.click(
        restore, [remember.state, parts.shown, parts.chosen, parts.gone, *parts.filters],
        [*everything, parts.restore, parts.gone], **QUICK,
    )  # fmt: skip
    parts.use.click(use, [remember.state, parts.selected], [*form.values(), parts.settings], **QUICK).then(
        fn=None, js=TO_FORM
    )
    parts.verify.click(check, [remember.state, parts.selected], [parts.verdict, parts.stop], **SETTLED)
    parts.stop.click(stopper(running, PLACE), None, None, **QUICK)
    parts.zip.click(pack, [remember.state, parts.chosen], [parts.zip_file, parts.said], **SETTLED)

    def refresh(trigger: Any) -> Any:
        return trigger(show, of_page, parts.page, **SETTLED)

    return GalleryTab(parts.inpaint, parts.picture, refresh)


def _search(values: tuple[Any, ...]) -> Search:
    words, model, seed, since, until, liked = values
    number: int | None = None
    if str(seed or "").strip():
        if not str(seed).strip().isdecimal():
            raise InvalidRequest(f"The seed must be a whole number, got {str(seed)[:20]!r}.", "Or leave it empty.")
        number = int(str(seed).strip())
    return Search(words or "", model or "", number, (since or "").strip(), (until or "").strip(), bool(liked))
