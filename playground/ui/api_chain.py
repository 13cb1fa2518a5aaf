"""The public API of chains: check one, run one over pictures, and the chains that are kept.

Annotations are live here, since gradio reads the hints of each function as objects.
"""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from playground.errors import InvalidRequest, PlaygroundError
from playground.images.chain.document import Chain, dump, parse
from playground.images.chain.items import chain_in
from playground.images.chain.kept import EXAMPLES, KeptChains
from playground.protocol import CancelToken
from playground.ui.api_files import all_uploaded, uploaded
from playground.ui.api_shared import sentence, told
from playground.ui.chain_run import Following, failure_row, follow, shot_row
from playground.ui.context import AppContext
from playground.ui.owner import owner_of

_MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def register_chain(context: AppContext) -> None:
    """Adds the functions to the Blocks that are being built."""
    kept = KeptChains(context.settings.data_path)

    def wanted(chain: Any, owner: str) -> Chain:
        """A chain as JSON, as text, or by the name of a kept one or an example."""
        if isinstance(chain, str) and not chain.lstrip().startswith(("{", "[")):
            for one in EXAMPLES:
                if one.name == chain:
                    return one
            return kept.get(owner, chain)
        return parse(chain)

    async def run_chain(  # type: ignore[misc]  # gradio wants the hint of one yield
        chain: dict | None = None,
        images: list | None = None,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> tuple[list[dict], dict]:
        """Runs a chain over pictures; streams the gallery, step by step, and what is known of the run.

        `chain` is its JSON, or the name of a kept one or an example. The state has `rows` in the gallery's order,
        `failures`, and `chain` with its seeds filled in, which makes the same pictures again.
        """
        cancel = CancelToken()
        owner = owner_of(request, "")
        try:
            document = await asyncio.to_thread(wanted, chain, owner)
            files = await asyncio.to_thread(all_uploaded, images, "picture") if images else ()
            given = [(_name(row, number), data) for number, (row, data) in enumerate(_pairs(images, files), 1)]
            async with aclosing(follow(context, document, given, owner, cancel)) as updates:
                async for seen in updates:
                    if seen.failed is not None:
                        raise gr.Error(sentence(seen.failed), print_exception=False)
                    yield _gallery(seen), _state(seen)
        except PlaygroundError as error:
            raise told(error) from None
        finally:
            cancel.cancel()

    async def check_chain(
        chain: dict | None = None,
        pictures: int | None = None,
        image: dict | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """The chain with every default written out, or `error`: what is wrong with which step.

        `pictures`: over how many it is to run. With `image`, the chain that this picture carries is checked instead.
        """
        from playground.images.chain.requests import check

        def work() -> dict[str, Any]:
            if image is not None:
                found = chain_in(uploaded(image, "picture") or b"")
                if found is None:
                    raise InvalidRequest("The picture carries no chain.", "Choose one that a chain has saved.")
            else:
                found = wanted(chain, owner_of(request, ""))
            check(found, context.catalog, _count(pictures))
            return dump(found)

        try:
            return {"chain": await asyncio.to_thread(work), "error": ""}
        except PlaygroundError as error:
            return {"chain": None, "error": str(error)}

    async def chains(
        action: str = "list",
        name: str = "",
        chain: dict | None = None,
        new_name: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """The caller's kept chains: action "list", "get", "put", "rename" or "delete".

        Returns `names` of the kept ones and `examples`, and for "get" and "put" the `chain`.
        """
        owner = owner_of(request, "")

        def work() -> dict[str, Any]:
            found: Chain | None = None
            if action == "get":
                found = wanted(name, owner)
            elif action == "put":
                found = parse(chain)
                kept.put(owner, name, found)
            elif action == "rename":
                kept.rename(owner, name, new_name)
            elif action == "delete":
                kept.delete(owner, name)
            elif action != "list":
                raise InvalidRequest(f"action must be list, get, put, rename or delete, got {str(action)[:40]!r}.")
            return {
                "names": kept.names(owner),
                "examples": [one.name for one in EXAMPLES],
                "chain": None if found is None else dump(found),
            }

        try:
            return await asyncio.to_thread(work)
        except PlaygroundError as error:
            raise told(error) from None

    for function in (run_chain, check_chain, chains):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _pairs(images: Any, files: tuple[bytes, ...]) -> list[tuple[Any, bytes]]:
    rows = images if isinstance(images, list) else [images]
    return list(zip([row for row in rows if row], files, strict=True))


def _name(row: Any, number: int) -> str:
    name = str(row.get("orig_name") or "") if isinstance(row, dict) else ""
    return Path(name).name[:80] or f"picture {number}"


def _count(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise InvalidRequest(f"pictures must be a whole number from 0 on, got {str(value)[:40]!r}.")


def _gallery(seen: Following) -> list[dict]:
    found = []
    for shot in seen.shots:
        file = None
        if shot.path:
            path = Path(shot.path)
            file = FileData(path=str(path), orig_name=path.name, mime_type=_MIME[shot.made.form]).model_dump()
        found.append({"image": file, "caption": f"step {shot.made.step}, {shot.made.name}"})
    return found


def _state(seen: Following) -> dict[str, Any]:
    ended = seen.ended
    return {
        "state": "running" if ended is None else "stopped" if ended.stopped else "ended",
        "step": seen.now,
        "steps": len(seen.chain.steps),
        "rows": [shot_row(shot) for shot in seen.shots],
        "failures": [failure_row(one) for one in seen.failures],
        "through": None if ended is None else ended.through,
        "seconds": None if ended is None else ended.seconds,
        "chain": dump(seen.chain),
    }
