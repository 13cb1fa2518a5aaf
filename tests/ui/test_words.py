"""Figures and sentences as the page words them."""

from __future__ import annotations

import pytest

from playground.protocol import ChatStats, Failed, Loading, Queued, Step
from playground.ui import words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.084, "0.08 s"), (0.999, "1.0 s"), (1.23, "1.2 s"), (9.99, "10 s"), (14.4, "14 s"), (125, "2 min 5 s")],
)
def test_seconds(value: float, text: str) -> None:
    assert words.seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(999, "999 B"), (1.5e6, "1.5 MB"), (92e6, "92.0 MB"), (3.04e9, "3.0 GB")])
def test_sizes(value: float, text: str) -> None:
    assert words.size(value) == text


def test_a_line_of_figures() -> None:
    stats = ChatStats(
        ttft_s=0.08, tokens_per_s=231.4, prompt_tokens=14, completion_tokens=4, context_used=18, context_size=2048
    )
    html = words.chat_figures(stats)
    assert "0.08 s first, 231 tok/s, 14 in, 4 out" in html
    assert "context 18 of 2,048" in html
    assert 'aria-valuenow="1"' in html


def test_unknown_figures_are_left_out() -> None:
    html = words.chat_figures(ChatStats(completion_tokens=4))
    assert "4 out" in html
    assert "None" not in html
    assert "first" not in html
    assert words.chat_figures(ChatStats()) == ""


def test_waiting_says_for_what_how_far_and_how_long() -> None:
    assert words.queued(Queued(2, 10.0)) == "Second in line, about 10 s"
    assert words.queued(Queued(12)) == "Number 12 in line"
    assert words.loading(Loading("starter-sd", 0.62, "reading")) == "Loading starter-sd 62 %: reading"
    assert words.stepping(Step(12, 20, 0.8)) == "Step 12 of 20, 0.80 s left"


def test_text_from_outside_is_escaped() -> None:
    html = words.problem(Failed("<script>", "<b>"), "<i>") + words.note("<u>") + words.waiting("<s>")
    for tag in ("<script>", "<b><", "<i><", "<u>", "<s>"):
        assert tag not in html.replace("<b>&lt;i&gt;</b>", "").replace("<i></i>", "")
