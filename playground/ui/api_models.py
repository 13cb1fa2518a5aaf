"""The public API around the models themselves: what they take, having them, and adding to the list.

Annotations are live here, since gradio reads the hints of each function as objects.
"""

from typing import Any

import gradio as gr

from playground.errors import InvalidRequest
from playground.protocol import (
    Added,
    AddRequest,
    CancelToken,
    DownloadRequest,
    Failed,
    LoadRequest,
    PinRequest,
    Request,
    Sized,
    SizeRequest,
    UnloadRequest,
    plain,
)
from playground.ui.api_shared import sentence, told
from playground.ui.context import AppContext
from playground.ui.owner import owner_of


def register_models(context: AppContext) -> None:
    """Adds the functions."""

    async def run(request: Request) -> list[Any]:
        """Every event of a request; its failure is raised as one sentence."""
        cancel = CancelToken()
        events = []
        try:
            async for event in context.engine.submit(request, cancel):
                if isinstance(event, Failed):
                    raise gr.Error(sentence(event), print_exception=False)
                events.append(event)
        finally:
            cancel.cancel()
        return events

    async def row_of(card_id: str) -> dict[str, Any]:
        return next(plain(state) for state in await context.engine.models() if state.id == card_id)

    def named(model: Any) -> str:
        if not isinstance(model, str) or not model.strip():
            raise told(InvalidRequest("model must be the name of a model.", "See /models for the ids."))
        return model.strip()

    async def load_model(model: str = "starter-phi", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Loads a model, fetching it first where it is not on this machine; returns its row of /models."""
        await run(LoadRequest(named(model), owner_of(request, "")))
        return await row_of(named(model))

    async def unload_model(model: str = "starter-phi", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Frees a model and takes its pin off; returns its row of /models."""
        await run(UnloadRequest(named(model), owner_of(request, "")))
        return await row_of(named(model))

    async def pin_model(
        model: str = "starter-phi",
        pinned: bool = True,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Keeps a model loaded until it is unloaded or unpinned; returns its row of /models."""
        if not isinstance(pinned, bool):
            raise told(InvalidRequest(f"pinned must be true or false, got {pinned!r}."))
        await run(PinRequest(named(model), owner_of(request, ""), pinned))
        return await row_of(named(model))

    async def download_model(model: str = "starter-phi", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Fetches a model's files and loads nothing; returns its row of /models."""
        await run(DownloadRequest(named(model), owner_of(request, "")))
        return await row_of(named(model))

    async def size_model(model: str = "starter-phi", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """What a model takes and whether it fits here: a card's id, a folder, a file, or owner/name on the hub.

        The figures are those of `python -m playground.doctor MODEL --json`; no weights are fetched.
        """
        events = await run(SizeRequest(named(model), owner_of(request, "")))
        return next(event.report for event in events if isinstance(event, Sized))

    async def add_model(
        model: str = "",
        quantization: str = "",
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Puts a folder, a file, or owner/name on the hub on the list of models; returns its row of /models.

        With `quantization` ("int8", "int4") a form of it that is packed to that while loading; `model` may be a card's
        id then.
        """
        if not isinstance(quantization, str):
            raise told(InvalidRequest(f"quantization must be a name, got {quantization!r}.", "Write int8 or int4."))
        events = await run(AddRequest(named(model), owner_of(request, ""), quantization))
        return await row_of(next(event.model for event in events if isinstance(event, Added)))

    for function in (load_model, unload_model, pin_model, download_model, size_model, add_model):
        gr.api(function, api_name=function.__name__, concurrency_limit=None)
