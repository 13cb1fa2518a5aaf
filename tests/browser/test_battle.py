"""Battle: no name, thought or figure before the vote; both at one pace; one vote, kept for the ladder."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import App, open_tab
from tests.browser.test_chat import FAST, SLOW
from tests.scripted import answer, failure


def start(page: Page, text: str = "Which fruit?") -> None:
    open_tab(page, "Battle")
    page.locator("#battle_message textarea, #battle_message input").first.fill(text)
    page.click("#battle_start")


def test_names_and_figures_come_after_the_vote(app: App, page: Page) -> None:
    app.engine.plays[FAST] = answer("Apples are best.")
    app.engine.plays[SLOW] = answer("Pears are best.", reasoning="secret thoughts", first=0.5)
    start(page)
    expect(page.locator("#battle_a_wins")).to_be_visible()
    panel = page.locator("#tab_battle")
    both = page.locator("#battle_a").inner_text() + page.locator("#battle_b").inner_text()
    assert "Apples are best." in both
    assert "Pears are best." in both
    for told in ("Starter", "tok/s", "secret", "Thought"):
        expect(panel).not_to_contain_text(told)
    page.click("#battle_a_wins")
    expect(page.locator("#battle_said")).to_contain_text("Starter Phi")
    expect(page.locator("#battle_said")).to_contain_text("Starter Mistral")
    expect(page.locator("#battle_said")).to_contain_text("tok/s")
    expect(page.locator("#battle_said")).to_contain_text("won")
    expect(page.locator("#battle_ladder")).to_contain_text("Starter Phi")
    expect(page.locator("#battle_a_wins")).to_be_hidden()


def test_a_slow_side_holds_both_up(app: App, page: Page) -> None:
    app.engine.plays[FAST] = answer("quick " * 40, every=0.001)
    app.engine.plays[SLOW] = answer("slow " * 400, every=0.2)
    start(page)
    expect(page.locator("#battle_a")).to_contain_text("w", timeout=10_000)
    shown = [len(page.locator(f"#battle_{side}").inner_text()) for side in "ab"]
    assert abs(shown[0] - shown[1]) < 60
    page.click("#battle_stop")
    expect(page.locator("#battle_said")).to_contain_text("nothing to vote on")
    expect(page.locator("#battle_start")).to_be_enabled()


def test_a_failure_ends_the_battle_without_a_vote(app: App, page: Page) -> None:
    app.engine.plays[FAST] = failure("It has no room.", "Unload another.")
    start(page)
    expect(page.locator("#battle_said")).to_contain_text("could not answer")
    expect(page.locator("#battle_a_wins")).to_be_hidden()
    expect(page.locator("#battle_start")).to_be_enabled()


def test_an_answer_that_names_its_model_is_not_voted_on(app: App, page: Page) -> None:
    app.engine.plays[FAST] = answer("I am Starter Phi, a small model.")
    app.engine.plays[SLOW] = answer("I am a small model.")
    start(page, "Who are you?")
    expect(page.locator("#battle_said")).to_contain_text("nothing to vote on")
    expect(page.locator("#battle_said")).to_contain_text("Starter Mistral")
    expect(page.locator("#battle_a_wins")).to_be_hidden()
    expect(page.locator("#battle_start")).to_be_enabled()
