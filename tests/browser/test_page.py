"""The page as a whole: first view, keys, theme, width."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, App, open_tab, reload, until
from tests.scripted import answer, picture

TABS = ("Chat", "Classify", "Text to image", "Inpaint", "Scores", "Models", "Help")


def test_the_first_page_shows_every_tab_and_what_runs(page: Page) -> None:
    for name in TABS:
        expect(page.get_by_role("tab", name=name, exact=True).first).to_be_visible()
    expect(page.locator("#chips")).to_contain_text("CPU, 2 cores, bfloat16")
    expect(page.locator("#queue_chip")).to_have_text("Idle")


@pytest.mark.parametrize("name", TABS)
def test_nothing_scrolls_sideways_on_a_phone(visit: Callable[..., Page], name: str) -> None:
    page = visit(PHONE)
    open_tab(page, name)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_send_button_is_in_view_on_a_phone(visit: Callable[..., Page]) -> None:
    page = visit(PHONE)
    expect(page.locator("#chat_send")).to_be_in_viewport()


def test_control_enter_runs_and_escape_stops(app: App, page: Page) -> None:
    app.engine.plays["starter-sd"] = picture(steps=200, every=0.05)
    open_tab(page, "Text to image")
    page.locator("#image_prompt textarea").fill("a red circle")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#image_status")).to_contain_text("of 200")
    page.keyboard.press("Escape")
    expect(page.locator("#image_status")).to_contain_text("Stopped")
    assert len(app.engine.cancelled) == 1


def test_control_enter_in_the_chat_sends_once(app: App, page: Page) -> None:
    app.engine.plays["starter-phi"] = answer("Yes.")
    page.locator("#chat_message textarea").fill("Once?")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#chat_figures_0")).to_contain_text("tok/s")
    expect(page.locator("#chat_figures_1")).to_contain_text("tok/s")
    assert len(app.engine.requests) == 2


def test_the_theme_is_kept(problems: list[str], page: Page) -> None:
    before = page.evaluate("document.body.classList.contains('dark')")
    page.click("#theme_toggle")
    assert page.evaluate("document.body.classList.contains('dark')") is not before
    reload(page, problems)
    until(lambda: page.evaluate("document.body.classList.contains('dark')") is not before, "the theme to come back")


def test_the_device_chip_opens_the_models(page: Page) -> None:
    page.locator("#chips button").click()
    expect(page.locator("#model-starter-phi")).to_be_visible()


def test_every_control_has_a_name(page: Page) -> None:
    """A screen reader says something for each button and field on every tab."""
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(400)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, input, textarea, select')].filter((e) => {
                if (e.offsetParent === null || e.type === 'file' || e.type === 'hidden') return false;
                const label = e.labels && [...e.labels].some((l) => l.innerText.trim());
                return !(label || e.innerText?.trim() || e.getAttribute('aria-label') || e.title || e.placeholder
                    || e.getAttribute('aria-labelledby') || e.closest('label'));
            }).map((e) => e.outerHTML.slice(0, 160))"""
        )
        assert nameless == [], f"{name}: {nameless}"
