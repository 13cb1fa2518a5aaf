"""Answers that are gone on with, against one that was made in one go, and earlier thoughts in the prompt."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from playground.catalog import load_catalog
from playground.chat.context import fit, render
from playground.chat.detokenize import Detokenizer
from playground.errors import InvalidRequest
from playground.models.loaded import LoadedText
from playground.protocol import Message, ToolCall, ToolCalled, ToolSpec
from tests.chat.thinker import HELLO, ask, notices, script, text_of, thinker
from tests.chat.tiny import CONTEXT, TEMPLATE, TEMPLATE_WITHOUT_SYSTEM, loaded, tokenizer

THOUGHT, REPLY = "the cat and the hat", "What is the sum?"
STRIPS = (  # as many models' templates: thoughts go, blanks are trimmed, and the last answer gets an empty thought
    "{% for m in messages %}<|{{ m['role'] }}|>{% if m['role'] == 'assistant' %}"
    "{% if loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m['content'].split('</think>')[-1] | trim }}"
    "{% else %}{{ m['content'] | trim }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
OPENS = TEMPLATE + "{% if enable_thinking %}<think>\n{% endif %}"


def continued(model: LoadedText, content: str = "", reasoning: str = "", **values):  # type: ignore[no-untyped-def]
    return ask(model, messages=(*HELLO, Message("assistant", content, reasoning)), **values)


# --- going on --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["starter-phi", "starter-mistral"])
def starter(request: pytest.FixtureRequest) -> LoadedText:
    card = load_catalog()[request.param]
    assert card.folder is not None
    model = AutoModelForCausalLM.from_pretrained(card.folder, dtype=torch.float32, use_safetensors=True).eval()
    return LoadedText(card, model, AutoTokenizer.from_pretrained(card.folder), "cpu", torch.float32, 0)


def test_part_and_then_the_rest_is_what_one_go_gives(starter: LoadedText) -> None:
    asked = (Message("user", "Tom has 12 apples, buys 5 more and then loses 6. How many apples are left?"),)
    whole, _ = ask(starter, messages=asked)
    thought, reply = text_of(whole, "reasoning"), text_of(whole)
    assert reply
    _, stats = ask(starter, messages=asked)
    most = stats.completion_tokens or 0
    for cut in sorted({1, 2, 3, most // 3, most // 2, most - 2, most - 1} & set(range(1, most))):
        first, _ = ask(starter, messages=asked, max_new_tokens=cut)
        begun = Message("assistant", text_of(first), text_of(first, "reasoning"))
        if not (begun.content or begun.reasoning):
            continue  # no more than the tag was said
        rest, _ = ask(starter, messages=(*asked, begun))
        assert begun.reasoning + text_of(rest, "reasoning") == thought, cut
        assert begun.content + text_of(rest) == reply, cut


@settings(max_examples=20, deadline=None)
@given(content=st.text("abc the?🙂é\n", min_size=1, max_size=30), template=st.sampled_from([TEMPLATE, STRIPS, OPENS]))
def test_the_prompt_ends_exactly_after_the_text(content: str, template: str) -> None:
    words = tokenizer(template)
    for message in (
        Message("assistant", content),
        Message("assistant", "", content),
        Message("assistant", "x", content),
    ):
        begun = render(words, list(HELLO), think=True)
        text = render(words, [*HELLO, message], think=True, keep="turn")
        assert text.startswith(begun)  # what stood before the answer when it was begun
        tag = "" if begun.endswith("<think>\n") or not message.reasoning else "<think>"
        close = "</think>" if message.content and message.reasoning else ""
        assert text.removeprefix(begun) == f"{tag}{message.reasoning}{close}{message.content}"


@pytest.mark.parametrize("family", ["phi3", "mistral"])
def test_what_follows_is_what_generate_makes_of_the_same_prompt(family: str) -> None:
    model = loaded(family)
    events, _ = continued(model, "the cat and", max_new_tokens=20)
    ids = torch.tensor([model.tokenizer("<|user|>Hello there<|end|><|assistant|>the cat and")["input_ids"]])
    whole = model.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20)
    assert text_of(events) == model.tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)


def test_a_thought_is_gone_on_with_inside_it() -> None:
    model = thinker(script(THOUGHT, REPLY))
    events, stats = continued(model, reasoning="the cat")
    assert (text_of(events, "reasoning"), text_of(events)) == (" and the hat", REPLY)
    begun = model.tokenizer("<|user|>Hello there<|end|><|assistant|><think>the cat")["input_ids"]
    assert stats.prompt_tokens == len(begun)
    events, stats = continued(model, reasoning="the cat", reasoning_budget=2)
    assert stats.reasoning_tokens == 2  # of what is new
    assert text_of(events) == REPLY


def test_a_thought_can_be_answered_from_as_it_is() -> None:
    events, _ = continued(thinker(script(THOUGHT, REPLY)), reasoning="the cat", reasoning_effort="none")
    assert (text_of(events, "reasoning"), text_of(events)) == ("", REPLY)


def test_an_answer_after_its_thought_is_gone_on_with() -> None:
    events, _ = continued(thinker(script(THOUGHT, REPLY)), "What is", THOUGHT)
    assert (text_of(events, "reasoning"), text_of(events)) == ("", " the sum?")


def test_an_answer_that_is_gone_on_with_may_speak_of_the_tag() -> None:
    model = thinker(lambda text: "<think>".removeprefix(text.rpartition("The tag is ")[2]))
    assert text_of(continued(model, "The tag is ")[0]) == "<think>"


def test_a_model_that_does_not_think_cannot_go_on_from_a_thought(tiny_phi: LoadedText) -> None:
    with pytest.raises(InvalidRequest, match="does not think"):
        continued(tiny_phi, reasoning="the cat")
    assert (
        fit(tiny_phi, [*HELLO, Message("assistant", "x", "another's")], 5).ids
        == fit(tiny_phi, [*HELLO, Message("assistant", "x")], 5).ids
    )


def test_a_form_that_binds_cannot_begin_in_the_middle(tiny_phi: LoadedText) -> None:
    with pytest.raises(InvalidRequest, match="cannot be gone on with"):
        continued(tiny_phi, "[1, 2", json_schema='{"type": "array"}')
    events, _ = continued(thinker(script(THOUGHT, REPLY)), reasoning="the cat", regex="[ab]{3}")
    assert len(text_of(events)) == 3  # a thought leaves the form whole


def test_a_base_model_goes_on_without_a_break() -> None:
    model = loaded("mistral", None)
    said = [Message("user", "the cat"), Message("assistant", " and")]
    assert model.tokenizer.decode(fit(model, said, 10).ids) == "the cat and"


def test_a_system_prompt_and_the_context_count_as_always() -> None:
    model = loaded("mistral", TEMPLATE_WITHOUT_SYSTEM)
    said = [Message("system", "Be short."), *HELLO, Message("assistant", "Yo")]
    assert model.tokenizer.decode(fit(model, said, 10).ids) == "<|user|>Be short.\n\nHello there<|end|><|assistant|>Yo"
    past = [Message("user" if i % 2 == 0 else "assistant", "the cat " * 9) for i in range(20)]
    prompt = fit(model, [*past, *HELLO, Message("assistant", "q" * 60)], 40)
    assert prompt.dropped_turns > 0
    assert len(prompt.ids) + 40 <= CONTEXT
    assert model.tokenizer.decode(prompt.ids).endswith("q" * 60)
    with pytest.raises(InvalidRequest):
        fit(model, [*HELLO, Message("assistant", "q" * 300)], 40)


def test_a_call_that_was_begun_is_read_to_its_end() -> None:
    tool = ToolSpec("sum", "Adds.", '{"type": "object"}')
    call = '<tool_call>\n{"name": "sum", "arguments": {}}\n</tool_call>'
    model = thinker(lambda text: call.removeprefix("<tool" + text.rpartition("<tool")[2]), max_position_embeddings=1024)
    events, stats = continued(model, call[:20], tools=(tool,))
    called = [e.call for e in events if isinstance(e, ToolCalled)]
    assert [(c.name, c.arguments) for c in called] == [("sum", "{}")]
    assert (text_of(events), stats.stop_reason) == ("", "tool calls")


def test_spacing_of_the_first_new_token_is_settled_by_the_text_before() -> None:
    from tokenizers import Tokenizer, decoders, models

    core = Tokenizer(models.WordLevel({"▁a": 0, "▁b": 1}, unk_token="▁a"))
    core.decoder = decoders.Metaspace()

    class Words:
        backend_tokenizer = core

    assert Detokenizer(Words()).feed(1) == "b"  # type: ignore[arg-type]
    assert Detokenizer(Words(), [0]).feed(1) == " b"  # type: ignore[arg-type]


# --- earlier thoughts ------------------------------------------------------------------------------------------------

TALK = (
    Message("user", "Hi"),
    Message("assistant", "\n\nYo", "\nI greet.\n"),
    Message("user", "One"),
    Message("assistant", "Two", "One is not two."),
    Message("user", "Three"),
)


def prompt_of(template: str, keep: bool | None, talk: tuple[Message, ...] = TALK, **values) -> str:
    model = loaded("mistral", template, **({"capabilities": ("thinking",)} | values))
    return model.tokenizer.decode(fit(model, talk, 10, keep_reasoning=bool(keep)).ids)


@pytest.mark.parametrize("template", [TEMPLATE, STRIPS])
def test_earlier_thoughts_are_dropped_or_kept_as_the_model_wrote_them(template: str) -> None:
    dropped = prompt_of(template, None)
    assert "greet" not in dropped
    assert "<think>" not in dropped
    kept = prompt_of(template, True)
    blank = "\n\n" if template == TEMPLATE else ""
    assert "<|assistant|><think>\nI greet.\n</think>\n\nYo<|end|>" in kept
    assert "<|assistant|><think>One is not two.</think>Two<|end|>" in kept
    assert dropped.endswith("<|user|>Three<|end|><|assistant|>")
    assert f"<|assistant|>{blank}Yo<|end|>" in dropped
    assert "zq" not in kept


def test_a_template_that_opens_thoughts_gets_its_own_opening_back() -> None:
    assert "<|assistant|><think>\nOne is not two.</think>Two<|end|>" in prompt_of(OPENS, True)


def test_the_second_turn_with_its_thought_begins_with_the_tokens_of_the_first() -> None:
    model = thinker(script(THOUGHT, REPLY))
    events, _ = ask(model)
    first = fit(model, HELLO, 10).ids + tuple(model.tokenizer(f"<think>{THOUGHT}</think>{REPLY}")["input_ids"])
    said = Message("assistant", text_of(events), text_of(events, "reasoning"))
    again = fit(model, (*HELLO, said, Message("user", "And?")), 10, keep_reasoning=True)
    assert again.ids[: len(first)] == first  # so that the cache is of use


def test_the_thought_of_an_empty_place_replaces_it() -> None:
    chain = (*TALK[:3], Message("assistant", "I look.", "The time."))
    words = tokenizer(STRIPS)
    assert "<|assistant|><think>The time.</think>I look." in render(words, chain, think=True, keep="all")
    call = ToolCall("abcdefgh1", "get_time", "{}")
    chain = (Message("user", "x"), Message("assistant", "I look.", "Old.", (call,)))
    text = render(
        words, [*chain, Message("tool", "12", tool_call_id=call.id, name="get_time")], think=True, keep="turn"
    )
    assert "<think>Old.</think>I look." in text


def test_another_models_thoughts_are_not_told_to_one_that_does_not_think() -> None:
    assert "<think>" not in prompt_of(TEMPLATE, True, capabilities=())


def test_a_template_without_a_place_for_a_thought_is_told() -> None:
    model = thinker(
        lambda text: "",
        template="{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}",
    )
    events, _ = ask(model, messages=TALK, keep_reasoning=True)
    assert "was not told 2 of its earlier thoughts" in notices(events)
