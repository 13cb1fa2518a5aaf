"""Starts Playground: settings, page, and, once the page is served, torch and the first models in the background."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

from playground.catalog import load_catalog
from playground.engine import open_engine
from playground.errors import PlaygroundError
from playground.models.freed import one_heap
from playground.settings import Settings, load_settings

if TYPE_CHECKING:
    from playground.store import Store

WARM_FIRST = ("starter-phi", "starter-mistral", "starter-sd")
WARM_AFTER_S = 1.0  # the browser fetches the page in this time, undisturbed by the imports


def main(argv: Sequence[str] | None = None) -> None:
    """Serves the page until interrupted. Wrong settings end the program with one sentence."""
    try:
        settings = load_settings(argv)
        serve(settings)
    except PlaygroundError as error:
        sys.exit(str(error))


def serve(settings: Settings) -> None:
    """Builds the page, opens the port and blocks; frees every model at the end."""
    one_heap()  # before any thread has a heap of its own
    from playground.ui.context import AppContext
    from playground.ui.page import build, launch_kwargs

    catalog = load_catalog(settings.catalog, settings.data_path / "models.toml").only(settings.models)
    engine = open_engine(settings, catalog)

    context = AppContext(settings, catalog, engine, lazily_opened(settings))
    page = build(context)
    page.queue(api_open=False, max_size=200, default_concurrency_limit=None)
    page.launch(
        server_name=settings.host,
        server_port=settings.port or None,
        share=settings.share,
        auth=settings.credentials(),
        prevent_thread_lock=True,
        **launch_kwargs(context),
    )

    def warm_up() -> None:
        engine.warm(*(card_id for card_id in WARM_FIRST if card_id in catalog))
        context.store()

    timer = threading.Timer(WARM_AFTER_S, warm_up)
    timer.daemon = True
    timer.start()
    try:
        page.block_thread()
    finally:
        engine.close()


def lazily_opened(settings: Settings) -> Callable[[], Store]:
    """The store, opened once by whoever asks first: SQLAlchemy is not needed to serve the page."""
    lock = threading.Lock()
    opened: list[Store] = []

    def store() -> Store:
        with lock:
            if not opened:
                from playground.store import Store

                opened.append(Store(settings.store_url))
            return opened[0]

    return store


if __name__ == "__main__":
    main()
