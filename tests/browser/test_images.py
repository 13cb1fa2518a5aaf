"""Text to image: progress, one seed for all models, the gallery, and who sees it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from playground.protocol import ImageRequest
from tests.browser.conftest import App, open_tab, reload, unfold
from tests.scripted import failure, picture


def pictures(page: Page, gallery: str) -> int:
    return page.locator(f"#{gallery} .thumbnail-lg").count()


def generate(page: Page, prompt: str) -> None:
    open_tab(page, "Text to image")
    page.locator("#image_prompt textarea").fill(prompt)
    page.click("#image_run")


def painted(app: App) -> list[ImageRequest]:
    return [r for r in app.engine.requests if isinstance(r, ImageRequest)]


def test_a_preview_and_how_far_and_how_long(app: App, page: Page) -> None:
    app.engine.plays["starter-sd"] = picture(steps=30, every=0.1)
    generate(page, "a red circle")
    status = page.locator("#image_status")
    expect(status).to_contain_text("Starter SD, model 1 of 2")
    expect(status).to_contain_text("s left")
    expect(status.locator("img.pg-preview")).to_be_visible()
    assert status.locator("img.pg-preview").get_attribute("alt") == "Preview: a red circle"
    expect(page.locator("#image_gallery .thumbnail-lg")).to_have_count(2)


def test_models_share_the_seed_and_pictures_say_what_they_are(app: App, page: Page) -> None:
    generate(page, "a blue star")
    expect(page.locator("#image_gallery .thumbnail-lg")).to_have_count(2)
    first, second = painted(app)
    assert {first.model, second.model} == {"starter-sd", "starter-sd-small"}
    assert first.seed == second.seed
    caption = page.locator("#image_gallery .caption-label").first
    expect(caption).to_contain_text(f"Starter SD · seed {first.seed} · ")
    page.locator("#image_gallery .thumbnail-lg").first.click()
    expect(page.locator("#image_parameters textarea")).to_have_value(
        f"a blue star\nSteps: 4, Seed: {first.seed}, Model: starter-sd"
    )
    expect(page.locator("#image_seed input")).to_have_value(str(first.seed))


def test_a_kept_seed_is_used_again(app: App, page: Page) -> None:
    open_tab(page, "Text to image")
    page.locator("#image_seed input").fill("41")
    page.locator("#image_fresh input").uncheck()
    generate(page, "a ring")
    expect(page.locator("#image_gallery .thumbnail-lg")).to_have_count(2)
    assert [r.seed for r in painted(app)] == [41, 41]


def test_one_models_failure_leaves_the_other(app: App, page: Page) -> None:
    app.engine.plays["starter-sd"] = failure("steps must be 1 to 150, got 0.", "Choose other steps.")
    generate(page, "a heart")
    expect(page.locator("#image_status .pg-problem")).to_contain_text("steps must be 1 to 150, got 0.")
    expect(page.locator("#image_status .pg-problem")).to_contain_text("Choose other steps.")
    expect(page.locator("#image_gallery .thumbnail-lg")).to_have_count(1)


def test_stop_ends_at_once_and_starts_no_other_model(app: App, page: Page) -> None:
    app.engine.plays["starter-sd"] = picture(steps=300, every=0.1)
    generate(page, "a moon")
    expect(page.locator("#image_status")).to_contain_text("of 300")
    page.click("#image_stop")
    expect(page.locator("#image_status")).to_contain_text("Stopped", timeout=4000)
    assert len(painted(app)) == 1
    expect(page.locator("#image_stop")).to_be_disabled()


def test_settings_and_sizes_reach_the_model(app: App, page: Page) -> None:
    open_tab(page, "Text to image")
    page.locator("#image_size input").click()
    page.get_by_role("option", name="192 × 128, landscape").click()
    unfold(page, "image_sampling")
    page.locator("#image_own input").uncheck()
    page.locator("#image_steps input[type=number]").fill("7")
    page.locator("#image_steps input[type=number]").press("Tab")
    generate(page, "a cross")
    expect(page.locator("#image_gallery .thumbnail-lg")).to_have_count(2)
    request = painted(app)[0]
    assert (request.width, request.height, request.steps) == (192, 128, 7)
    assert (request.sampler, request.schedule) == ("DPM++ 2M", "Automatic")


def test_the_gallery_survives_a_reload_and_belongs_to_its_browser(
    problems: list[str], app: App, page: Page, visit: Callable[..., Page]
) -> None:
    generate(page, "a diamond")
    expect(page.locator("#past_gallery .thumbnail-lg")).to_have_count(2)
    reload(page, problems)
    open_tab(page, "Text to image")
    expect(page.locator("#past_gallery .thumbnail-lg")).to_have_count(2)
    other = visit()
    open_tab(other, "Text to image")
    expect(other.locator("#past_note")).to_contain_text("Nothing here yet")
    assert pictures(other, "past_gallery") == 0


def test_inpaint_this_puts_the_picture_on_the_canvas(app: App, page: Page) -> None:
    generate(page, "a hexagon")
    expect(page.locator("#image_gallery .thumbnail-lg")).to_have_count(2)
    page.locator("#image_gallery .thumbnail-lg").first.click()
    page.click("#image_inpaint_this")
    expect(page.locator("#inpaint_editor canvas").first).to_be_visible()
    expect(page.get_by_role("tab", name="Inpaint", exact=True).first).to_have_attribute("aria-selected", "true")


def test_a_prompt_is_shown_as_text_whatever_it_holds(app: App, page: Page) -> None:
    app.engine.plays["starter-sd"] = picture(steps=40, every=0.1)
    prompt = '${1+1} {{value}} "><b onclick="window.broken=1">'
    generate(page, prompt)
    preview = page.locator("#image_status img.pg-preview")
    expect(preview).to_have_attribute("alt", f"Preview: {prompt}")
    assert page.locator("#image_status [onclick]").count() == 0
    page.click("#image_stop")  # a job goes on without its page, into the next test
    expect(page.locator("#image_stop")).to_be_disabled()


def test_no_model_says_what_to_do(app: App, page: Page) -> None:
    open_tab(page, "Text to image")
    for _ in range(2):
        page.locator("#image_models .token-remove").first.click()
    page.click("#image_run")
    expect(page.locator("#image_status .pg-problem")).to_contain_text("No model is chosen.")
    assert app.engine.requests == []
