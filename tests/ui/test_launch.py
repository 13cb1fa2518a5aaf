"""The page starts on a machine that is too busy to render it within gradio's 3 seconds."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from gradio import networking

from playground.bench.process import free_port
from playground.catalog import load_catalog
from playground.settings import Settings
from playground.ui.context import AppContext
from playground.ui.page import build, launch_kwargs
from tests.scripted import ScriptedEngine


def test_a_page_that_answers_late_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(networking, "url_ok", lambda url: bool(asked.append(url)))  # as after its time limit
    settings, catalog = Settings(data_dir=tmp_path), load_catalog()
    context = AppContext(settings, catalog, ScriptedEngine(catalog), lambda: pytest.fail("no database is needed"))
    page, port = build(context), free_port()
    try:
        page.launch(server_port=port, prevent_thread_lock=True, quiet=True, **launch_kwargs(context))
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=60).status_code == 200
    finally:
        page.close()
