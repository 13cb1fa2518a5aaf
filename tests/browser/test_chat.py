"""Chat: columns that stream on their own, stop on their own, fail on their own, and remember on their own."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from playground.protocol import ChatRequest
from tests.browser.conftest import App, unfold, until
from tests.scripted import answer, failure

FAST, SLOW = "starter-phi", "starter-mistral"


def ask(page: Page, text: str) -> None:
    page.locator("#chat_message textarea").fill(text)
    page.click("#chat_send")


def asked(app: App, model: str) -> list[ChatRequest]:
    return [r for r in app.engine.requests if isinstance(r, ChatRequest) and r.model == model]


def test_a_slow_column_does_not_hold_up_a_fast_one_and_stops_alone(app: App, page: Page) -> None:
    app.engine.plays[FAST] = answer("quick and done", every=0.01)
    app.engine.plays[SLOW] = answer(" ".join(f"w{i}" for i in range(400)), every=0.1)
    ask(page, "Go")
    expect(page.locator("#chat_figures_0")).to_contain_text("tok/s")
    expect(page.locator("#chat_log_0")).to_contain_text("quick and done")
    expect(page.locator("#chat_figures_1")).to_contain_text("Answering")
    expect(page.locator("#chat_stop_1")).to_be_enabled()
    expect(page.locator("#chat_send")).to_be_disabled()
    page.click("#chat_stop_1")
    expect(page.locator("#chat_figures_1")).to_contain_text("Stopped")
    expect(page.locator("#chat_log_1")).to_contain_text("w0 w1")
    expect(page.locator("#chat_send")).to_be_enabled()
    expect(page.locator("#chat_send")).to_have_text("Send")
    assert [r.model for r in app.engine.cancelled] == [SLOW]


def test_stop_all_stops_every_column(app: App, page: Page) -> None:
    for model in (FAST, SLOW):
        app.engine.plays[model] = answer(" ".join(f"w{i}" for i in range(400)), every=0.1)
    ask(page, "Go")
    expect(page.locator("#chat_log_0")).to_contain_text("w1")
    expect(page.locator("#chat_log_1")).to_contain_text("w1")
    page.click("#chat_stop")
    until(lambda: len(app.engine.cancelled) == 2, "both columns to stop", 3)


def test_histories_are_independent_and_hold_no_reasoning(app: App, page: Page) -> None:
    app.engine.plays[FAST] = answer("Phi says one.")
    app.engine.plays[SLOW] = answer("Mistral says two.", reasoning="secret thoughts here")
    ask(page, "First?")
    expect(page.locator("#chat_log_1")).to_contain_text("Thought for")
    expect(page.locator("#chat_log_1")).to_contain_text("3 tokens")
    expect(page.locator("#chat_send")).to_be_enabled()
    ask(page, "Second?")
    until(lambda: len(app.engine.requests) == 4, "four requests")
    first, second = asked(app, FAST)[1].messages, asked(app, SLOW)[1].messages
    assert [(m.role, m.content) for m in first] == [
        ("user", "First?"),
        ("assistant", "Phi says one."),
        ("user", "Second?"),
    ]
    assert [m.content for m in second] == ["First?", "Mistral says two.", "Second?"]


def test_an_error_stands_in_its_own_column_and_is_not_sent_back(app: App, page: Page) -> None:
    app.engine.plays[FAST] = failure("starter-phi needs 3 GiB, 1 GiB is free.", "Unload another model.")
    app.engine.plays[SLOW] = answer("All is well.")
    ask(page, "Hello")
    expect(page.locator("#chat_log_0 .pg-problem")).to_contain_text("needs 3 GiB")
    expect(page.locator("#chat_log_0")).to_contain_text("Unload another model.")
    expect(page.locator("#chat_log_1")).to_contain_text("All is well.")
    expect(page.locator("#chat_log_1 .pg-problem")).to_have_count(0)
    expect(page.locator("#chat_send")).to_be_enabled()
    app.engine.plays[FAST] = answer("Back again.")
    ask(page, "Still there?")
    expect(page.locator("#chat_log_0")).to_contain_text("Back again.")
    assert [m.content for m in asked(app, FAST)[1].messages] == ["Still there?"]


def test_an_example_runs_at_one_click(app: App, page: Page) -> None:
    page.click("#chat_example_0")
    expect(page.locator("#chat_log_0")).to_contain_text("You said: What is 7 plus 5?")
    expect(page.locator("#chat_figures_0")).to_contain_text("context 18 of 2,048")


def test_regenerate_asks_again_and_undo_takes_back(app: App, page: Page) -> None:
    app.engine.plays[FAST] = answer("apples")
    ask(page, "Hello")
    expect(page.locator("#chat_log_0")).to_contain_text("apples")
    expect(page.locator("#chat_send")).to_be_enabled()
    app.engine.plays[FAST] = answer("pears")
    page.click("#chat_again")
    expect(page.locator("#chat_log_0")).to_contain_text("pears")
    expect(page.locator("#chat_log_0")).not_to_contain_text("apples")
    assert [m.content for m in asked(app, FAST)[1].messages] == ["Hello"]
    expect(page.locator("#chat_send")).to_be_enabled()
    page.click("#chat_undo")
    expect(page.locator("#chat_message textarea")).to_have_value("Hello")
    expect(page.locator("#chat_log_0")).not_to_contain_text("pears")


def test_columns_are_added_and_removed(app: App, page: Page) -> None:
    page.click("#chat_add")
    expect(page.locator("#chat_column_2")).to_be_visible()
    ask(page, "Three of you?")
    expect(page.locator("#chat_figures_2")).to_contain_text("tok/s")
    assert len(app.engine.requests) == 3
    for _ in range(4):
        page.click("#chat_remove")
    expect(page.locator("#chat_column_1")).to_have_count(0)
    expect(page.locator("#chat_column_0")).to_be_visible()


def test_settings_reach_the_model(app: App, page: Page) -> None:
    unfold(page, "chat_settings")
    page.locator("#chat_system textarea").fill("Be brief.")
    page.locator("#chat_own input").uncheck()
    page.locator("#chat_seed input").fill("11")
    page.locator("#chat_temperature input[type=number]").fill("0.2")
    page.locator("#chat_temperature input[type=number]").press("Tab")
    ask(page, "Hi")
    until(lambda: len(app.engine.requests) == 2, "two requests")
    request = asked(app, FAST)[0]
    assert request.messages[0].role == "system"
    assert request.messages[0].content == "Be brief."
    assert (request.temperature, request.seed, request.max_new_tokens) == (0.2, 11, 512)
    assert request.owner.startswith("browser:")


def test_an_empty_message_is_not_sent(app: App, page: Page) -> None:
    page.click("#chat_send")
    page.wait_for_timeout(700)
    assert app.engine.requests == []
    expect(page.locator("#chat_send")).to_be_enabled()


def test_html_in_an_answer_does_nothing(app: App, page: Page) -> None:
    """No script runs, and no picture of another host is fetched (the visit fixture fails on such a request)."""
    app.engine.plays[FAST] = answer(
        '<img src="data:image/png;base64,AA" onerror="window.broken=1"> <script>window.broken=1</script> '
        '<iframe srcdoc="x"></iframe> harmless [link](javascript:window.broken=1)'
    )
    ask(page, "${1+1} <b onclick='window.broken=1'>Hi</b>")
    expect(page.locator("#chat_log_0")).to_contain_text("harmless")
    page.wait_for_timeout(300)
    assert page.evaluate("window.broken") is None
    assert page.locator("#chat_log_0 iframe").count() == 0
    assert page.locator("#chat_log_0 [onerror], #chat_log_0 [onclick]").count() == 0


def test_a_picture_in_an_answer_is_not_fetched_from_elsewhere(page: Page, problems: list[str]) -> None:
    policy = page.locator('meta[http-equiv="Content-Security-Policy"]')
    assert "img-src 'self'" in (policy.get_attribute("content") or "")
    loaded = page.evaluate(
        """() => new Promise((done) => {
            const picture = new Image();
            document.addEventListener('securitypolicyviolation', () => done('refused'));
            picture.onload = () => done('loaded');
            picture.src = 'http://127.0.0.2:9/x.png';
        })"""
    )
    assert loaded == "refused"
    assert any("Content Security Policy" in problem for problem in problems)
    problems.clear()


def test_clearing_while_an_answer_streams_leaves_an_empty_column(app: App, page: Page) -> None:
    for model in (FAST, SLOW):
        app.engine.plays[model] = answer(" ".join(f"w{i}" for i in range(400)), every=0.1)
    ask(page, "Go")
    expect(page.locator("#chat_log_1")).to_contain_text("w1")
    page.click("#chat_clear")
    until(lambda: app.engine.busy == 0, "both columns to stop", 20)
    page.wait_for_timeout(800)
    expect(page.locator("#chat_log_0")).not_to_contain_text("w0")
    expect(page.locator("#chat_log_1")).not_to_contain_text("w0")
    expect(page.locator("#chat_send")).to_be_enabled()
    expect(page.locator("#chat_stop")).to_be_disabled()


def test_enter_waits_until_every_column_has_answered(app: App, page: Page) -> None:
    app.engine.plays[SLOW] = answer(" ".join(f"w{i}" for i in range(400)), every=0.1)
    ask(page, "Go")
    expect(page.locator("#chat_log_1")).to_contain_text("w1")
    page.locator("#chat_message textarea").fill("And now?")
    page.keyboard.press("Enter")
    page.wait_for_timeout(700)
    assert len(app.engine.requests) == 2
    expect(page.locator("#chat_message textarea")).to_have_value("And now?")
    page.click("#chat_stop")
    expect(page.locator("#chat_send")).to_be_enabled()


def test_leaving_the_page_stops_its_work(app: App, page: Page, problems: list[str]) -> None:
    app.engine.plays[SLOW] = answer(" ".join(f"w{i}" for i in range(2000)), every=0.1)
    ask(page, "Go")
    expect(page.locator("#chat_log_1")).to_contain_text("w1")
    assert app.engine.busy == 1
    page.goto("about:blank")
    until(lambda: app.engine.busy == 0, "the work to end", 30)
    problems.clear()  # the browser's own words on the connections that were cut
