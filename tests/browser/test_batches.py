"""The Batches section on the page: the example runs, its table fills, a stopped batch is resumed, files come down."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import App, open_tab, until
from tests.scripted import answer


@pytest.fixture
def batches(page: Page) -> Page:
    if not page.get_by_role("tab", name="Batches", exact=True).count():
        pytest.skip("the page has no Batches section yet")
    open_tab(page, "Batches")
    return page


def test_the_example_runs_in_two_clicks_and_comes_down_as_csv(app: App, batches: Page, tmp_path: Path) -> None:
    app.engine.plays["starter-phi"] = answer("It is 12.", 0.005)
    batches.click("#batch_example")
    expect(batches.locator("#batch_preview")).to_contain_text("4 prompts; columns: question, answer")
    batches.click("#batch_run")
    expect(batches.locator("#batch_progress")).to_contain_text("every prompt has its answer")
    rows = batches.locator("#batch_rows tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("right")
    expect(batches.locator("#batch_totals")).to_contain_text("2 of 4 (50%)")
    batches.click("#batch_csv")
    with batches.expect_download() as download:
        batches.locator("#batch_download a").first.click()
    path = tmp_path / "rows.csv"
    download.value.save_as(path)
    assert path.read_text().startswith("line,model,prompt")
    expect(batches.locator("#batch_past tbody tr").first).to_contain_text("4 of 4")


def test_a_stopped_batch_keeps_what_is_done_and_is_resumed(app: App, batches: Page) -> None:
    app.engine.plays["starter-phi"] = answer("one two three", 0.3)
    batches.fill("#batch_prompts textarea", "\n".join(f"Say {i}" for i in range(60)))
    expect(batches.locator("#batch_preview")).to_contain_text("60 prompts")
    batches.click("#batch_run")
    expect(batches.locator("#batch_rows tbody tr").first).to_be_visible()
    batches.click("#batch_stop")
    expect(batches.locator("#batch_progress")).to_contain_text("Stopped:")
    done = len(app.engine.requests) - len(app.engine.cancelled)
    app.engine.plays["starter-phi"] = answer("one two three", 0.005)
    before = len(app.engine.requests)
    batches.click("#batch_resume")
    expect(batches.locator("#batch_progress")).to_contain_text("every prompt has its answer")
    until(lambda: len(app.engine.requests) == before + 60 - done, "the rest alone to be asked")
