"""Inpaint: by a mask picture and by drawing, and what happens without either."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from playground.protocol import ImageRequest
from tests.browser.conftest import App, open_tab, unfold


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (320, 200), (30, 90, 160)).save(path)
    return path


def sent(app: App) -> ImageRequest:
    (request,) = [r for r in app.engine.requests if isinstance(r, ImageRequest)]
    return request


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


def put(page: Page, photo: Path) -> None:
    """Uploads once the canvas stands: before that the editor cannot take a picture."""
    open_tab(page, "Inpaint")
    page.wait_for_selector("#inpaint_editor canvas")
    page.evaluate("window.playgroundCanvas('inpaint_editor')")
    page.locator("#inpaint_editor input[type=file]").first.set_input_files(str(photo))
    page.wait_for_timeout(1500)


def test_the_example_repaints_only_under_its_mask(app: App, page: Page) -> None:
    open_tab(page, "Inpaint")
    page.click("#inpaint_example")
    expect(page.locator("#inpaint_prompt textarea")).to_have_value("a blue star on a white background")
    expect(page.locator("#inpaint_mask img")).to_be_visible()
    page.wait_for_timeout(1000)
    page.click("#inpaint_run")
    expect(page.locator("#inpaint_status")).to_contain_text("Outside the mask: identical")
    expect(page.locator("#inpaint_result")).to_be_visible()
    request = sent(app)
    assert request.kind == "inpaint"
    assert opened(request.image).size == (128, 128)
    assert opened(request.image).convert("RGB").getpixel((64, 64)) == (220, 40, 40)
    assert opened(request.mask).getbbox() == (30, 30, 98, 98)


def test_what_is_drawn_is_the_mask(app: App, page: Page, photo: Path) -> None:
    put(page, photo)
    canvas = page.locator("#inpaint_editor canvas").first
    box = canvas.bounding_box()
    assert box is not None
    page.locator("#inpaint_editor").get_by_label("Brush").first.click()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 30, y)
    page.mouse.down()
    page.mouse.move(x + 30, y, steps=8)
    page.mouse.up()
    page.locator("#inpaint_prompt textarea").fill("a boat")
    page.wait_for_timeout(1500)
    page.click("#inpaint_run")
    expect(page.locator("#inpaint_status")).to_contain_text("Outside the mask: identical")
    request = sent(app)
    mask = opened(request.mask)
    assert opened(request.image).size == mask.size == (320, 200)
    share = mask.histogram()[255] / (320 * 200)
    assert 0.005 < share < 0.6
    assert set(mask.getextrema()) == {0, 255}
    assert mask.getpixel((160, 100)) == 255
    assert mask.getpixel((2, 2)) == 0


def test_without_a_mark_it_says_what_to_do(app: App, page: Page, photo: Path) -> None:
    put(page, photo)
    page.click("#inpaint_run")
    expect(page.locator("#inpaint_status .pg-problem")).to_contain_text("Nothing is marked.")
    assert app.engine.requests == []


def test_without_a_picture_it_says_what_to_do(app: App, page: Page) -> None:
    open_tab(page, "Inpaint")
    page.wait_for_selector("#inpaint_editor canvas")
    page.click("#inpaint_run")
    expect(page.locator("#inpaint_status .pg-problem")).to_be_visible()
    assert app.engine.requests == []


def test_a_mask_of_another_size_is_refused(app: App, page: Page, photo: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (64, 64), 255).save(mask)
    put(page, photo)
    unfold(page, "inpaint_mask_fold")
    page.locator("#inpaint_mask input[type=file]").set_input_files(str(mask))
    expect(page.locator("#inpaint_mask img")).to_be_visible()
    page.click("#inpaint_run")
    expect(page.locator("#inpaint_status .pg-problem")).to_contain_text(
        "The mask is 64x64, but the picture is 320x200."
    )
