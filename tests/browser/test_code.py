"""The Code section on the page: an example plan is edited and written, stopped and gone on with, and is still there."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from playground.protocol import ChatRequest, Request
from tests.browser.conftest import App, open_tab, reload, until
from tests.code.test_planned import MAIN, SUMS, wanted
from tests.scripted import Play, Script
from tests.ui.coding import coder


@pytest.fixture
def code(page: Page) -> Page:
    open_tab(page, "Code")
    return page


def written(app: App) -> list[str]:
    """The files that were asked for."""
    return [wanted(r) for r in app.engine.requests if isinstance(r, ChatRequest) and not r.json_schema]


def held_at(path: str) -> Play:
    """Begins one file and waits there until it is stopped, however slow the page is."""
    quick = coder()

    def play(request: Request) -> Script:
        script = quick(request)
        if not isinstance(request, ChatRequest) or wanted(request) != path:
            return script
        return [*script[:4], *((600.0, event) for _, event in script[4:])]

    return play


def type_plan(page: Page, text: str) -> None:
    """Replaces what stands in the editor, as by hand."""
    editor = page.locator("#code_editor .cm-content")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_plan_write_stop_go_on_and_reload(app: App, code: Page, problems: list[str], tmp_path: Path) -> None:
    expect(code.locator("#code_table")).to_contain_text("No plan yet")
    expect(code.locator("#code_table")).to_contain_text("Small models")
    expect(code.locator("#code_write")).to_be_disabled()
    app.engine.plays["starter-phi"] = coder(every=0.02)
    code.fill("#code_message textarea", "A program that adds.")
    code.keyboard.press("Control+Enter")
    expect(code.locator("#code_table .pg-plan tbody tr")).to_have_count(2)
    expect(code.locator("#code_status")).to_contain_text("Planned in")
    expect(code.locator("#code_editor")).to_contain_text("app/sums.py")
    app.engine.plays["starter-phi"] = held_at("main.py")
    code.click("#code_write")
    expect(code.locator("#code_status")).to_contain_text("file 2 of 2")
    expect(code.locator("#code_files")).to_contain_text("done")
    expect(code.locator("#code_view")).to_contain_text("from app")
    code.keyboard.press("Escape")
    until(lambda: len(app.engine.cancelled) == 1, "the file to be stopped")
    expect(code.locator("#code_status")).to_contain_text("Stopped: 1 of 2 files are done")
    expect(code.locator("#code_files")).to_contain_text("not whole")
    reload(code, problems)
    open_tab(code, "Code")
    expect(code.locator("#code_message textarea")).to_have_value("A program that adds.")
    expect(code.locator("#code_files")).to_contain_text("not whole")
    code.click("#code_write")
    expect(code.locator("#code_status")).to_contain_text("file 2 of 2")
    reload(code, problems)  # in the middle
    until(lambda: app.engine.busy == 0, "the run of the page that was left to end")
    open_tab(code, "Code")
    expect(code.locator("#code_files")).to_contain_text("done")
    app.engine.plays["starter-phi"] = coder()
    app.engine.requests.clear()
    code.click("#code_write")
    expect(code.locator("#code_status")).to_contain_text("all 2 files are written")
    assert written(app) == ["main.py"]
    expect(code.locator("#code_report")).to_contain_text("no problem found")
    with code.expect_download() as download:
        code.click("#code_zip")
    path = tmp_path / "got.zip"
    download.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {
            "main.py": MAIN,
            "app/sums.py": SUMS,
        }
    code.locator("#code_files button", has_text="app/sums.py").click()
    expect(code.locator("#code_view")).to_contain_text("return a + b + ZERO")


def test_a_plan_by_hand_is_read_as_it_is_typed(app: App, code: Page) -> None:
    plan = {
        "files": [{"path": "app/sums.py", "purpose": "Adds.", "exports": ["add", "ZERO"], "imports": []}],
        "packages": [],
    }
    type_plan(code, json.dumps(plan)[:-1])
    expect(code.locator("#code_table")).to_contain_text("The plan is not JSON")
    expect(code.locator("#code_write")).to_be_disabled()
    code.keyboard.insert_text("}")
    expect(code.locator("#code_table .pg-plan tbody tr")).to_have_count(1)
    app.engine.plays["starter-phi"] = coder()
    code.click("#code_write")
    expect(code.locator("#code_status")).to_contain_text("the file is written")
    code.click("#code_again")
    until(lambda: written(app) == ["app/sums.py", "app/sums.py"], "the file to be asked for again")
    expect(code.locator("#code_status")).to_contain_text("the file is written")
    code.locator("#code_fold > button").click()
    type_plan(code, json.dumps(plan | {"packages": ["x"] * 3}))
    expect(code.locator("#code_table")).to_contain_text("Packages to install: x, x, x.")
    code.locator("#code_past > button").click()
    code.click("#code_new")
    expect(code.locator("#code_table")).to_contain_text("No plan yet")
    expect(code.locator("#code_editor")).not_to_contain_text("app/sums.py")
    code.click("#code_earlier input")
    expect(code.get_by_role("option")).to_have_count(2)
    code.get_by_role("option").first.click()
    expect(code.locator("#code_table")).to_contain_text("Packages to install: x, x, x.")


def test_what_a_model_writes_is_text(app: App, code: Page) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    plan = {"files": [{"path": "a.html", "purpose": evil, "exports": [], "imports": []}], "packages": [evil[:70]]}
    app.engine.plays["starter-phi"] = coder(json.dumps(plan), {"a.html": f"```html\n{evil}\n```"})
    code.fill("#code_message textarea", "A page.")
    code.click("#code_plan")
    expect(code.locator("#code_table")).to_contain_text("<script>")
    code.click("#code_write")
    expect(code.locator("#code_view")).to_contain_text("<script>")
    assert code.title() == "Playground"
    assert code.locator("#code_row img[src=x]").count() == 0
