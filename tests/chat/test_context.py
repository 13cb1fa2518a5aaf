"""What is left out of a conversation that is too long, and what never is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.context import encode, fit
from playground.chat.count import count_tokens
from playground.errors import InvalidRequest
from playground.models.loaded import LoadedText
from playground.protocol import Message
from tests.chat.tiny import CONTEXT, TEMPLATE_WITHOUT_SYSTEM, loaded

TINY = loaded("phi3")
WORDS = st.text("abc ", min_size=1, max_size=90)


@settings(max_examples=100, deadline=None)
@given(
    st.text("xyz", max_size=40), st.lists(st.tuples(WORDS, WORDS), max_size=8), st.text("q", min_size=1, max_size=40)
)
def test_system_prompt_and_last_message_always_survive(system: str, past: list[tuple[str, str]], last: str) -> None:
    messages = [Message("system", system)] if system else []
    messages += [m for user, said in past for m in (Message("user", user), Message("assistant", said))]
    messages.append(Message("user", last))
    prompt = fit(TINY, messages, 32)
    text = TINY.tokenizer.decode(prompt.ids)
    kept = past[prompt.dropped_turns :]
    turns = [m for user, said in kept for m in (Message("user", user), Message("assistant", said))]
    start = [Message("system", system)] if system else []
    assert text == encode(TINY.tokenizer, [*start, *turns, Message("user", last)], think=True)[0]
    assert len(prompt.ids) + prompt.max_new_tokens <= CONTEXT
    if prompt.dropped_turns:  # one turn more would have been too much
        more = [*start, *messages[len(start) + 2 * (prompt.dropped_turns - 1) :]]
        assert len(encode(TINY.tokenizer, more, think=True)[1]) + 32 > CONTEXT


def test_a_last_message_that_does_not_fit_is_refused_with_both_numbers() -> None:
    with pytest.raises(InvalidRequest) as refused:
        fit(TINY, [Message("user", "q" * 400)], 32)
    assert "403 tokens" in refused.value.message  # with the three tokens of the template
    assert f"{CONTEXT - 16} of its {CONTEXT}" in refused.value.message


def test_a_long_answer_gives_way_before_the_message_is_refused() -> None:
    prompt = fit(TINY, [Message("user", "q" * 200)], 100)
    assert prompt.max_new_tokens == CONTEXT - len(prompt.ids) < 100


def test_a_system_prompt_goes_into_the_first_user_turn_where_the_template_has_none() -> None:
    model = loaded("mistral", TEMPLATE_WITHOUT_SYSTEM)
    said = [Message("system", "Be short."), Message("user", "Hi"), Message("assistant", "Yo"), Message("user", "Bye")]
    text = model.tokenizer.decode(fit(model, said, 10).ids)
    assert text.startswith("<|user|>Be short.\n\nHi<|end|>")
    assert text.endswith("<|user|>Bye<|end|><|assistant|>")


def test_a_base_model_goes_on_from_the_bare_text() -> None:
    model = loaded("mistral", None)
    assert model.tokenizer.decode(fit(model, [Message("user", "the cat and")], 10).ids) == "the cat and"


def test_a_template_that_refuses_is_told_in_a_sentence() -> None:
    model = loaded("mistral", "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        fit(model, [Message("user", "x")], 10)


def test_tokens_are_counted_with_the_context_beside_them(tiny_phi: LoadedText) -> None:
    assert count_tokens(tiny_phi, "qqq") == (3, CONTEXT)
    assert count_tokens(tiny_phi, "") == (0, CONTEXT)
    with pytest.raises(InvalidRequest):
        count_tokens(tiny_phi, 5)  # type: ignore[arg-type]
