"""Classify: an example runs with one click, a CSV's columns are picked, Stop keeps what was finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from playground.protocol import ClassifyRequest, Done, Request, Scores
from tests.browser.conftest import App, open_tab, reload
from tests.scripted import Script

MODELS = ("starter-phi", "starter-mistral")


def scored(every: float) -> Any:
    """The first label for texts with "love", else the last."""

    def play(request: Request) -> Script:
        assert isinstance(request, ClassifyRequest)
        events: list[tuple[float, Any]] = []
        for i, text in enumerate(request.texts):
            best = 0 if "love" in text else len(request.labels) - 1
            scores = tuple((label, 0.9 if k == best else 0.1) for k, label in enumerate(request.labels))
            events.append((every, Scores(scores, i, every)))
        return [*events, (0.0, Done())]

    return play


def test_a_newcomer_sees_a_table_after_one_click(problems: list[str], app: App, page: Page) -> None:
    app.engine.plays_always |= dict.fromkeys(MODELS, scored(0.01))
    open_tab(page, "Classify")
    expect(page.locator("#classify_status")).to_contain_text("Nothing classified yet")
    page.get_by_role("button", name="Try: Sentiment", exact=True).click()
    expect(page.locator("#classify_status")).to_contain_text("Done: 6 texts with 2 models.")
    expect(page.get_by_role("region", name="Starter Phi: confusion matrix")).to_be_visible()
    expect(page.locator("#classify_figures")).to_contain_text("agree on 100.0% of 6 texts")
    rows = page.locator("#classify_table tbody tr")
    expect(rows).to_have_count(6)
    page.locator("#classify_show").get_by_label("Wrong").check()
    expect(rows).to_have_count(2)  # praise without the word
    with page.expect_download() as got:
        page.click("#classify_download_csv")
    assert Path(got.value.path()).read_text(encoding="utf-8-sig").startswith("line,text,truth,model")
    reload(page, problems)
    open_tab(page, "Classify")
    expect(page.locator("#classify_status")).to_contain_text("Your last run.")
    for model in MODELS:
        del app.engine.plays_always[model]


def test_a_csv_file_with_its_columns(app: App, page: Page, tmp_path: Path) -> None:
    app.engine.plays_always |= dict.fromkeys(MODELS, scored(0.01))
    path = tmp_path / "reviews.csv"
    path.write_text("id,review,label\n1,I love it,positive\n2,Bad,negative\n")
    open_tab(page, "Classify")
    page.locator("#classify_source").get_by_label("CSV file").check()
    page.set_input_files("#classify_file input[type=file]", str(path))
    expect(page.locator("#classify_file_note")).to_contain_text("3 columns: id, review, label")
    expect(page.locator("#classify_text_column input")).to_have_value("review")
    page.click("#classify_run")
    expect(page.locator("#classify_figures")).to_contain_text("100.0%")
    for model in MODELS:
        del app.engine.plays_always[model]


def test_stop_keeps_what_was_finished(app: App, page: Page) -> None:
    app.engine.plays_always |= dict.fromkeys(MODELS, scored(0.3))
    open_tab(page, "Classify")
    page.locator("#classify_lines textarea").fill("\n".join(f"I love number {i}" for i in range(100)))
    page.click("#classify_run")
    expect(page.locator("#classify_table")).to_contain_text("I love number 0")
    page.click("#classify_stop")
    expect(page.locator("#classify_status")).to_contain_text("Stopped")
    expect(page.locator("#classify_table")).to_contain_text("I love number 0")
    expect(page.locator("#classify_stop")).to_be_disabled()
    for model in MODELS:
        del app.engine.plays_always[model]
