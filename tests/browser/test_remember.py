"""What a reload keeps, what a reset forgets, and what another browser never sees."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import App, open_tab, reload, until
from tests.scripted import answer


def test_a_reload_keeps_settings_and_columns(problems: list[str], page: Page) -> None:
    page.click("#chat_add")
    expect(page.locator("#chat_column_2")).to_be_visible()
    page.locator("#chat_model_0 input").click()
    page.get_by_role("option", name="Starter Mistral").first.click()
    page.locator("#chat_message textarea").fill("half a thought")
    open_tab(page, "Text to image")
    page.locator("#image_prompt textarea").fill("a green triangle")
    page.locator("#image_negative textarea, #image_negative input").first.fill("red")
    page.wait_for_timeout(800)
    reload(page, problems)
    expect(page.locator("#chat_column_2")).to_be_visible()
    expect(page.locator("#chat_model_0 input")).to_have_value("Starter Mistral")
    expect(page.locator("#chat_message textarea")).to_have_value("half a thought")
    open_tab(page, "Text to image")
    expect(page.locator("#image_prompt textarea")).to_have_value("a green triangle")
    expect(page.locator("#image_negative textarea, #image_negative input").first).to_have_value("red")


def test_reset_forgets_settings_but_keeps_pictures(problems: list[str], app: App, page: Page) -> None:
    open_tab(page, "Text to image")
    page.locator("#image_prompt textarea").fill("a star")
    page.click("#image_run")
    expect(page.locator("#past_gallery .thumbnail-lg")).to_have_count(2)
    open_tab(page, "Help")
    page.click("#reset_settings")
    open_tab(page, "Text to image")
    expect(page.locator("#image_prompt textarea")).to_have_value("")
    reload(page, problems)
    open_tab(page, "Text to image")
    expect(page.locator("#image_prompt textarea")).to_have_value("")
    expect(page.locator("#past_gallery .thumbnail-lg")).to_have_count(2)


def test_another_browser_starts_afresh(page: Page, visit: Callable[..., Page]) -> None:
    page.locator("#chat_message textarea").fill("mine")
    page.wait_for_timeout(500)
    other = visit()
    expect(other.locator("#chat_message textarea")).to_have_value("")


def test_what_the_browser_keeps_is_not_readable(page: Page) -> None:
    page.locator("#chat_message textarea").fill("a private thought")
    page.wait_for_timeout(500)
    kept = page.evaluate("localStorage.getItem('playground')")
    assert kept
    assert "private" not in kept


def test_a_reload_keeps_the_conversation_and_goes_on_with_it(problems: list[str], app: App, page: Page) -> None:
    app.engine.plays["starter-mistral"] = answer("Noted.", reasoning="hm hm")
    page.locator("#chat_message textarea").fill("Remember the number 42.")
    page.click("#chat_send")
    expect(page.locator("#chat_figures_0")).to_contain_text("tok/s")
    expect(page.locator("#chat_figures_1")).to_contain_text("tok/s")
    page.wait_for_timeout(800)
    reload(page, problems)
    expect(page.locator("#chat_log_0")).to_contain_text("You said: Remember the number 42.")
    expect(page.locator("#chat_log_1")).to_contain_text("Thought for")
    page.locator("#chat_message textarea").fill("Which?")
    page.click("#chat_send")
    until(lambda: len(app.engine.requests) == 4, "the next turn")
    last = [r for r in app.engine.requests if r.model == "starter-mistral"][-1]
    assert [m.content for m in last.messages] == ["Remember the number 42.", "Noted.", "Which?"]
    expect(page.locator("#chat_send")).to_be_enabled()
    page.click("#chat_clear")
    expect(page.locator("#chat_log_0")).not_to_contain_text("42")
    page.wait_for_timeout(800)
    reload(page, problems)
    page.wait_for_timeout(500)
    expect(page.locator("#chat_log_0")).not_to_contain_text("42")
