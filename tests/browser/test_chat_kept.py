"""Kept conversations: listed, searched, renamed, deleted, brought back, exported, imported; the prompt library."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import App, reload, unfold, until
from tests.browser.test_chat import FAST, SLOW, ask
from tests.browser.test_chat_turns import choose, done
from tests.scripted import answer


def test_conversations_are_listed_searched_and_opened(app: App, page: Page) -> None:
    ask(page, "Tell me about herons.")
    done(app, page)
    page.click("#chat_clear")
    expect(page.locator("#chat_log_0")).not_to_contain_text("herons")
    ask(page, "Tell me about foxes.")
    done(app, page)
    page.click("#chat_side_button")
    rows = page.locator("#chat_list label")
    expect(rows).to_have_count(2)
    page.locator("#chat_search input, #chat_search textarea").first.fill("heron")
    expect(rows).to_have_count(1)
    rows.first.click()
    expect(page.locator("#chat_log_0")).to_contain_text("You said: Tell me about herons.")
    expect(page.locator("#chat_log_0")).not_to_contain_text("foxes")


def test_a_conversation_is_renamed_deleted_and_brought_back(app: App, page: Page) -> None:
    ask(page, "Hello there")
    done(app, page)
    page.click("#chat_side_button")
    unfold(page, "chat_this")
    title = page.locator("#chat_title input, #chat_title textarea").first
    expect(title).to_have_value("Hello there")
    title.fill("Greetings")
    page.click("#chat_rename")
    expect(page.locator("#chat_list label")).to_contain_text(["Greetings"])
    page.click("#chat_delete")
    expect(page.locator("#chat_list label")).to_have_count(0)
    expect(page.locator("#chat_log_0")).not_to_contain_text("Hello there")
    page.click("#chat_restore")
    expect(page.locator("#chat_list label")).to_contain_text(["Greetings"])
    expect(page.locator("#chat_log_0")).to_contain_text("You said: Hello there")


def test_an_exported_conversation_comes_back_whole(app: App, page: Page, tmp_path: Path) -> None:
    app.engine.plays[SLOW] = answer("Two.", reasoning="one and one")
    ask(page, "One plus one?")
    done(app, page)
    page.click("#chat_side_button")
    unfold(page, "chat_this")
    page.click("#chat_export_json")
    expect(page.locator("#chat_side_note")).to_contain_text("is ready")
    with page.expect_download() as download:
        page.click("#chat_export_json")
    path = tmp_path / "talk.json"
    download.value.save_as(path)
    assert json.loads(path.read_text())["format"] == "playground.conversation"
    page.click("#chat_new")
    expect(page.locator("#chat_log_1")).not_to_contain_text("Two.")
    page.get_by_test_id("Import a conversation-upload-button").set_input_files(str(path))
    expect(page.locator("#chat_log_1")).to_contain_text("Two.")
    expect(page.locator("#chat_log_1")).to_contain_text("Thought for")
    expect(page.locator("#chat_side_note")).to_contain_text("Imported.")


def test_a_file_that_is_no_conversation_is_told(app: App, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    path.write_text('{"a": 1}')
    page.click("#chat_side_button")
    page.get_by_test_id("Import a conversation-upload-button").set_input_files(str(path))
    expect(page.locator("#chat_side_note .pg-problem")).to_be_visible()


def test_a_prompt_with_variables_is_put_into_the_message(app: App, page: Page) -> None:
    page.click("#chat_side_button")
    unfold(page, "chat_library")
    choose(page, "chat_prompt", "Translate (comes with the app)")
    page.locator("#chat_variables textarea").fill("language: French\ntext: Good morning")
    page.click("#chat_use_prompt")
    box = page.locator("#chat_message textarea")
    expect(box).to_have_value(
        "Translate into French. Keep names, numbers and formatting as they are. Give the translation alone.\n\n"
        "Good morning"
    )
    box.fill("Say {{what}} kindly.")
    page.locator("#chat_prompt_name input, #chat_prompt_name textarea").first.fill("Kind words")
    page.click("#chat_keep_prompt")
    expect(page.locator("#chat_side_note")).to_contain_text("Kept as Kind words.")
    page.click("#chat_drop_prompt")
    expect(page.locator("#chat_side_note")).to_contain_text("is deleted")


def test_a_reload_in_the_middle_of_an_answer_keeps_what_arrived(app: App, page: Page, problems: list[str]) -> None:
    app.engine.plays[FAST] = answer("quick and done")
    app.engine.plays[SLOW] = answer(" ".join(f"w{i}" for i in range(400)), every=0.1)
    ask(page, "Go")
    expect(page.locator("#chat_log_1")).to_contain_text("w3")
    reload(page, problems)
    until(lambda: app.engine.busy == 0, "the work to end", 30)
    expect(page.locator("#chat_log_0")).to_contain_text("quick and done")
    expect(page.locator("#chat_log_1")).to_contain_text("w0 w1 w2 w3")
    expect(page.locator("#chat_figures_1")).to_contain_text("Stopped.")
    expect(page.locator("#chat_send")).to_be_enabled()
