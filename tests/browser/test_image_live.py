"""Several picture jobs: waiting ones, found again after a reload, skip, live drawing, and the page title."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from playground.protocol import ImageRequest
from tests.browser.conftest import App, open_tab, reload, unfold, until
from tests.scripted import picture

THUMBNAILS = "#image_gallery .thumbnail-lg"


def painted(app: App) -> list[ImageRequest]:
    return [r for r in app.engine.requests if isinstance(r, ImageRequest)]


def generate(page: Page, prompt: str) -> None:
    page.locator("#image_prompt textarea").fill(prompt)
    page.click("#image_run")


def test_jobs_wait_survive_a_reload_and_are_cancelled(app: App, page: Page, problems: list[str]) -> None:
    slow = picture(steps=600, every=0.1)
    app.engine.plays |= {"starter-sd": lambda r: slow(r) if r.prompt == "one" else picture()(r)}
    open_tab(page, "Text to image")
    generate(page, "one")
    expect(page.locator("#image_status")).to_contain_text("of 600")
    expect(page.locator("#image_status")).to_contain_text("0.10 s a step")
    expect(page.locator("#image_status")).to_contain_text("left in all")
    generate(page, "two")
    expect(page.locator("#image_waiting")).to_contain_text("1 job waiting")
    generate(page, "three")
    waiting = page.locator("#image_waiting li")
    expect(waiting).to_have_count(2)
    expect(waiting.first).to_contain_text("two")
    expect(waiting.first).to_contain_text("Starter SD, Starter SD small")
    assert [r.prompt for r in painted(app)] == ["one"]
    reload(page, problems)
    open_tab(page, "Text to image")
    expect(waiting).to_have_count(2)
    expect(page.locator("#image_status")).to_contain_text("of 600")
    assert "%" in page.title()
    page.get_by_role("button", name="Cancel waiting job 1").click()
    expect(waiting).to_have_count(1)
    expect(waiting).to_contain_text("three")
    page.click("#image_skip")
    expect(page.locator(THUMBNAILS)).to_have_count(3)  # of the other model, and two of the third job
    expect(page.locator("#past_gallery .thumbnail-lg")).to_have_count(3)
    assert [r.prompt for r in painted(app)] == ["one", "one", "three", "three"]
    expect(page.locator("#image_stop")).to_be_disabled()
    expect(page.locator("#image_waiting li")).to_have_count(0)


def test_a_long_jobs_end_stands_in_the_title_until_somebody_looks(app: App, page: Page) -> None:
    app.engine.plays["starter-sd"] = picture(steps=110, every=0.1)
    open_tab(page, "Text to image")
    page.locator("#image_models .token-remove").nth(1).click()  # the last one takes out all
    generate(page, "a moon")
    page.wait_for_function(r"/^\d+ % – Playground$/.test(document.title)")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_function("document.title === '✓ 1 picture – Playground'", timeout=60_000)
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function("document.title === 'Playground'")


def test_live_draws_short_runs_and_one_full_run_once_nothing_moves(app: App, page: Page) -> None:
    open_tab(page, "Text to image")
    page.locator("#image_prompt textarea").fill("a star")
    assert painted(app) == []  # off by default
    unfold(page, "image_sampling")
    page.locator("#image_own input").uncheck()
    page.locator("#image_live input").check()
    steps = page.locator("#image_guidance input[type=number]")
    for value in ("5", "6", "7"):
        steps.fill(value)
        steps.press("Tab")
    expect(page.locator("#image_sketch img")).to_be_visible()
    expect(page.locator(THUMBNAILS)).to_have_count(2)
    until(lambda: len([r for r in painted(app) if r.steps == 20]) == 2, "the full run on both models")
    full = [r for r in painted(app) if r.steps == 20]
    assert {r.guidance_scale for r in full} == {7.0}
    assert {r.steps for r in painted(app)} == {5, 20}
    expect(page.locator("#past_gallery .thumbnail-lg")).to_have_count(2)  # the full run's alone
    expect(page.locator("#image_sketch img")).to_have_count(0)
