"""Contexts of real sizes to the very token, longrope's edge across kept caches, and long conversations left whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.classify import ending_likelihoods
from playground.chat.context import encode, fit
from playground.chat.decode import read_on
from playground.chat.generate import answer
from playground.chat.logits_torch import TorchLogits, can_rewind
from playground.chat.request import checked_chat
from playground.errors import InvalidRequest
from playground.models.load_text import forget_idle_window
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Notice, Token
from tests.chat.tiny import loaded

NEW = 64  # tokens of answer asked for
SMALL: dict[str, Any] = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 4}


def longrope(original: int, dims: int = 48) -> dict[str, Any]:
    """Factors as Phi-3.5's run, near 1 for short contexts and up to 64 for long ones, for heads of 2 * `dims`."""
    return {
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "short_factor": [1 + i / 24 for i in range(dims)],
            "long_factor": [1 + 63 * i / dims for i in range(dims)],
        },
        "original_max_position_embeddings": original,
    }


def phi_4() -> LoadedText:
    """https://huggingface.co/microsoft/phi-4 config.json: positions and rope_theta."""
    rope = {"rope_type": "default", "rope_theta": 250000.0}
    return loaded(
        "phi3", max_position_embeddings=16384, original_max_position_embeddings=16384, rope_parameters=rope, **SMALL
    )


def mistral_small() -> LoadedText:
    """https://huggingface.co/mistralai/Mistral-Small-24B-Instruct-2501 config.json: positions and rope_theta."""
    rope = {"rope_type": "default", "rope_theta": 100000000.0}
    return loaded("mistral", max_position_embeddings=32768, rope_parameters=rope, **SMALL)


def phi_35(**config: Any) -> LoadedText:
    """https://huggingface.co/microsoft/Phi-3.5-mini-instruct config.json: positions, heads of 96, the idle window."""
    shape = SMALL | {"hidden_size": 384} | longrope(4096) | {"max_position_embeddings": 131072} | config
    model = loaded("phi3", sliding_window=262144, **shape)
    forget_idle_window(model.model.config)
    return model


REAL = {"phi-4": (phi_4, 16384), "mistral-small": (mistral_small, 32768), "phi-3.5": (phi_35, 131072)}


@pytest.fixture(scope="module", params=list(REAL))
def real(request: pytest.FixtureRequest) -> tuple[LoadedText, int]:
    make, size = REAL[request.param]
    return make(), size


def q(tokens: int) -> str:
    """A message of that many tokens with the three of the tiny template around it: its role, its end, the answer's."""
    return "q" * (tokens - 3)


def conversation(size: int) -> list[Message]:
    """A system prompt, two turns and a question that make `size` tokens together."""
    turns = [Message("user", "a" * 500), Message("assistant", "b" * 500)]
    turns += [Message("user", "c" * 700), Message("assistant", "d" * 300)]
    before = [Message("system", "s" * 200), *turns]
    return [*before, Message("user", q(size - 200 - 2000 - 5 * 2))]


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_oldest_turn_goes_with_the_first_token_too_many(real: tuple[LoadedText, int], over: int) -> None:
    model, size = real
    messages = conversation(size - NEW + over)
    assert len(encode(model.tokenizer, messages, think=True)[1]) == size - NEW + over
    prompt = fit(model, messages, NEW)
    kept = messages if over <= 0 else [messages[0], *messages[3:]]
    assert prompt.ids == tuple(encode(model.tokenizer, kept, think=True)[1])
    assert (prompt.dropped_turns, prompt.max_new_tokens, prompt.context_size) == (max(over, 0), NEW, size)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_one_message_takes_room_from_the_answer_until_nothing_useful_is_left(
    real: tuple[LoadedText, int], over: int
) -> None:
    model, size = real
    prompt = fit(model, [Message("user", q(size - NEW + over))], NEW)
    assert len(prompt.ids) == size - NEW + over
    assert prompt.max_new_tokens == NEW - max(over, 0)
    last = [Message("user", q(size - 16 + over))]  # an answer has room for 16 tokens at least
    if over <= 0:
        assert fit(model, last, NEW).max_new_tokens == 16 - over
    else:
        with pytest.raises(InvalidRequest, match=rf"has {size - 15} tokens, and Tiny takes at most {size - 16} of its"):
            fit(model, last, NEW)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_system_prompt_is_never_what_gives_way(real: tuple[LoadedText, int], over: int) -> None:
    model, size = real
    system = Message("system", "s" * (size - 16 - 5 - 20 + over))  # with a question of 20 tokens and 5 of the template
    messages = [system, Message("user", "a"), Message("assistant", "b"), Message("user", "q" * 20)]
    if over <= 0:
        prompt = fit(model, messages, NEW)
        assert (prompt.dropped_turns, prompt.max_new_tokens) == (1, 16 - over)
        assert prompt.ids == tuple(encode(model.tokenizer, [system, messages[-1]], think=True)[1])
    else:
        with pytest.raises(InvalidRequest, match="with the system prompt"):
            fit(model, messages, NEW)


@pytest.mark.parametrize("over", [0, 1])
def test_an_answer_ends_at_the_last_position_of_the_context(over: int) -> None:
    model = phi_4()
    model.model.generation_config.eos_token_id = None
    model.tokenizer.eos_token = None
    seen = []
    model.model.model.rotary_emb.register_forward_pre_hook(
        lambda _, __, given: seen.append(int(given["position_ids"].max())), with_kwargs=True
    )
    text = q(16384 - 16 + over)
    if over == 1:
        with pytest.raises(InvalidRequest):
            asked(model, [Message("user", text)], NEW)
        assert not seen
        return
    _, stats = asked(model, [Message("user", text)], NEW)
    assert seen
    assert (stats.context_used, stats.stop_reason, stats.completion_tokens) == (16384, "length", 16 - over)
    assert max(seen) == 16384 - 2  # the last token that was drawn is not read any more


def asked(
    model: LoadedText, messages: list[Message], most: int, cancel: CancelToken | None = None
) -> tuple[list[Event], ChatStats]:
    request = checked_chat(ChatRequest(model.card.id, tuple(messages), temperature=0, max_new_tokens=most), model.card)
    events: list[Event] = []
    stats = answer(model, request, cancel or CancelToken(), events.append)
    return events, stats


# --- longrope ------------------------------------------------------------------------------------------------------


def test_phi_35_goes_over_its_edge_as_generate_does() -> None:
    model = phi_35(initializer_range=0.3)
    assert can_rewind(model.model)
    ids = fit(model, [Message("user", q(4093))], 8).ids
    theirs = model.model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False, max_new_tokens=8, eos_token_id=-1
    )
    source, ours = TorchLogits(model.model), list(ids)
    for _ in range(8):
        ours.append(int(read_on(source, ours, CancelToken()).argmax()))
    assert ours == theirs[0].tolist()
    assert len(ours) == 4101


EDGE = 40
EDGED = {"original_max_position_embeddings": EDGE, "rope_parameters": longrope(EDGE, 6)["rope_parameters"]}


@pytest.fixture(scope="module")
def edged() -> LoadedText:
    return loaded("phi3", **EDGED)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 70), st.integers(1, 30), st.integers(0, 12), st.booleans()), min_size=2, max_size=5
    )
)
def test_no_cache_mixes_short_and_long_factors(edged: LoadedText, turns: list[tuple[int, int, int, bool]]) -> None:
    """Prompts that share their beginnings, on either side of the edge, some given up before they were read."""
    edged.kept.clear()
    edged.kept.limit = 10**9
    for shared, own, steps, read in turns:
        ids = [10 + i % 50 for i in range(shared)] + [100 + own + i for i in range(own)]
        source, alone = TorchLogits(edged.model, edged.kept, ids), TorchLogits(edged.model)
        for step in range(steps + 1 if read else 0):
            found, wanted = (read_on(each, ids, CancelToken()) for each in (source, alone))
            torch.testing.assert_close(found, wanted, rtol=0, atol=2e-3)
            ids = [*ids, 200 + step]
            alone.rewind(0)  # the oracle reads everything at once each time
        source.close()


def test_labels_over_the_edge_are_judged_as_if_read_at_once(edged: LoadedText) -> None:
    prompt, endings = [10 + i for i in range(EDGE - 2)], [[7, 8, 9, 60], [61, 62], [63]]
    found = ending_likelihoods(edged, prompt, endings, CancelToken())
    for ending, mean in zip(endings, found, strict=True):
        total, ids = 0.0, list(prompt)
        for token in ending:
            with torch.inference_mode():
                total += float(edged.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)[token])
            ids.append(token)
        assert mean == pytest.approx(total / len(ending), abs=1e-3)


def test_models_with_longrope_are_not_joined(edged: LoadedText) -> None:
    assert not TorchLogits(edged.model).joins


# --- long conversations --------------------------------------------------------------------------------------------

SAID = st.text("abc 🙂é", min_size=1, max_size=12)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(SAID, SAID), min_size=99, max_size=99), SAID, SAID)
def test_a_hundred_turns_within_the_limit_are_never_cut(past: list[tuple[str, str]], last: str, system: str) -> None:
    model = PHI_4
    messages = [Message("system", system), *(m for turn in past for m in _turn(*turn)), Message("user", last)]
    assert len(encode(model.tokenizer, messages, think=True)[1]) + NEW <= 16384
    prompt = fit(model, messages, NEW)
    assert (prompt.dropped_turns, prompt.max_new_tokens) == (0, NEW)
    assert model.tokenizer.decode(prompt.ids) == encode(model.tokenizer, messages, think=True)[0]


PHI_4 = phi_4()


def _turn(user: str, said: str) -> tuple[Message, Message]:
    return Message("user", user), Message("assistant", said)


def test_a_conversation_of_a_hundred_answers_keeps_every_turn() -> None:
    model = loaded("phi3", max_position_embeddings=4096, original_max_position_embeddings=4096)
    model.kept.limit = 10**9
    messages: list[Message] = []
    for turn in range(100):
        messages.append(Message("user", f"{turn} cats"))
        events, stats = asked(model, messages, 6)
        assert stats.dropped_turns == 0
        assert not [event for event in events if isinstance(event, Notice)]
        assert stats.prompt_tokens == len(encode(model.tokenizer, messages, think=True)[1])
        text = "".join(event.text for event in events if isinstance(event, Token))
        messages.append(Message("assistant", text))
    fresh = loaded("phi3", max_position_embeddings=4096, original_max_position_embeddings=4096)
    again, _ = asked(fresh, messages[:-1], 6)
    assert "".join(event.text for event in again if isinstance(event, Token)) == messages[-1].content
