"""Starts Playground: settings, page, and, once the page is served, torch and the first models in the background."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from functools import cache

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

from playground.catalog import load_catalog
from playground.engine import open_engine
from playground.errors import PlaygroundError
from playground.settings import Settings, load_settings

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
    from playground.ui.context import AppContext
    from playground.ui.page import build, launch_kwargs

    catalog = load_catalog(settings.catalog).only(settings.models)
    engine = open_engine(settings, catalog)

    @cache
    def store():  # type: ignore[no-untyped-def]
        from playground.store import Store

        return Store(settings.store_url)

    context = AppContext(settings, catalog, engine, store)
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
        store()

    timer = threading.Timer(WARM_AFTER_S, warm_up)
    timer.daemon = True
    timer.start()
    try:
        page.block_thread()
    finally:
        engine.close()


if __name__ == "__main__":
    main()
