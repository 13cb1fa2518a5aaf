"""Answers that are made at the same time: each is what it is alone, whoever else begins, ends, stops or fails."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.batch_torch import BatchLogits
from playground.chat.generate import Answer, answer
from playground.chat.request import checked_chat
from playground.chat.together import Together
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Token
from tests.chat.tiny import loaded


@pytest.fixture(scope="module")
def model() -> LoadedText:
    return loaded("phi3")


class Asked:
    """One request, made alone (the oracle) or with others."""

    def __init__(self, model: LoadedText, choose: random.Random) -> None:
        text = " ".join(choose.choice(["cat", "hat", "bat", "sum"]) for _ in range(choose.randrange(1, 30)))
        most = choose.randrange(1, 20)
        regex = r"(cat|hat) sum bat [a-z]{2,6}\."  # a part of it stands without logits
        chat = ChatRequest(
            model.card.id,
            (Message("user", text),),
            temperature=choose.choice([0.0, 1.0]),
            seed=choose.randrange(1000),
            max_new_tokens=most,
            repetition_penalty=choose.choice([1.0, 1.3]),
            stop=choose.choice([(), ("a",)]),
            regex=regex if most > 12 and choose.random() < 0.5 else "",
        )
        self.request, self.events, self.cancel = checked_chat(chat, model.card), [], CancelToken()
        self.stats: ChatStats | None = None
        self.error: Exception | None = None

    def alone(self, model: LoadedText) -> tuple[str, str]:
        events: list[Event] = []
        stats = answer(model, self.request, CancelToken(), events.append)
        return _text(events), stats.stop_reason

    def work(self, together: Together, model: LoadedText) -> Iterator[None]:
        one = Answer(model, self.request, self.cancel, self.events.append)
        try:
            yield from together.make(one, model, self.cancel)
            self.stats = one.stats()
        except Exception as error:
            self.error = error

    @property
    def text(self) -> str:
        return _text(self.events)


def _text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token))


def rounds(works: list[Iterator[None]]) -> None:
    """One turn for each, as a worker gives them."""
    for work in list(works):
        try:
            next(work)
        except StopIteration:
            works.remove(work)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), arrivals=st.lists(st.integers(0, 3), min_size=1, max_size=8), keeps=st.booleans())
def test_each_answer_is_what_it_is_alone(model: LoadedText, seed: int, arrivals: list[int], keeps: bool) -> None:
    choose = random.Random(seed)
    model.kept.clear()
    model.kept.limit = 10**9 if keeps else 0
    together, works, asked = Together(), [], []
    for count in arrivals:
        asked += [Asked(model, choose) for _ in range(count)]
        works += [one.work(together, model) for one in asked[len(asked) - count :]]
        choose.shuffle(works)  # the order of turns must not matter
        if works and choose.random() < 0.2:
            choose.choice(asked).cancel.cancel()
        rounds(works)
    while works:
        rounds(works)
    model.kept.limit = 0
    model.kept.clear()
    for one in asked:
        text, reason = one.alone(model)
        assert one.error is None
        assert one.stats is not None
        if one.cancel.cancelled and one.stats.stop_reason == "stopped":
            assert text.startswith(one.text)
        else:
            assert (one.text, one.stats.stop_reason) == (text, reason)
    assert together.active == 0
    assert together._batch is None
    assert not any([together._wanted, together._found, together._starting, together._started])


def test_a_step_that_fails_fails_for_all_and_the_next_ones_begin_anew(
    model: LoadedText, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = random.Random(3)
    together, asked = Together(), []
    while len(asked) < 3:
        one = Asked(model, choose)
        if one.alone(model)[1] == "length" and (one.request.max_new_tokens or 0) > 6:
            asked.append(one)
    works = [one.work(together, model) for one in asked]
    for _ in range(4):
        rounds(works)

    def full(self, tokens):
        raise torch.OutOfMemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(BatchLogits, "step", full)
        while works:
            rounds(works)
    assert all("ran out of memory" in str(one.error) for one in asked)
    again = Asked(model, random.Random(9))
    works = [again.work(together, model)]
    while works:
        rounds(works)
    assert again.text == again.alone(model)[0]


def test_a_model_whose_cache_cannot_be_joined_makes_its_answers_one_after_the_other() -> None:
    sliding = loaded("phi3", sliding_window=8)
    choose = random.Random(5)
    together, asked = Together(), [Asked(sliding, choose) for _ in range(3)]
    works = [one.work(together, sliding) for one in asked]
    asked[2].cancel.cancel()
    while works:
        rounds(works)
    for one in asked[:2]:
        assert (one.text, one.error) == (one.alone(sliding)[0], None)
    assert asked[2].stats is not None
    assert asked[2].stats.stop_reason == "stopped"
