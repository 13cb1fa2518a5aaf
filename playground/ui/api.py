"""The public API: stable names and defaults, apart from the page's own events, so that the page can change.

Gradio validates nothing from hints, so every value goes through the engine's own checks; an error of one model stands
in that model's row ("error"), an error of the whole call is raised as one sentence. Annotations are live here, since
gradio reads the return hint of each function as an object; a generator carries the hint of one yield.
"""

import asyncio

import gradio as gr

from playground.errors import InvalidRequest
from playground.protocol import plain
from playground.ui.api_adapters import register_adapters
from playground.ui.api_batches import register_batches
from playground.ui.api_battles import register_battles
from playground.ui.api_chain import register_chain
from playground.ui.api_chat import register_chat
from playground.ui.api_classify import register_classify
from playground.ui.api_code import register_code
from playground.ui.api_gallery import register_gallery
from playground.ui.api_grid import register_grid
from playground.ui.api_images import register_images
from playground.ui.api_models import register_models
from playground.ui.api_shared import told
from playground.ui.context import AppContext
from playground.ui.owner import owner_of


def register(context: AppContext) -> None:
    """Adds every function of the public API to the Blocks that are being built."""
    register_chat(context)
    register_classify(context)
    register_images(context)
    register_adapters(context)
    register_gallery(context)
    register_grid(context)
    _register_tables(context)
    register_battles(context)
    register_models(context)
    register_batches(context)
    register_code(context)
    register_chain(context)


def _register_tables(context: AppContext) -> None:
    async def models() -> list[dict]:
        """Every model with its kind, state, licence, size and device."""
        return [plain(state) for state in await context.engine.models()]

    async def score_table(kind: str = "all", request: gr.Request = None) -> list[dict]:  # type: ignore[assignment]
        """The score table: facts, published figures and what the caller measured here."""
        from playground.scores.table import score_table as table

        if kind not in ("chat", "image", "all"):
            raise told(InvalidRequest(f"kind must be chat, image or all, got {kind!r}."))
        states = await context.engine.models()
        rows = await asyncio.to_thread(lambda: context.store().scores(owner_of(request, "")))
        return table(context.catalog, rows, states, kind)  # type: ignore[arg-type]  # checked above

    for function in (models, score_table):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)
