"""Thoughts that are ended from outside: by a budget, by the user; exact to the token, alone and together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.effort import SHARES, budget_of
from playground.chat.generate import Answer, answer
from playground.chat.request import checked_chat
from playground.chat.together import Together
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, Event, Message
from tests.chat.thinker import HELLO, ask, following, notices, script, text_of, thinker
from tests.chat.tiny import CONTEXT, TEMPLATE

THOUGHT, REPLY = "the cat and the hat and the bat and the sum", "What is it?"


@pytest.fixture(scope="module")
def talker() -> LoadedText:
    return thinker(script(THOUGHT, REPLY))


def tokens(model: LoadedText, text: str) -> list[int]:
    return model.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_without_a_budget_the_model_ends_its_own_thought(talker: LoadedText) -> None:
    events, stats = ask(talker)
    assert (text_of(events, "reasoning"), text_of(events)) == (THOUGHT, REPLY)
    assert (stats.thought_end, stats.reasoning_effort, notices(events)) == ("", "", "")


@settings(max_examples=10, deadline=None)
@given(budget=st.integers(1, 60))
def test_a_thought_has_its_budget_and_no_token_more(talker: LoadedText, budget: int) -> None:
    events, stats = ask(talker, reasoning_budget=budget)
    whole = tokens(talker, f"<think>{THOUGHT}</think>")
    assert text_of(events) == REPLY  # the answer goes on whatever the thought
    assert stats.stop_reason == "end"
    cut = budget < len(whole)
    assert stats.reasoning_tokens == min(budget, len(whole))
    assert text_of(events, "reasoning") == (talker.tokenizer.decode(whole[1:budget]) if cut else THOUGHT)
    assert stats.thought_end == ("budget" if cut else "")
    assert (f"ended after {budget} tokens, its budget" in notices(events)) == cut
    plain = ask(talker)[1]
    assert stats.prompt_tokens == (plain.prompt_tokens or 0) + cut  # the closing tag counts as prompt
    assert stats.completion_tokens == min(budget, len(whole)) + len(tokens(talker, REPLY))


def test_a_budget_of_nothing_is_an_empty_thought(talker: LoadedText) -> None:
    events, stats = ask(talker, reasoning_budget=0)
    assert (text_of(events, "reasoning"), text_of(events), stats.reasoning_tokens) == ("", REPLY, 0)


def test_an_effort_is_a_share_of_the_context_and_is_told(talker: LoadedText) -> None:
    events, stats = ask(talker, reasoning_effort="low")
    assert stats.reasoning_tokens == CONTEXT * SHARES["low"] == 8
    assert (stats.reasoning_effort, stats.thought_end) == ("low", "budget")
    assert "reasoning effort low" in notices(events)
    assert ask(talker, reasoning_effort="high")[1].thought_end == ""


def test_auto_tells_which_effort_it_took(talker: LoadedText) -> None:
    assert ask(talker, reasoning_effort="auto")[1].reasoning_effort == "none"  # a greeting
    asked = (Message("user", "Tom has 12 apples, then buys 5, then loses 6. How many are left?"),)
    events, stats = ask(talker, messages=asked, reasoning_effort="auto")
    assert (stats.reasoning_effort, text_of(events)) == ("high", REPLY)


@given(
    effort=st.sampled_from([None, *SHARES]),
    asked=st.none() | st.integers(0, 5000),
    context=st.none() | st.integers(32, 200_000),
    room=st.integers(1, 5000),
)
def test_an_effort_leaves_room_for_the_answer_and_the_smaller_limit_wins(
    effort: str | None, asked: int | None, context: int | None, room: int
) -> None:
    found = budget_of(effort, asked, context=context, room=room)
    if effort is None:
        assert found == asked
        return
    assert found is not None
    assert 0 <= found <= room - min(256, room // 4)
    assert asked is None or found <= asked


def test_the_answer_comes_within_one_token_of_the_wish_for_it(talker: LoadedText) -> None:
    for wished in (1, 2, 5, 9):
        cancel, events = CancelToken(), []

        def emit(event: Event, cancel=cancel, events=events, wished=wished) -> None:
            events.append(event)
            if len(events) == wished:
                cancel.answer_now()

        request = checked_chat(ChatRequest("m", HELLO, temperature=0.0, max_new_tokens=120), talker.card)
        stats = answer(talker, request, cancel, emit)
        assert text_of(events) == REPLY
        whole = tokens(talker, f"<think>{THOUGHT}")
        assert stats.reasoning_tokens == wished + 1  # the tag, and a token an event
        assert text_of(events, "reasoning") == talker.tokenizer.decode(whole[1 : wished + 1])
        assert stats.thought_end == "answer now"
        assert "as you asked" in notices(events)


def test_a_wish_before_the_thought_began_leaves_it_empty(talker: LoadedText) -> None:
    cancel = CancelToken()
    cancel.answer_now()
    events, stats = ask(talker, cancel)
    assert (text_of(events, "reasoning"), text_of(events), stats.reasoning_tokens) == ("", REPLY, 1)


def test_a_wish_for_an_answer_changes_nothing_where_no_thought_is(talker: LoadedText) -> None:
    cancel = CancelToken()
    cancel.answer_now()
    events, stats = ask(talker, cancel, reasoning_effort="none")
    assert (text_of(events), stats.thought_end, notices(events)) == (REPLY, "", "")


def test_a_template_that_opens_the_thought_has_it_closed_in_its_own_way() -> None:
    read: list[str] = []

    def say(text: str) -> str:
        read.append(text)
        said = text.rpartition("<think>\n")[2]
        return REPLY.removeprefix(said.partition("</think>\n\n")[2]) if "</think>" in said else "a"

    model = thinker(say, template=TEMPLATE + "{% if enable_thinking %}<think>\n{% endif %}")
    events, stats = ask(model, reasoning_budget=3)
    assert text_of(events, "reasoning").strip() == "aaa"
    assert text_of(events).strip() == REPLY
    assert stats.reasoning_tokens == 3
    assert "<think>\naaa\n</think>\n\n" in read[-1]


def test_a_tag_that_was_half_written_is_completed_not_repeated() -> None:
    def say(text: str) -> str:
        said = text.rpartition("<|assistant|>")[2]
        return (
            REPLY.removeprefix(said.partition("</think>")[2])
            if "</think>" in said
            else "<think>"[:7]
            if not said
            else "<"
        )

    events, stats = ask(thinker(say), reasoning_budget=2)
    assert (text_of(events, "reasoning"), text_of(events)) == ("", REPLY)
    assert stats.reasoning_tokens == 2


def test_an_ended_thought_is_not_opened_again() -> None:
    again = following({"<|assistant|>": "<think>", "<think>": "a", "a": "b", "b": "a", "</think>": "<think>"})
    events, stats = ask(again, reasoning_budget=5, max_new_tokens=20)
    assert stats.reasoning_tokens == 5
    assert len(text_of(events, "reasoning")) == 4


def test_a_thought_that_leaves_no_room_for_its_end_ends_with_the_answer() -> None:
    model = thinker(script(THOUGHT, REPLY))
    _, stats = ask(model, reasoning_budget=5, max_new_tokens=5)
    assert (stats.stop_reason, stats.completion_tokens) == ("length", 5)


def test_a_bound_answer_follows_an_ended_thought(talker: LoadedText) -> None:
    events, stats = ask(talker, reasoning_budget=6, regex="[a-c]{3}")
    assert stats.reasoning_tokens == 6
    assert set(text_of(events)) <= set("abc")
    assert len(text_of(events)) == 3


# --- together --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> LoadedText:
    return following({"<|assistant|>": "<think>", "</think>": "c"})


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_thoughts_that_are_ended_together_are_what_they_are_alone(many: LoadedText, data: st.DataObject) -> None:
    requests = [
        checked_chat(
            ChatRequest(
                "m",
                (Message("user", data.draw(st.sampled_from(["the cat", "What is the sum?", "hat " * 9]))),),
                temperature=data.draw(st.sampled_from([0.0, 1.0])),
                seed=data.draw(st.integers(0, 99)),
                max_new_tokens=data.draw(st.integers(1, 24)),
                reasoning_budget=data.draw(st.none() | st.integers(0, 12)),
                reasoning_effort=data.draw(st.sampled_from([None, "low", "auto", "none"])),
                stable_probes=data.draw(st.sampled_from([None, 2, 3])),
                probe_every=data.draw(st.integers(1, 5)),
            ),
            many.card,
        )
        for _ in range(data.draw(st.integers(1, 5)))
    ]
    together, heard, works, ones = Together(), [], [], []
    for request in requests:
        events: list[Event] = []
        one = Answer(many, request, CancelToken(), events.append)
        heard.append(events)
        ones.append(one)
        works.append(together.make(one, many, CancelToken()))
    while works:
        for work in list(works):
            try:
                next(work)
            except StopIteration:
                works.remove(work)
    for request, one, events in zip(requests, ones, heard, strict=True):
        alone: list[Event] = []
        stats, expected = one.stats(), answer(many, request, CancelToken(), alone.append)
        for kind in ("reasoning", "answer"):
            assert text_of(events, kind) == text_of(alone, kind)
        for field in ("stop_reason", "reasoning_tokens", "completion_tokens", "prompt_tokens", "thought_end", "probes"):
            assert getattr(stats, field) == getattr(expected, field)
        if request.reasoning_budget is not None:
            assert (stats.reasoning_tokens or 0) <= request.reasoning_budget
