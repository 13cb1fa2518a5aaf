"""Tokenizer, chat templates and the cut between what is read and what is learned."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from playground.starter.text_batches import encode_all
from playground.starter.text_dialogues import dialogues
from playground.starter.text_rendering import encode, messages
from playground.starter.text_templates import FAMILIES, family_of
from playground.starter.text_tokenizer import VOCABULARY, tokenizer_for

_KEPT: dict[str, object] = {}
_TOOL = {
    "type": "function",
    "function": {"name": "clock", "description": "Tell the time", "parameters": {"type": "object", "properties": {}}},
}
_CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "<think>greet</think>Hello!"},
    {"role": "user", "content": "time?"},
]
_CALLED = [
    *_CHAT,
    {
        "role": "assistant",
        "content": "<think>call</think>",
        "tool_calls": [{"type": "function", "function": {"name": "clock", "arguments": {"city": "Köln"}}}],
    },
    {"role": "tool", "content": "12:00"},
]
_LISTED = '[{"name": "clock", "description": "Tell the time", "parameters": {"type": "object", "properties": {}}}]'
_CALL = '[{"name": "clock", "arguments": {"city": "Köln"}}]'


def _tokenizer(name):
    if name not in _KEPT:
        _KEPT[name] = tokenizer_for(name, conversations=1200)
    return _KEPT[name]


def _rendered(name, chat, **options):
    return _tokenizer(name).apply_chat_template(chat, tokenize=False, add_generation_prompt=True, **options)


@pytest.mark.parametrize("name", list(FAMILIES))
@given(text=st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_survives_the_round_trip(name, text):
    tokenizer = _tokenizer(name)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert all(0 <= i < VOCABULARY for i in ids)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_byte_has_a_token_and_both_models_share_their_merges(name):
    vocabulary, other = _tokenizer(name).get_vocab(), _tokenizer("starter-phi").get_vocab()
    assert len(vocabulary) <= VOCABULARY
    assert set(pre_tokenizers.ByteLevel.alphabet()) <= set(vocabulary)
    own = {*family_of(name).special, *family_of(name).plain}
    assert all(other[token] == i for token, i in vocabulary.items() if token not in own)


def test_digits_and_chinese_characters_are_tokens_of_their_own():
    tokenizer = _tokenizer("starter-phi")
    assert len(tokenizer("1234").input_ids) == 4
    assert len(tokenizer("你好").input_ids) == 2


def test_phi_template():
    assert _rendered("starter-phi", _CHAT) == (
        "<|system|>\nBe kind.<|end|>\n<|user|>\nhi<|end|>\n<|assistant|>\nHello!<|end|>\n"
        "<|user|>\ntime?<|end|>\n<|assistant|>\n"
    )


def test_phi_template_with_tools():
    text = _rendered("starter-phi", _CALLED, tools=[_TOOL])
    assert text.startswith(f"<|system|>\nBe kind.<|tool|>{_LISTED}<|/tool|><|end|>\n<|user|>\nhi")
    assert text.endswith(
        f"<|assistant|>\n<|tool_call|>{_CALL}<|/tool_call|><|end|>\n<|tool_response|>\n12:00<|end|>\n<|assistant|>\n"
    )
    assert _rendered("starter-phi", _CHAT[1:], tools=[_TOOL]).startswith(f"<|system|>\n<|tool|>{_LISTED}<|/tool|>")


def test_mistral_template_drops_earlier_thoughts():
    rendered = _rendered("starter-mistral", _CHAT)
    assert rendered == "<s>[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][INST]hi[/INST]Hello!</s>[INST]time?[/INST]"
    quick = _rendered("starter-mistral", _CHAT, enable_thinking=False)
    assert quick == rendered + "<think></think>"


def test_mistral_template_keeps_the_thoughts_of_a_running_chain_of_calls():
    assert _rendered("starter-mistral", _CALLED, tools=[_TOOL]) == (
        "<s>[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][INST]hi[/INST]Hello!</s>"
        f"[AVAILABLE_TOOLS]{_LISTED}[/AVAILABLE_TOOLS][INST]time?[/INST]"
        f"<think>call</think>[TOOL_CALLS]{_CALL}</s>[TOOL_RESULTS]12:00[/TOOL_RESULTS]"
    )


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("starter-mistral", "<think>x</think>y</s>", "<think>x</think>y"),
        ("starter-mistral", "[TOOL_CALLS][]</s>", "[TOOL_CALLS][]"),
        ("starter-phi", "<|tool_call|>[]<|/tool_call|><|end|>", "<|tool_call|>[]<|/tool_call|>"),
    ],
)
def test_thoughts_and_calls_survive_skip_special_tokens_and_the_end_does_not(name, text, kept):
    tokenizer = _tokenizer(name)
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == kept


@pytest.mark.parametrize("name", list(FAMILIES))
def test_training_sees_exactly_what_the_template_renders(name):
    tokenizer, family = _tokenizer(name), family_of(name)
    called = 0
    for dialogue in islice(dialogues(6, name), 250):
        ids, labels = encode(tokenizer, family, dialogue)
        steps = dialogue.target if dialogue.target is not None else len(dialogue.turns[-1].steps)
        prompt = tokenizer.apply_chat_template(
            messages(dialogue, steps),
            tools=list(dialogue.tools) or None,
            add_generation_prompt=True,
            return_dict=False,
            enable_thinking=dialogue.thinking,
        )
        assert ids[: len(prompt)] == prompt, dialogue
        assert labels[len(prompt) :] == ids[len(prompt) :]
        assert labels[-1] == tokenizer.eos_token_id
        called += bool(dialogue.turns[-1].steps)
    assert called > 10


@pytest.mark.parametrize("name", list(FAMILIES))
def test_many_conversations_are_encoded_as_each_by_itself(name):
    tokenizer, family = _tokenizer(name), family_of(name)
    drawn = list(islice(dialogues(9, name), 60))
    assert encode_all(tokenizer, family, drawn) == [encode(tokenizer, family, dialogue) for dialogue in drawn]


def test_phi_learns_every_answer_and_no_question():
    tokenizer, family = _tokenizer("starter-phi"), family_of("starter-phi")
    dialogue = next(d for d in dialogues(8, "starter-phi") if len(d.turns) == 3 and not d.tools)
    _, labels = encode(tokenizer, family, dialogue)
    learned = tokenizer.decode([label for label in labels if label != -100])
    assert learned == "".join(turn.answer + "<|end|>" for turn in dialogue.turns)


def test_mistral_learns_the_last_thought_and_never_how_an_earlier_answer_begins():
    tokenizer, family = _tokenizer("starter-mistral"), family_of("starter-mistral")
    dialogue = next(d for d in dialogues(8, "starter-mistral") if len(d.turns) == 2 and d.thinking and not d.tools)
    ids, labels = encode(tokenizer, family, dialogue)
    opening = tokenizer.convert_tokens_to_ids("[/INST]")
    first, second = (i for i, token in enumerate(ids) if token == opening)
    assert labels[first + 1] == -100
    assert labels[second + 1] == tokenizer.convert_tokens_to_ids("<think>")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"starter-phi, starter-mistral, got 'x'"):
        family_of("x")
