"""The public API of LoRAs and embeddings: what lies here and what it fits, and adding a file.

Annotations are live here, since gradio reads the hints of each function as objects.
"""

import asyncio
from pathlib import Path
from typing import Any

import gradio as gr

from playground.errors import InvalidRequest, PlaygroundError
from playground.models.adapter_files import InversionFile, LoraFile
from playground.models.adapter_fit import misfit, short_family
from playground.models.adapter_shelf import Shelved, open_shelf, place_for
from playground.ui.api_files import uploaded_path
from playground.ui.api_shared import model_ids, told
from playground.ui.context import AppContext
from playground.ui.owner import owner_of


def register_adapters(context: AppContext) -> None:
    """Adds the functions to the Blocks that are being built."""

    async def adapters(
        models: list[str] | None = None,
        request: gr.Request = None,  # type: ignore[assignment]  # gradio fills it in
    ) -> list[dict]:
        """Every LoRA and embedding by name: kind, family, rank, vectors, bytes, words, or why it is unusable.

        `misfits` has, for each of `models`, why the file cannot work on it; empty where nothing speaks against it.
        """
        ids = model_ids(models, context, "image") if models else []
        shelf = open_shelf(context.settings, owner_of(request, ""))
        entries = await asyncio.to_thread(shelf.entries)
        return [_row(context, entry, ids) for entry in entries]

    async def add_adapter(
        file: dict | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Keeps an uploaded .safetensors file under its own name, once it was checked; returns its row of /adapters."""
        owner = owner_of(request, "")

        def keep() -> Shelved:
            folder = place_for(context.settings, owner)
            path = uploaded_path(file, "adapter")
            if path is None:
                raise InvalidRequest("There is no file.", "Upload one, with gradio_client by handle_file(path).")
            named = Path(str((file or {}).get("orig_name") or path.name)).name
            return open_shelf(context.settings, owner).add(path, named, folder)

        try:
            return _row(context, await asyncio.to_thread(keep), [])
        except PlaygroundError as error:
            raise told(error) from None

    for function in (adapters, add_adapter):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)


def _row(context: AppContext, entry: Shelved, ids: list[str]) -> dict[str, Any]:
    file = entry.file
    lora, inversion = isinstance(file, LoraFile), isinstance(file, InversionFile)
    return {
        "name": entry.name,
        "kind": entry.kind,
        "family": short_family(file) if file is not None else "",
        "rank": file.rank if lora else None,  # type: ignore[union-attr]
        "vectors": file.vectors if inversion else None,  # type: ignore[union-attr]
        "parts": list(file.parts) if lora else list(file.widths) if inversion else [],  # type: ignore[union-attr]
        "words": list(file.words) if lora else [],  # type: ignore[union-attr]
        "bytes": entry.bytes,
        "own": entry.own,
        "reason": f"{entry.reason} {entry.hint}".strip(),
        "misfits": {i: misfit(context.catalog[i], file) for i in ids} if file is not None else {},
    }
