"""What a newcomer does first, on the program as it starts from the command line, with the models that come with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import open_tab
from tests.running import running_app

WAIT_MS = 120_000  # the first request waits for torch


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_app(tmp_path_factory.mktemp("real")) as url:
        yield url


@pytest.fixture
def newcomer(visit: Callable[..., Page], url: str) -> Page:
    return visit(url=url)


def test_two_models_answer_side_by_side(newcomer: Page) -> None:
    newcomer.fill("#chat_message textarea", "What is 2 plus 3?")
    newcomer.click("#chat_send")
    for column in (0, 1):
        expect(newcomer.locator(f"#chat_figures_{column}")).to_contain_text("tok/s", timeout=WAIT_MS)
        expect(newcomer.locator(f"#chat_log_{column}")).to_contain_text("5")
    expect(newcomer.locator("#chat_log_1")).to_contain_text("Thought for")


def test_a_sentence_becomes_a_picture(newcomer: Page) -> None:
    open_tab(newcomer, "Text to image")
    newcomer.locator("#image_prompt textarea").fill("a red circle on a white background")
    newcomer.click("#image_run")
    expect(newcomer.locator("#image_gallery .thumbnail-lg")).to_have_count(2, timeout=WAIT_MS)
    expect(newcomer.locator("#past_gallery .thumbnail-lg")).to_have_count(2)


def test_part_of_a_picture_is_repainted(newcomer: Page) -> None:
    open_tab(newcomer, "Inpaint")
    newcomer.click("#inpaint_example")
    expect(newcomer.locator("#inpaint_mask img")).to_be_visible()
    newcomer.wait_for_timeout(1000)
    newcomer.click("#inpaint_run")
    expect(newcomer.locator("#inpaint_status")).to_contain_text("Outside the mask: identical", timeout=WAIT_MS)


def test_a_model_is_measured_here(newcomer: Page) -> None:
    open_tab(newcomer, "Scores")
    newcomer.click("#scores_run")
    row = newcomer.locator("#scores_table tr", has_text="Starter Phi").first
    expect(row).to_contain_text(re.compile(r"\d tok/s"), timeout=WAIT_MS)
    expect(row).to_contain_text("%", timeout=WAIT_MS)
