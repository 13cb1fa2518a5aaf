"""The public API of the gallery: search, delete and bring back, favourites, zips; and verify.

Whoever calls sees what he made alone. Annotations are live here, since gradio reads each function's hints as objects.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from playground.errors import InvalidRequest, PlaygroundError
from playground.gallery.kept import MOST_LISTED, Kept, Pictures, Search
from playground.protocol import CancelToken, Failed
from playground.ui.api_files import downloadable, uploaded
from playground.ui.api_shared import sentence, told
from playground.ui.context import AppContext
from playground.ui.gallery_files import zip_of
from playground.ui.owner import owner_of
from playground.ui.verify_run import progress_row, verdict_row


def register_gallery(context: AppContext) -> None:
    """Adds the functions to the Blocks that are being built."""

    async def gallery_search(
        words: str = "",
        model: str = "",
        seed: int | None = None,
        since: str = "",
        until: str = "",
        favourites: bool = False,
        least_score: float | None = None,
        limit: int = 60,
        offset: int = 0,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> dict:
        """The caller's pictures, newest first: `count` of all that fit, and `pictures` from `offset` on, 500 at most.

        `words`: parts of words that the prompt holds. `since`, `until`: days (UTC) as YYYY-MM-DD, both included. A
        picture whose file is missing has `image` None; its settings are still there.
        """
        owner = owner_of(request, "")

        def look() -> dict[str, Any]:
            search = Search(
                _text("words", words),
                _text("model", model),
                _whole("seed", seed, 0, 2**32 - 1) if seed is not None else None,
                _text("since", since),
                _text("until", until),
                _flag("favourites", favourites),
                _number("least_score", least_score) if least_score is not None else None,
            )
            kept = Pictures(context.store())
            found = kept.search(
                owner, search, _whole("limit", limit, 1, MOST_LISTED), _whole("offset", offset, 0, 10**9)
            )
            return {"count": kept.count(owner, search), "pictures": [_row(one) for one in found]}

        return await _told(look)

    async def gallery_delete(ids: list[str] = [], restore: bool = False, request: gr.Request = None) -> dict:  # type: ignore[assignment]  # noqa: B006
        """Deletes pictures, all or none; with `restore` brings deleted ones back, within 30 days."""
        owner = owner_of(request, "")

        def act() -> dict[str, Any]:
            kept = Pictures(context.store())
            (kept.restore if _flag("restore", restore) else kept.delete)(owner, ids)
            return {"ids": ids, "deleted": not restore}

        return await _told(act)

    async def gallery_favourite(ids: list[str] = [], favourite: bool = True, request: gr.Request = None) -> dict:  # type: ignore[assignment]  # noqa: B006
        """Marks pictures as favourites, or takes the mark off."""
        owner = owner_of(request, "")

        def act() -> dict[str, Any]:
            Pictures(context.store()).favourite(owner, ids, _flag("favourite", favourite))
            return {"ids": ids, "favourite": favourite}

        return await _told(act)

    async def gallery_zip(ids: list[str] = [], request: gr.Request = None) -> dict:  # type: ignore[assignment]  # noqa: B006
        """The pictures' files, unchanged, with a table of their settings, as one zip: `file`, and the ids `missing`."""
        owner = owner_of(request, "")

        def act() -> dict[str, Any]:
            path, missing = zip_of(context, owner, ids)
            file = FileData(path=str(path), orig_name=path.name, mime_type="application/zip").model_dump()
            return {"file": file, "missing": [one.id for one in missing]}

        return await _told(act)

    async def verify_picture(  # type: ignore[misc]  # gradio wants the hint of one yield
        picture: dict | None = None,
        image: dict | None = None,
        mask: dict | None = None,
        style: dict | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Makes a picture again from the settings in it: progress, then `identical`, `largest_difference` (of 255),
        `mean_difference`, `changed_pixels` (a share) and `environment`, what is different from when it was made.

        `image`, `mask` and `style`: what it began with, where it began with a picture.
        """
        from playground.images.verify import Verdict, verify

        cancel = CancelToken()
        try:
            data = uploaded(picture, "picture")
            if data is None:
                raise InvalidRequest("There is no picture.", "Upload one, with gradio_client by handle_file(path).")
            inputs = {n: uploaded(v, n) for n, v in (("image", image), ("mask", mask), ("style", style))}
            found = verify(context.engine, context.catalog, data, cancel, owner_of(request, ""), inputs)
            async with aclosing(found) as events:
                async for event in events:
                    if isinstance(event, Failed):
                        raise gr.Error(sentence(event), print_exception=False)
                    if isinstance(event, Verdict):
                        yield verdict_row(event)
                    elif (row := progress_row(event)) is not None:
                        yield dict(row)
        except PlaygroundError as error:
            raise told(error) from None
        finally:
            cancel.cancel()

    for function in (gallery_search, gallery_delete, gallery_favourite, gallery_zip, verify_picture):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


async def _told(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return await asyncio.to_thread(act)
    except PlaygroundError as error:
        raise told(error) from None


def _row(kept: Kept) -> dict[str, Any]:
    from pathlib import Path

    return {
        "id": kept.id,
        "image": downloadable(Path(kept.path)) if kept.there else None,
        "kind": kept.kind,
        "model": kept.model,
        "prompt": kept.prompt,
        "seed": kept.seed,
        "width": kept.width,
        "height": kept.height,
        "seconds": kept.seconds,
        "score": kept.score,
        "favourite": kept.favourite,
        "created": kept.created.isoformat(),
        "parameters": kept.parameters,
    }


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be text, got {str(value)[:60]!r}.")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} must be true or false, got {str(value)[:60]!r}.")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"{name} must be a number, got {str(value)[:60]!r}.")
    return float(value)


def _whole(name: str, value: object, low: int, high: int) -> int:
    number = _number(name, value)
    if number != number or not low <= number <= high or number != int(number):
        raise InvalidRequest(f"{name} must be {low} to {high}, got {str(value)[:60]}.")
    return int(number)
