"""Chains on the page: steps that are added, moved and set; a run with its rows; stop, failures, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as Pictures
from playwright.sync_api import Page, expect

from playground.protocol import Failed, ImageRequest
from tests.browser.conftest import PHONE, App, open_tab, reload, unfold, until
from tests.scripted import picture

LIST = "#chain_list label"
ROWS = "#chain_rows .pg-chain-row"


@pytest.fixture(autouse=True)
def scripted(app: App) -> None:
    app.engine.plays["starter-sd"] = app.engine.plays["starter-sd-small"] = picture(3, 0.02)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "wide.png", tmp_path / "tall.png"]
    for path, size in zip(found, ((40, 20), (20, 40)), strict=True):
        Pictures.new("RGB", size, "teal").save(path)
    return found


def hand_in(page: Page, files: list[Path]) -> None:
    page.locator("#chain_files input[type=file]").set_input_files(files)
    expect(page.locator("#chain_files")).to_contain_text(files[0].stem)


def test_a_chain_is_put_together_run_and_kept(app: App, page: Page, problems: list[str]) -> None:
    open_tab(page, "Text to image")
    open_tab(page, "Chain")
    expect(page.locator(LIST)).to_have_count(4)
    page.locator("#chain_generate_prompt textarea").fill("a green hat")
    page.locator(LIST).nth(1).click()
    expect(page.locator("#chain_step_second_pass")).to_be_visible()
    expect(page.locator(LIST).first).to_contain_text("a green hat")
    page.click("#chain_remove")
    expect(page.locator(LIST)).to_have_count(3)
    page.click("#chain_add")
    expect(page.locator(LIST)).to_have_count(4)
    expect(page.locator("#chain_step_upscale")).to_be_visible()
    page.click("#chain_up")
    expect(page.locator(LIST).nth(1)).to_contain_text("Upscale: 2×")
    page.click("#chain_run")
    expect(page.locator("#chain_status")).to_contain_text("1 picture came through")
    expect(page.locator(ROWS)).to_have_count(4)
    expect(page.locator(f"{ROWS} img")).to_have_count(4)
    page.wait_for_function("[...document.querySelectorAll('#chain_rows img')].every(i => i.complete && i.naturalWidth)")
    asked = [r for r in app.engine.requests if isinstance(r, ImageRequest)]
    assert [(r.kind, r.prompt) for r in asked] == [("text_to_image", "a green hat")]
    unfold(page, "chain_keep")
    page.locator("#chain_name textarea, #chain_name input").first.fill("Hats")
    page.click("#chain_save")
    expect(page.locator("#chain_said")).to_contain_text("Kept as Hats.")
    page.click("#chain_export")
    expect(page.locator("#chain_said")).to_contain_text("The file is ready.")
    with page.expect_download() as download:
        page.locator("#chain_file").click()
    document = json.loads(Path(download.value.path()).read_text())
    assert [step["do"] for step in document["steps"]] == ["generate", "upscale", "sharpen", "save"]
    reload(page, problems)
    open_tab(page, "Text to image")
    open_tab(page, "Chain")
    expect(page.locator(LIST).first).to_contain_text("a green hat")


def test_pictures_go_through_and_a_failure_says_where(app: App, page: Page, files: list[Path]) -> None:
    def tall_fails(request: object) -> list:
        assert isinstance(request, ImageRequest)
        failing = request.image is not None and len(app.engine.requests) == 2
        return [(0.0, Failed("The model fell over.", "Try again."))] if failing else picture(2, 0.0)(request)

    app.engine.plays["starter-sd"] = tall_fails
    open_tab(page, "Text to image")
    open_tab(page, "Chain")
    page.click("#chain_example_2")
    expect(page.locator(LIST).first).to_contain_text("Image to image")
    page.locator(LIST).nth(1).click()
    page.click("#chain_remove")
    page.click("#chain_run")
    expect(page.locator("#chain_status .pg-problem")).to_contain_text("begins with a picture, and there is none")
    hand_in(page, files)
    page.click("#chain_run")
    expect(page.locator("#chain_status")).to_contain_text("1 picture came through")
    expect(page.locator("#chain_rows .pg-problem")).to_contain_text("Image to image, tall.png: The model fell over.")
    expect(page.locator(f"{ROWS} img")).to_have_count(2)


def test_stop_ends_within_a_step(app: App, page: Page) -> None:
    app.engine.plays["starter-sd"] = picture(400, 0.05)
    open_tab(page, "Text to image")
    open_tab(page, "Chain")
    page.click("#chain_run")
    expect(page.locator("#chain_status")).to_contain_text("of 400")
    page.click("#chain_stop")
    expect(page.locator("#chain_status")).to_contain_text("Stopped.")
    until(lambda: app.engine.cancelled, "the engine to hear of it")
    expect(page.locator("#chain_stop")).to_be_disabled()


def test_on_a_phone_nothing_scrolls_sideways(visit: Callable[..., Page], files: list[Path]) -> None:
    page = visit(PHONE)
    open_tab(page, "Text to image")
    open_tab(page, "Chain")
    page.click("#chain_example_1")
    expect(page.locator(LIST)).to_have_count(3)
    hand_in(page, files)
    page.click("#chain_run")
    expect(page.locator("#chain_status")).to_contain_text("2 pictures came through")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
