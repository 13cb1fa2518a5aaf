"""The page on a free port with a scripted engine, and a Chromium that must see no error and reach no other machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from playground.bench.process import free_port
from playground.catalog import load_catalog
from playground.settings import Settings
from playground.store import Store
from playground.ui.context import AppContext
from playground.ui.page import build, launch_kwargs
from tests.conftest import CHROMIUM
from tests.scripted import ScriptedEngine

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A field that is shown for the first time takes its remembered value just after: typing sooner would be overwritten.
MOUNT_MS = 500
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
expect.set_options(timeout=20_000)


@dataclass
class App:
    """The served page and what stands behind it."""

    url: str
    engine: ScriptedEngine
    data: Path


# Playwright's loop runs in this thread while its fixture lives, and asyncio.run refuses to run beside it: the fixtures
# end with this folder, so that other tests are free to use asyncio.
@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), port=free_port())
    catalog = load_catalog()
    engine = ScriptedEngine(catalog)

    @cache
    def store() -> Store:
        return Store(settings.store_url)

    context = AppContext(settings, catalog, engine, store)
    page = build(context)
    page.queue(api_open=False, max_size=200, default_concurrency_limit=None)
    page.launch(
        server_name="127.0.0.1",
        server_port=settings.port,
        prevent_thread_lock=True,
        quiet=True,
        **launch_kwargs(context),
    )
    yield App(f"http://127.0.0.1:{settings.port}", engine, settings.data_path)
    page.close()


@pytest.fixture
def app(served: App) -> App:
    """The app with an engine that has forgotten earlier tests."""
    served.engine.requests.clear()
    served.engine.cancelled.clear()
    served.engine.plays.clear()
    return served


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def problems() -> list[str]:
    """Errors in the console and requests to other machines; a test that provokes one clears it."""
    return []


@pytest.fixture
def visit(app: App, browser: Browser, problems: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens the page in a fresh browser profile; fails on any problem."""
    contexts = []

    def opened(viewport: dict[str, int] = WIDE, query: str = "", url: str = "") -> Page:
        context = browser.new_context(viewport=viewport)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: problems.append(f"console: {m.text[:300]}") if m.type == "error" else None)
        page.on("pageerror", lambda e: problems.append(f"page error: {str(e)[:300]}"))
        page.on("request", lambda r: problems.append(f"left: {r.url[:200]}") if leaves(r.url) else None)
        page.goto((url or app.url) + query)
        settle(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(visit: Callable[..., Page]) -> Page:
    return visit()


def leaves(url: str) -> bool:
    parts = urlparse(url)
    return parts.scheme.startswith("http") and parts.hostname != "127.0.0.1"


def settle(page: Page) -> None:
    """Waits until the form shows what was remembered."""
    page.wait_for_selector("#chat_send")
    page.wait_for_function("window.playgroundReady === true")


def reload(page: Page, problems: list[str]) -> None:
    """Reloads the page; what the browser says of connections that this cuts is no problem."""
    page.reload()
    settle(page)
    cut = ("AbortError", "Connection errored out", "network error", "ERR_", "Unexpected client exception")
    problems[:] = [problem for problem in problems if not any(word in problem for word in cut)]


def open_tab(page: Page, name: str) -> None:
    """Clicks the tab, in the overflow menu where the window is narrow."""
    tab = page.get_by_role("tab", name=name, exact=True)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
    else:
        page.locator(".overflow-menu > button").first.click()  # of the outer tabs
        page.locator(".overflow-dropdown button", has_text=name).first.click()
    page.wait_for_timeout(MOUNT_MS)


def unfold(page: Page, fold: str) -> None:
    """Opens an accordion."""
    page.locator(f"#{fold} > button").click()
    page.wait_for_timeout(MOUNT_MS)


def until(check: Callable[[], object], what: str, seconds: float = 15) -> None:
    """Waits for something that the page does not show."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)
