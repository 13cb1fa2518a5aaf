"""Tokenizer, chat templates and the cut between what is read and what is learned."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.starter.text_dialogues import dialogues
from playground.starter.text_tokenizer import FAMILIES, VOCABULARY, family_of, messages, tokenizer_for
from playground.starter.text_train import encode

_KEPT: dict[str, object] = {}


def _tokenizer(name):
    if name not in _KEPT:
        _KEPT[name] = tokenizer_for(name, conversations=1500)
    return _KEPT[name]


@pytest.mark.parametrize("name", list(FAMILIES))
@given(text=st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_survives_the_round_trip(name, text):
    tokenizer = _tokenizer(name)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert all(0 <= i < VOCABULARY for i in ids)


def test_digits_are_tokens_of_their_own():
    assert len(_tokenizer("starter-phi")("1234").input_ids) == 4


def test_phi_template():
    chat = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "<think>greet</think>Hello!"},
        {"role": "user", "content": "1+1"},
    ]
    assert _tokenizer("starter-phi").apply_chat_template(chat, tokenize=False, add_generation_prompt=True) == (
        "<|system|>\nBe kind.<|end|>\n<|user|>\nhi<|end|>\n<|assistant|>\nHello!<|end|>\n"
        "<|user|>\n1+1<|end|>\n<|assistant|>\n"
    )


def test_mistral_template_drops_earlier_thoughts():
    chat = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "<think>greet</think>Hello!"},
        {"role": "user", "content": "1+1"},
    ]
    tokenizer = _tokenizer("starter-mistral")
    rendered = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert rendered == "<s>[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][INST]hi[/INST]Hello!</s>[INST]1+1[/INST]"
    quick = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    assert quick == rendered + "<think></think>"


def test_thoughts_survive_skip_special_tokens_and_the_end_does_not():
    tokenizer = _tokenizer("starter-mistral")
    ids = tokenizer("<think>x</think>y</s>").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>x</think>y"


@pytest.mark.parametrize("name", list(FAMILIES))
def test_training_sees_exactly_what_the_template_renders(name):
    tokenizer, family = _tokenizer(name), family_of(name)
    for dialogue in islice(dialogues(6, name, bool(family.plain)), 300):
        ids, labels = encode(tokenizer, family, dialogue)
        prompt = tokenizer.apply_chat_template(
            messages(dialogue, len(dialogue.turns) - 1),
            add_generation_prompt=True,
            return_dict=False,
            enable_thinking=dialogue.thinking,
        )
        assert ids[: len(prompt)] == prompt
        assert labels[len(prompt) :] == ids[len(prompt) :]
        assert labels[-1] == tokenizer.eos_token_id


def test_phi_learns_every_answer_and_no_question():
    tokenizer, family = _tokenizer("starter-phi"), family_of("starter-phi")
    dialogue = next(d for d in dialogues(8, "starter-phi", False) if len(d.turns) == 3)
    _, labels = encode(tokenizer, family, dialogue)
    learned = tokenizer.decode([label for label in labels if label != -100])
    assert learned == "".join(turn.answer + "<|end|>" for turn in dialogue.turns)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"starter-phi, starter-mistral, got 'x'"):
        family_of("x")
