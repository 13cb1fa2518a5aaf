"""Turns of a column: versions, edits, branches, one column alone, tools, formats, files, comparisons and replays."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from playground.protocol import ChatRequest, ChatStats, Done, Request, Token, ToolCall, ToolCalled
from tests.browser.conftest import App, unfold, until
from tests.browser.test_chat import FAST, SLOW, ask, asked
from tests.scripted import Script, answer


def done(app: App, page: Page) -> None:
    """Waits until all columns have answered, and no more requests come."""
    count = 0
    while not count or count != len(app.engine.requests) or app.engine.busy:
        count = len(app.engine.requests)
        page.wait_for_timeout(1200)
    expect(page.locator("#chat_send")).to_be_enabled()
    expect(page.locator("#chat_stop")).to_be_disabled()


def choose(page: Page, dropdown: str, label: str) -> None:
    page.locator(f"#{dropdown} input").click()
    page.get_by_role("option", name=label, exact=True).click()


def test_versions_are_leafed_through_and_undone_in_one_column(app: App, page: Page) -> None:
    app.engine.plays[FAST] = answer("apples")
    ask(page, "Fruit?")
    done(app, page)
    app.engine.plays[FAST] = answer("pears")
    page.click("#chat_again_0")
    log = page.locator("#chat_log_0")
    expect(log).to_contain_text("pears")
    expect(page.locator("#chat_version_0")).to_have_text("2 of 2")
    assert len(asked(app, SLOW)) == 1
    page.click("#chat_before_0")
    expect(log).to_contain_text("apples")
    expect(page.locator("#chat_version_0")).to_have_text("1 of 2")
    page.click("#chat_after_0")
    expect(log).to_contain_text("pears")
    page.click("#chat_undo_0")
    expect(log).to_contain_text("apples")
    app.engine.plays[FAST] = answer("and plums")
    ask(page, "More?")
    expect(log).to_contain_text("and plums")
    assert [m.content for m in asked(app, FAST)[-1].messages] == ["Fruit?", "apples", "More?"]


def test_an_edited_question_is_answered_anew_and_the_first_one_stays(app: App, page: Page) -> None:
    ask(page, "One?")
    done(app, page)
    log = page.locator("#chat_log_0")
    log.get_by_role("button", name="Edit").first.click()
    log.locator("textarea").fill("Two?")
    log.get_by_role("button", name="Submit").click()
    expect(log).to_contain_text("You said: Two?")
    assert [m.content for m in asked(app, FAST)[-1].messages] == ["Two?"]
    log.get_by_text("Two?", exact=True).click()
    expect(page.locator("#chat_version_0")).to_have_text("2 of 2")
    page.click("#chat_before_0")
    expect(log).to_contain_text("You said: One?")


def test_a_message_to_one_column_leaves_the_other_alone(app: App, page: Page) -> None:
    app.engine.plays[SLOW] = answer(" ".join(f"w{i}" for i in range(400)), every=0.1)
    ask(page, "All of you")
    expect(page.locator("#chat_log_0")).to_contain_text("You said: All of you")
    choose(page, "chat_to", "Column 1, Starter Phi")
    ask(page, "You alone")
    expect(page.locator("#chat_log_0")).to_contain_text("You said: You alone")
    expect(page.locator("#chat_log_1")).not_to_contain_text("You alone")
    expect(page.locator("#chat_figures_1")).to_contain_text("Answering")
    page.click("#chat_stop")


def test_a_branch_is_a_conversation_of_its_own(app: App, page: Page) -> None:
    ask(page, "First?")
    done(app, page)
    ask(page, "Second?")
    expect(page.locator("#chat_log_0")).to_contain_text("You said: Second?")
    done(app, page)
    page.locator("#chat_log_0").get_by_text("You said: First?").click()
    page.click("#chat_branch_0")
    expect(page.locator("#chat_column_1")).to_be_hidden()
    expect(page.locator("#chat_log_0")).not_to_contain_text("Second?")
    page.click("#chat_side_button")
    expect(page.locator("#chat_list label")).to_have_count(2)
    page.locator("#chat_list label").nth(1).click()
    expect(page.locator("#chat_log_1")).to_contain_text("You said: Second?")


def test_settings_of_one_column_are_its_own(app: App, page: Page) -> None:
    unfold(page, "chat_settings")
    choose(page, "chat_target", "Column 2, Starter Mistral")
    page.locator("#chat_system textarea").fill("Answer in French.")
    ask(page, "Hi")
    until(lambda: len(app.engine.requests) == 2, "two requests")
    assert [m.role for m in asked(app, FAST)[0].messages] == ["user"]
    assert asked(app, SLOW)[0].messages[0].content == "Answer in French."


def calls(name: str, arguments: str) -> Script:
    wish = ToolCall("c1", name, arguments, 0.9)
    return [(0.0, Token(0, "I will count. ", "reasoning")), (0.0, ToolCalled(0, wish)),
            (0.0, Done(ChatStats(stop_reason="tool calls")))]  # fmt: skip


def test_a_tool_runs_after_a_yes_and_its_result_goes_back(app: App, page: Page) -> None:
    def play(request: Request) -> Script:
        assert isinstance(request, ChatRequest)
        if request.messages[-1].role == "tool":
            return answer(f"It is {json.loads(request.messages[-1].content)['result']}.")(request)
        return calls("calculate", '{"expression": "6*7"}')

    app.engine.plays[FAST] = play
    page.click("#chat_remove")
    unfold(page, "chat_settings")
    unfold(page, "chat_tools_fold")
    page.get_by_label("calculate").check()
    choose(page, "chat_approval", "Every call")
    ask(page, "What is 6*7?")
    expect(page.locator("#chat_wish_0")).to_contain_text("calculate")
    expect(page.locator("#chat_wish_0")).to_contain_text("6*7")
    page.click("#chat_allow_0")
    log = page.locator("#chat_log_0")
    expect(log).to_contain_text("It is 42.")
    expect(log).to_contain_text("Tool: calculate")
    expect(log).to_contain_text("chosen with 90 %")
    expect(page.locator("#chat_asking_0")).to_be_hidden()
    roles = [m.role for m in asked(app, FAST)[-1].messages]
    assert roles == ["user", "assistant", "tool"]


def test_a_refused_tool_does_not_run(app: App, page: Page) -> None:
    def play(request: Request) -> Script:
        assert isinstance(request, ChatRequest)
        if request.messages[-1].role == "tool":
            return answer("As you wish.")(request)
        return calls("calculate", '{"expression": "6*7"}')

    app.engine.plays[FAST] = play
    page.click("#chat_remove")
    unfold(page, "chat_settings")
    unfold(page, "chat_tools_fold")
    page.get_by_label("calculate").check()
    choose(page, "chat_approval", "Every call")
    ask(page, "What is 6*7?")
    page.click("#chat_refuse_0")
    expect(page.locator("#chat_log_0")).to_contain_text("As you wish.")
    expect(page.locator("#chat_log_0")).to_contain_text("refused")
    assert "refused" in asked(app, FAST)[-1].messages[-1].content


def test_an_answer_format_reaches_the_model_and_an_empty_one_is_told(app: App, page: Page) -> None:
    unfold(page, "chat_settings")
    unfold(page, "chat_format")
    page.get_by_label("Choices", exact=True).check()
    ask(page, "Yes or no?")
    expect(page.locator("#chat_say")).to_contain_text("none is given")
    expect(page.locator("#chat_message textarea")).to_have_value("Yes or no?")
    page.locator("#chat_bound_text textarea").fill("yes\nno")
    page.click("#chat_send")
    until(lambda: len(app.engine.requests) == 2, "two requests")
    assert asked(app, FAST)[0].choices == ("yes", "no")


def test_attached_files_go_with_the_message(app: App, page: Page, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("The code word is heron.")
    page.get_by_test_id("Attach-upload-button").set_input_files(str(notes))
    expect(page.locator("#chat_chips")).to_contain_text("notes.md")
    ask(page, "What is the code word?")
    until(lambda: len(asked(app, FAST)) == 1, "a request")
    said = asked(app, FAST)[0].messages[-1].content
    assert "The code word is heron." in said
    assert said.endswith("What is the code word?")
    expect(page.locator("#chat_log_0")).to_contain_text("notes.md")
    expect(page.locator("#chat_chips")).not_to_contain_text("notes.md")


def test_a_file_that_cannot_be_read_is_told(app: App, page: Page, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text(" ")
    page.get_by_test_id("Attach-upload-button").set_input_files(str(empty))
    expect(page.locator("#chat_chips")).to_contain_text("empty.txt is empty.")


def test_two_answers_are_compared_by_words_and_a_conversation_is_replayed(app: App, page: Page) -> None:
    app.engine.plays[FAST] = answer("The red fox runs.")
    app.engine.plays[SLOW] = answer("The grey fox sleeps.")
    choose(page, "chat_to", "Column 1, Starter Phi")
    ask(page, "Tell me one.")
    done(app, page)
    ask(page, "And again?")
    done(app, page)
    unfold(page, "chat_compare")
    page.click("#chat_replay")
    expect(page.locator("#chat_log_1")).to_contain_text("And again?")
    done(app, page)
    until(lambda: len(asked(app, SLOW)) == 2, "both questions")
    assert [m.content for m in asked(app, SLOW)[1].messages] == ["Tell me one.", "The grey fox sleeps.", "And again?"]
    unfold(page, "chat_compare")
    unfold(page, "chat_compare")
    expect(page.locator("#chat_difference del")).to_contain_text(["red", "runs"])
    expect(page.locator("#chat_difference ins")).to_contain_text(["grey", "sleeps"])
