"""Guessed tokens: the answer is the one without guesses, whatever guesses, binds, ends or interrupts it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.candidate_generator import PromptLookupCandidateGenerator

from playground.chat.draft_model import check_vocabularies
from playground.chat.generate import Answer, answer
from playground.chat.lookup import PromptLookup
from playground.chat.request import checked_chat
from playground.chat.together import Together
from playground.errors import InvalidRequest
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Notice, Token
from tests.chat.tiny import TEMPLATE, loaded, tokenizer

THINKING = TEMPLATE + "<think>"
LOOP = "the cat and the hat and the bat and the cat and the hat and the bat and the cat and"


@pytest.fixture(scope="module")
def main() -> LoadedText:
    # Narrow weights, so that likelihoods are close to each other and the draft's are not far from them.
    return loaded("phi3", initializer_range=0.3)


@pytest.fixture(scope="module")
def draft() -> LoadedText:
    return loaded("mistral", initializer_range=0.3)


def text_of(events: list[Event]) -> list[tuple[str, str]]:
    """What was said, thoughts and answer apart."""
    kinds = ("reasoning", "answer")
    return [(k, "".join(e.text for e in events if isinstance(e, Token) and e.kind == k)) for k in kinds]


def notices(events: list[Event]) -> str:
    return " ".join(e.text for e in events if isinstance(e, Notice))


def ask(
    model: LoadedText, draft: LoadedText | None = None, cancel: CancelToken | None = None, **values: Any
) -> tuple[list[Event], ChatStats]:
    values = {"messages": (Message("user", LOOP),), "temperature": 0, "max_new_tokens": 40, "seed": 3} | values
    request = checked_chat(ChatRequest(model.card.id, **values), model.card)
    events: list[Event] = []
    stats = answer(model, request, cancel or CancelToken(), events.append, draft)
    return events, stats


REGEX = r"(the cat |and the hat ){3,9}[a-z ]{2,9}\."
SCHEMA = '{"type":"object","properties":{"cat":{"enum":["hat","bat"]},"sum":{"type":"integer"}},"required":["cat"]}'


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Anything that may change which tokens come."""
    words = draw(st.lists(st.sampled_from(["cat", "hat", "the", "and", "🙂"]), min_size=1, max_size=25))
    bound = draw(st.sampled_from([{}, {}, {"regex": REGEX}, {"json_schema": SCHEMA}]))
    return {
        "messages": (Message("user", " ".join(words)),),
        "temperature": draw(st.sampled_from([0.0, 0.3, 1.0, 2.0])),
        "top_p": draw(st.sampled_from([1.0, 0.6])),
        "top_k": draw(st.sampled_from([0, 3])),
        "repetition_penalty": draw(st.sampled_from([1.0, 1.4, 0.7])),
        "seed": draw(st.integers(0, 1000)),
        "max_new_tokens": draw(st.integers(30, 60) if bound else st.integers(1, 45)),
        "stop": draw(st.sampled_from([(), ("a",), ("the", "zz")])),
        **bound,
    }


@settings(max_examples=40, deadline=None)
@given(values=requests(), by_draft=st.booleans(), thinks=st.booleans())
def test_the_answer_is_the_one_without_guesses(
    main: LoadedText, draft: LoadedText, values: dict[str, Any], by_draft: bool, thinks: bool
) -> None:
    for model in (main, draft):
        model.tokenizer.chat_template = THINKING if thinks else TEMPLATE
    plain, wanted = ask(main, **values)
    name = draft.card.id if by_draft else "prompt lookup"
    events, stats = ask(main, draft if by_draft else None, speculation=name, **values)
    assert text_of(events) == text_of(plain)
    for field in ("stop_reason", "completion_tokens", "reasoning_tokens", "prompt_tokens", "context_used", "seed"):
        assert getattr(stats, field) == getattr(wanted, field)
    assert stats.drafted is not None
    assert stats.accepted is not None
    assert 0 <= stats.accepted <= stats.drafted
    assert (wanted.drafted, wanted.accepted) == (None, None)


def test_a_model_is_its_own_best_draft(main: LoadedText) -> None:
    """Drawn with the same noise, equal likelihoods give equal tokens: nothing but the end may be guessed wrong."""
    main.tokenizer.chat_template = TEMPLATE
    for temperature in (0.0, 1.0, 3.0):
        events, stats = ask(main, main, speculation="itself", temperature=temperature, max_new_tokens=60)
        assert stats.drafted
        assert stats.accepted is not None
        assert stats.drafted - stats.accepted <= 5  # those behind the end
        assert f"{stats.accepted} of {stats.drafted} drafted tokens were right" in notices(events)


def test_prompt_lookup_takes_several_tokens_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from playground.chat.logits_torch import TorchLogits

    model = loaded("phi3", initializer_range=0.02)  # says one token over and over, which is soon found
    passes = []
    plain = TorchLogits.read
    monkeypatch.setattr(TorchLogits, "read", lambda self, ids, each=1: passes.append(ids) or plain(self, ids, each))
    _, stats = ask(model, speculation="prompt lookup", max_new_tokens=100)
    assert stats.completion_tokens == 100
    assert stats.accepted is not None
    assert stats.accepted > 25
    assert len(passes) == 100 - stats.accepted


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 6))
def test_a_guess_is_what_followed_the_same_tokens_before(ids: list[int], most: int) -> None:
    lookup = PromptLookup()
    for length in range(len(ids) + 1):  # it is asked as the answer grows
        guess = lookup.guess(ids[:length], most)
        seen = ids[:length]
        places = [i for i in range(2, length) if seen[i - 2 : i] == seen[-2:]]
        assert bool(guess) == bool(places)
        assert not guess or any((seen[i:] * most)[:most] == guess for i in places)
        if len(places) == 1:
            theirs, _ = PromptLookupCandidateGenerator(
                num_output_tokens=most, max_matching_ngram_size=2, max_length=1000
            ).get_candidates(torch.tensor([seen]))
            wanted = theirs[0, length:].tolist()
            assert guess[: len(wanted)] == wanted


def test_of_many_places_the_one_that_agrees_furthest_back_counts() -> None:
    assert PromptLookup().guess([1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3], 2) == [4, 9]


def lasting(model: LoadedText, seed: int, values: dict[str, Any]) -> int:
    """The next seed with which an answer does not end by itself."""
    return next(s for s in range(seed, seed + 99) if ask(model, seed=s, **values)[1].stop_reason == "length")


def rounds(works: list[Iterator[None]]) -> None:
    for work in list(works):
        try:
            next(work)
        except StopIteration:
            works.remove(work)


@pytest.mark.parametrize("by_draft", [False, True])
@pytest.mark.parametrize("when", [0, 1, 6, 9])
def test_guesses_end_when_others_come_and_nobody_notices_but_by_the_word(
    main: LoadedText, draft: LoadedText, by_draft: bool, when: int
) -> None:
    choose, together, works = random.Random(when), Together(), []
    made: list[tuple[Answer, list[Event], Any]] = []

    def begin(speculation: str) -> None:
        values = {"temperature": 1.0, "max_new_tokens": 40}
        chat = ChatRequest("m", (Message("user", LOOP),), seed=lasting(main, choose.randrange(100), values), **values)
        request = checked_chat(chat, main.card)
        events: list[Event] = []
        one = Answer(main, replace(request, speculation=speculation), CancelToken(), events.append)
        made.append((one, events, request))
        works.append(together.make(one, main, CancelToken(), one.speculate(draft if by_draft else None)))

    for model in (main, draft):
        model.tokenizer.chat_template = TEMPLATE
    begin(draft.card.id if by_draft else "prompt lookup")
    for turn in range(60):
        if turn == when:
            begin("")
        rounds(works)
    assert not works
    assert together.active == 0
    for one, events, request in made:
        one.stats()
        plain: list[Event] = []
        answer(main, request, CancelToken(), plain.append)
        assert text_of(events) == text_of(plain)
    assert "Drafting ended" in notices(made[0][1])


def test_a_cancel_ends_within_one_token_of_a_pass(main: LoadedText) -> None:
    cancel, events = CancelToken(), []
    main.tokenizer.chat_template = TEMPLATE
    values = {"temperature": 1.0, "max_new_tokens": 60}
    seed = lasting(main, 0, values)
    chat = ChatRequest("m", (Message("user", LOOP),), seed=seed, speculation="itself", **values)
    request = checked_chat(chat, main.card)

    def emit(event: Event) -> None:
        events.append(event)
        if len([e for e in events if isinstance(e, Token)]) == 20:
            cancel.cancel()

    stats = answer(main, request, cancel, emit, main)
    assert stats.stop_reason == "stopped"
    assert len([e for e in events if isinstance(e, Token)]) <= 21


def test_another_vocabulary_is_refused_and_special_tokens_are_matched_by_name(main: LoadedText) -> None:
    other = loaded("mistral")
    check_vocabularies(main, other)
    other.tokenizer.add_special_tokens({"additional_special_tokens": ["<|more|>"]})
    check_vocabularies(main, other)
    other.tokenizer = shuffled()
    other.card = other.card.model_copy(update={"name": "Other"})
    with pytest.raises(InvalidRequest, match=r"Other cannot draft for Tiny: their vocabularies differ\."):
        ask(main, other, speculation="other")


def shuffled() -> Any:
    """A tokenizer that knows a word which the tiny models' does not."""
    import json

    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    made = json.loads(tokenizer().backend_tokenizer.to_str())
    vocabulary = made["model"]["vocab"]
    first, second = list(vocabulary)[:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    core = Tokenizer.from_str(json.dumps(made))
    other = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="<|end|>", pad_token="<pad>")
    other.chat_template = TEMPLATE
    return other


def test_a_cache_that_cannot_be_cut_is_told_and_the_answer_comes_without_guesses() -> None:
    model = loaded("phi3", sliding_window=8)
    events, stats = ask(model, speculation="prompt lookup")
    assert "its cache cannot take guesses back" in notices(events)
    assert text_of(events) == text_of(ask(model)[0])
    assert stats.drafted is None


def test_longrope_is_never_read_ahead_over_its_edge() -> None:
    longrope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 6, "long_factor": [9.0] * 6}
    config = {"original_max_position_embeddings": 60, "rope_parameters": longrope, "initializer_range": 0.1}
    model = loaded("phi3", **config)
    plain, _ = ask(model, max_new_tokens=80)
    events, stats = ask(model, max_new_tokens=80, speculation="prompt lookup")
    assert text_of(events) == text_of(plain)
    assert stats.context_used is not None
    assert stats.context_used > 60
    assert stats.drafted
