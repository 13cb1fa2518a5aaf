"""Scores and Models: filters, measuring, how a figure came about, loading and unloading."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from playground.protocol import Done, LoadRequest, PinRequest, UnloadRequest
from tests.browser.conftest import App, open_tab, reload


def row(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator("#scores_table tbody tr").filter(has=page.get_by_role("button", name=name, exact=True))


def test_unmeasured_figures_are_empty_and_claims_stand_apart(page: Page) -> None:
    open_tab(page, "Scores")
    phi = row(page, "Phi-4")
    expect(phi).to_contain_text("MMLU 84.8 %")
    assert [cell.strip() for cell in phi.locator("td").all_inner_texts()[-6:]] == [""] * 6
    phi.get_by_role("button").click()
    how = page.locator("#scores_how")
    expect(how).to_contain_text("Published elsewhere, not checked here")
    expect(how.get_by_role("link", name="https://huggingface.co/microsoft/phi-4", exact=True)).to_be_visible()


def test_filters_and_search_narrow_the_table(page: Page) -> None:
    open_tab(page, "Scores")
    expect(row(page, "Starter Phi")).to_be_visible()
    page.locator("#scores_kind").get_by_label("Image").check()
    expect(row(page, "Starter Phi")).to_have_count(0)
    expect(row(page, "Starter SD")).to_be_visible()
    page.locator("#scores_search input, #scores_search textarea").fill("flux")
    expect(page.locator("#scores_table tbody tr")).to_have_count(1)
    page.locator("#scores_measured input").check()
    expect(page.locator("#scores_table")).to_contain_text("No model fits")


def test_measuring_fills_the_row_and_says_how(problems: list[str], app: App, page: Page) -> None:
    open_tab(page, "Scores")
    expect(row(page, "Starter Phi")).to_be_visible()
    page.click("#scores_run")
    expect(page.locator("#scores_progress")).to_contain_text("Starter Phi:")
    expect(page.locator("#scores_progress")).to_contain_text("figures of Starter Phi are in the table", timeout=60_000)
    expect(row(page, "Starter Phi")).to_contain_text("tok/s")
    expect(page.locator("#scores_how")).to_contain_text("chat.ttft@1")
    expect(page.locator("#scores_run")).to_be_enabled()
    reload(page, problems)
    open_tab(page, "Scores")
    expect(row(page, "Starter Phi")).to_contain_text("tok/s")


def test_a_model_is_loaded_and_unloaded(app: App, page: Page) -> None:
    open_tab(page, "Models")
    card = page.locator("#model-starter-clip")
    if card.get_by_role("button", name="Unload").count():
        card.get_by_role("button", name="Unload").click()
    card.get_by_role("button", name="Load: Starter CLIP", exact=True).click()
    expect(page.locator("#models_progress").get_by_text("Starter CLIP is ready.")).to_be_visible()
    expect(card).to_contain_text("ready")
    expect(page.locator("#models_memory")).to_contain_text("Starter CLIP")
    expect(page.locator("#models_memory")).to_contain_text("of 1.1 GB in use")
    card.get_by_role("button", name="Unload").click()
    expect(card).to_contain_text("not loaded")
    assert LoadRequest in map(type, app.engine.requests)
    assert UnloadRequest in map(type, app.engine.requests)


def test_a_pinned_model_says_so_until_it_is_unpinned(app: App, page: Page) -> None:
    open_tab(page, "Models")
    card = page.locator("#model-starter-sd-small")
    if card.get_by_role("button", name="Unload").count():
        card.get_by_role("button", name="Unload").click()
    card.get_by_role("button", name="Load and pin").click()
    expect(card.locator(".pg-pin")).to_have_text("pinned")
    expect(card).to_contain_text("ready")
    expect(card).to_contain_text("last used")
    card.get_by_role("button", name="Unpin").click()
    expect(card.locator(".pg-pin")).to_have_count(0)
    assert [r.pinned for r in app.engine.requests if isinstance(r, PinRequest)][-2:] == [True, False]


def test_sizes_are_shown_for_a_card_and_can_be_closed(page: Page) -> None:
    open_tab(page, "Models")
    page.locator("#model-starter-phi").get_by_role("button", name="What it takes").click()
    sizes = page.get_by_label("What starter-phi takes")
    expect(sizes).to_contain_text("fits as bfloat16")
    expect(sizes.get_by_role("row").filter(has_text="bfloat16").first).to_contain_text("1,000 tokens")
    expect(sizes.get_by_role("row").filter(has_text="float32")).to_contain_text("does not fit")
    sizes.get_by_role("button", name="Close").click()
    expect(sizes).to_have_count(0)


def test_a_quantized_form_is_added_from_the_sizes(app: App, page: Page) -> None:
    open_tab(page, "Models")
    page.locator("#model-starter-phi").get_by_role("button", name="What it takes").click()
    sizes = page.get_by_label("What starter-phi takes")
    expect(sizes.get_by_role("button", name="to the list")).to_have_count(1)
    sizes.get_by_role("button", name="Add starter-phi in int8 to the list").click()
    expect(page.locator("#models_progress")).to_contain_text("starter-phi-int8 is on the list, as starter-phi-int8.")
    card = page.locator("#model-starter-phi-int8")
    expect(card).to_have_count(1)
    if not card.is_visible():
        page.locator("#models_away summary").click()
    card.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)


def test_a_model_is_sized_first_then_added_offered_and_removed(app: App, page: Page) -> None:
    open_tab(page, "Models")
    page.get_by_label("Add a model").fill("somebody/Tiny-Chat")
    page.get_by_role("button", name="See what it takes").click()
    expect(page.get_by_label("What somebody/Tiny-Chat takes")).to_contain_text("to download")
    assert "tiny-chat" not in app.engine._catalog
    page.click("#models_add_run")
    expect(page.locator("#models_progress")).to_contain_text("Tiny-Chat is on the list, as tiny-chat.")
    page.locator("#models_away summary").click()
    card = page.locator("#model-tiny-chat")
    expect(card).to_be_visible()
    open_tab(page, "Chat")
    page.locator("#chat_model_0 input").click()
    expect(page.get_by_role("option", name="Tiny-Chat")).to_be_visible()
    page.keyboard.press("Escape")
    open_tab(page, "Models")
    card.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)
    expect(page.locator("#models_progress")).to_contain_text("its files stay where they are")


def test_a_load_can_be_stopped(app: App, page: Page) -> None:
    app.engine.plays_always["starter-clip"] = lambda request: [(60.0, Done())]
    open_tab(page, "Models")
    card = page.locator("#model-starter-clip")
    if card.get_by_role("button", name="Unload").count():
        card.get_by_role("button", name="Unload").click()
    card.get_by_role("button", name="Load: Starter CLIP", exact=True).click()
    page.get_by_role("button", name="Stop Starter CLIP").click()
    expect(page.locator("#models_progress")).to_contain_text("Stopped.")
    expect(card).to_contain_text("not loaded")
    del app.engine.plays_always["starter-clip"]


def test_an_unavailable_model_says_why(page: Page) -> None:
    open_tab(page, "Models")
    page.locator("#models_away summary").click()
    card = page.locator("#model-phi-4")
    expect(card).to_contain_text("Its weights are not on this machine.")
    expect(card.get_by_role("button", name="Load")).to_have_count(0)
    page.wait_for_timeout(5000)  # two refreshes
    expect(card).to_be_visible()
