"""The gallery: search, one picture large, what can be done with it; and settings from a dropped picture."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

from playground.images.metadata import write_png
from playground.protocol import Image, ImageRequest, Request
from tests.browser.conftest import PHONE, App, open_tab, unfold, until
from tests.scripted import Script, picture

TILES = "#past_gallery .thumbnail-lg"


def telling(steps: int = 2, every: float = 0.01) -> Callable[[Request], Script]:
    """Pictures that carry their settings, as the real ones do."""

    def play(request: Request) -> Script:
        assert isinstance(request, ImageRequest)
        return [(wait, told(request, e) if isinstance(e, Image) else e) for wait, e in picture(steps, every)(request)]

    return play


def told(request: ImageRequest, made: Image) -> Image:
    record = {
        "model": request.model, "prompt": request.prompt, "seed": made.seed, "sampler": "Euler a", "steps": 9,
        "schedule": "Automatic", "guidance_scale": 6.5, "width": made.width, "height": made.height,
    }  # fmt: skip
    return replace(made, png=write_png(Pictures.open(io.BytesIO(made.png)), made.parameters, record))


@pytest.fixture(autouse=True)
def scripted(app: App) -> None:
    app.engine.plays["starter-sd"] = app.engine.plays["starter-sd-small"] = telling()


def paint(page: Page, prompt: str, count: int) -> None:
    open_tab(page, "Text to image")
    page.locator("#image_prompt textarea").fill(prompt)
    page.click("#image_run")
    expect(page.locator(TILES)).to_have_count(count)


def first(page: Page) -> None:
    page.locator(TILES).first.click()
    expect(page.locator("#gallery_about")).to_contain_text("Seed")


def test_search_narrows_and_an_empty_result_says_so(page: Page) -> None:
    paint(page, "a red kite", 2)
    paint(page, "a blue boat", 4)
    page.locator("#gallery_words input, #gallery_words textarea").first.fill("kite RED")
    expect(page.locator(TILES)).to_have_count(2)
    expect(page.locator("#gallery_line")).to_contain_text("Pictures 1 to 2 of 2")
    page.locator("#gallery_words input, #gallery_words textarea").first.fill("kite boat")
    expect(page.locator("#past_note")).to_contain_text("Nothing found")
    page.locator("#gallery_since input, #gallery_since textarea").first.fill("soon")
    page.locator("#gallery_since input, #gallery_since textarea").first.press("Enter")
    expect(page.locator("#past_note .pg-problem")).to_contain_text("since must be a day as YYYY-MM-DD, got 'soon'")


def test_arrow_keys_leaf_and_a_deleted_picture_comes_back(page: Page) -> None:
    paint(page, "a lamp", 2)
    first(page)
    about = page.locator("#gallery_about")
    expect(about).to_contain_text("Starter SD small")
    page.keyboard.press("ArrowRight")
    expect(about).not_to_contain_text("Starter SD small")
    page.keyboard.press("ArrowLeft")
    expect(about).to_contain_text("Starter SD small")
    page.click("#gallery_delete")
    expect(page.locator(TILES)).to_have_count(1)
    expect(page.locator("#gallery_said")).to_contain_text("can be brought back")
    page.click("#gallery_restore")
    expect(page.locator(TILES)).to_have_count(2)


def test_favourites_and_a_zip_of_the_chosen(page: Page, tmp_path: Path) -> None:
    paint(page, "a leaf", 2)
    first(page)
    page.click("#gallery_like")
    expect(page.locator("#gallery_like")).to_have_text("Remove favourite")
    page.locator("#gallery_liked input").check()
    expect(page.locator(TILES)).to_have_count(1)
    page.locator("#gallery_liked input").uncheck()
    expect(page.locator(TILES)).to_have_count(2)
    page.click("#gallery_choose_page")
    expect(page.locator("#gallery_zip")).to_contain_text("Pack 2 as zip")
    page.click("#gallery_zip")
    expect(page.locator("#gallery_said")).to_contain_text("The zip is ready")
    with page.expect_download() as download:
        page.locator("#gallery_zip_file").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")


def test_use_these_settings_fills_the_form(page: Page) -> None:
    paint(page, "a tower", 2)
    page.locator("#image_prompt textarea").fill("something else")
    first(page)
    page.click("#gallery_use")
    expect(page.locator("#image_prompt textarea")).to_have_value("a tower")
    expect(page.locator("#image_fresh input")).not_to_be_checked()
    expect(page.locator("#image_models .token")).to_have_count(1)


def test_verify_says_identical(app: App, page: Page) -> None:
    paint(page, "a bridge", 2)
    first(page)
    page.click("#gallery_verify")
    expect(page.locator("#gallery_verdict")).to_contain_text("Identical: every pixel is the same.")
    asked = [r for r in app.engine.requests if isinstance(r, ImageRequest)]
    assert (asked[-1].seed, asked[-1].steps, asked[-1].sampler) == (asked[0].seed, 9, "Euler a")


def test_a_verification_can_be_stopped(app: App, page: Page) -> None:
    paint(page, "a mill", 2)
    app.engine.plays["starter-sd-small"] = telling(200, 0.1)
    first(page)
    page.click("#gallery_verify")
    expect(page.locator("#gallery_verdict")).to_contain_text("of 200")
    page.click("#gallery_stop")
    expect(page.locator("#gallery_verdict")).to_contain_text("Stopped. Nothing was compared.")
    until(lambda: app.engine.cancelled, "the engine to hear of it")


def test_a_missing_file_is_told_and_its_settings_are_kept(app: App, page: Page) -> None:
    paint(page, "a lost castle", 2)
    for path in (app.data / "outputs").rglob("a-lost-castle*.png"):
        path.unlink()
    first(page)
    expect(page.locator("#gallery_about .pg-problem")).to_contain_text("file is missing")
    page.locator("#image_prompt textarea").fill("")
    page.click("#gallery_use")
    expect(page.locator("#image_prompt textarea")).to_have_value("a lost castle")
    page.click("#gallery_verify")
    expect(page.locator("#gallery_verdict .pg-problem")).to_contain_text("no longer there")


def test_a_dropped_picture_fills_the_form_and_says_what_it_cannot(page: Page, tmp_path: Path) -> None:
    open_tab(page, "Text to image")
    fooocus = {"base_model": "juggernaut", "prompt": "a fox", "negative_prompt": "blurry", "seed": "77", "steps": 30,
               "sampler": "dpmpp_2m_sde_gpu", "resolution": "(1152, 896)", "sharpness": 2}  # fmt: skip
    path = tmp_path / "fox.png"
    chunks = PngInfo()
    chunks.add_text("parameters", json.dumps(fooocus))
    Pictures.new("RGB", (8, 8)).save(path, pnginfo=chunks)
    unfold(page, "image_drop")
    page.locator("#image_drop_file input[type=file]").set_input_files(path)
    expect(page.locator("#image_prompt textarea")).to_have_value("a fox")
    expect(page.locator("#image_negative textarea, #image_negative input").first).to_have_value("blurry")
    expect(page.locator("#image_seed input")).to_have_value("77")
    found = page.locator("#image_drop_found")
    expect(found).to_contain_text("Its model 'juggernaut' is not listed here; the chosen models stay.")
    expect(found).to_contain_text("Not taken over: sharpness")
    page.click("#image_drop_verify")
    expect(page.locator("#image_drop_verdict .pg-problem")).to_contain_text("'juggernaut' is not listed")


def test_on_a_phone_nothing_scrolls_sideways(visit: Callable[..., Page]) -> None:
    page = visit(PHONE)
    paint(page, "a small boat", 2)
    first(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
