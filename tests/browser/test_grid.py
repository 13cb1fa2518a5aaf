"""The Grid section: a line about the plan, a table that fills up, one cell large, two under the slider, resume."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from playground.protocol import Failed, ImageRequest, Request
from tests.browser.conftest import MOUNT_MS, PHONE, App, open_tab
from tests.scripted import Script, picture


def test_a_grid_fills_up_is_looked_at_compared_and_resumed(app: App, page: Page) -> None:
    broken = [True]

    def play(request: Request) -> Script:
        assert isinstance(request, ImageRequest)
        if request.steps == 4 and "star" in request.prompt and broken[0]:
            return [(0.0, Failed("Four steps are too many for a <b>star</b>.", "Take two."))]
        return picture(steps=2, every=0.05)(request)

    app.engine.plays["starter-sd"] = play
    open_tab(page, "Text to image")
    open_tab(page, "Grid")
    expect(page.locator("#grid_table")).to_contain_text("No grid yet")
    page.click("#grid_example")
    expect(page.locator("#grid_line")).to_contain_text("9 cells, 1 model, 9 pictures of 128 × 128, 42 steps in all.")
    page.locator("#grid_x_values textarea, #grid_x_values input").first.fill("2, 4 (x")
    expect(page.locator("#grid_line .pg-problem")).to_contain_text("X: '4 (x' is not a number")
    page.locator("#grid_x_values textarea, #grid_x_values input").first.fill("2-4 (+2)")
    expect(page.locator("#grid_line")).to_contain_text("6 cells")
    page.locator("#grid_scored input").uncheck()
    page.click("#grid_run")
    cells = page.locator("#grid_table button.pg-cell")
    expect(cells).to_have_count(6)
    expect(page.locator("#grid_status")).to_contain_text("Done: 1 cell has no picture.")
    assert [r.steps for r in app.engine.requests if isinstance(r, ImageRequest)] == [2, 4] * 3
    assert len({r.seed for r in app.engine.requests if isinstance(r, ImageRequest)}) == 1
    assert cells.locator("img").first.evaluate("img => img.decode().then(() => img.naturalWidth)") == 128
    failed = page.locator("#grid_table .pg-cell-failed")
    expect(failed).to_have_text("Four steps are too many for a <b>star</b>. Take two.")

    cells.nth(2).click()
    expect(page.locator("#grid_about")).to_contain_text("Steps 2, Prompt search-replace star")
    expect(page.locator("#grid_large img")).to_be_visible()
    expect(page.locator("#grid_slider img").first).to_be_visible()
    page.click("#grid_as_b")
    expect(page.locator("#grid_differs")).to_contain_text("a red star on a white background")
    expect(page.locator("#grid_differs")).to_contain_text("Every pixel is the same.")

    broken[0] = False
    page.click("#grid_resume")
    expect(page.locator("#grid_status")).to_contain_text("Done: all 6 cells have their picture.")
    assert len(app.engine.requests) == 7
    expect(page.locator("#grid_past")).to_contain_text("6 of 6")
    page.click("#grid_html")
    expect(page.locator("#grid_download")).to_contain_text(re.compile(r"grid-\w+\s*\.html"))

    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.wait_for_timeout(MOUNT_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    expect(page.locator("#grid_run")).to_be_visible()
