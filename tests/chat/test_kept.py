"""Caches that are kept between the turns of a conversation: what is read again, and who gives way."""

from __future__ import annotations

import pytest

from playground.chat.generate import answer
from playground.chat.logits_torch import TorchLogits
from playground.chat.request import checked_chat
from playground.models.kept import KeptCaches, cache_bytes
from playground.models.loaded import LoadedText
from playground.models.pool import ModelPool
from playground.protocol import CancelToken, ChatRequest, Message, Token
from tests.chat.tiny import loaded
from tests.models.builders import card

FIRST = "Tell me what you know of the cat and the hat and the bat."


def said(model: LoadedText, *texts: str) -> str:
    """The greedy answer to a conversation of user and assistant in turn."""
    messages = tuple(Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts))
    request = ChatRequest(model.card.id, messages, temperature=0, max_new_tokens=12)
    events: list = []
    answer(model, checked_chat(request, model.card), CancelToken(), events.append)
    return "".join(event.text for event in events if isinstance(event, Token))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens each call of a model reads."""
    lengths: list[int] = []
    plain = TorchLogits.read

    def counted(self, ids):
        lengths.append(len(ids))
        return plain(self, ids)

    monkeypatch.setattr(TorchLogits, "read", counted)
    return lengths


def keeping(limit: int = 10**9) -> LoadedText:
    model = loaded("phi3")
    model.kept.limit = limit
    return model


def test_the_second_turn_reads_only_what_is_new_and_says_the_same(read: list[int]) -> None:
    plain, model = loaded("phi3"), keeping()
    first = said(model, FIRST)
    assert first == said(plain, FIRST)
    turn = (FIRST, first, "And the bat?")
    want = said(plain, *turn)
    whole = max(read)
    read.clear()
    assert said(model, *turn) == want
    assert max(read) < 0.6 * whole  # random text does not come back as the tokens that it was made of
    read.clear()
    said(model, *turn)  # once more: the last token alone has to be read
    assert max(read) == 1


def test_another_conversation_with_the_same_beginning_takes_a_copy(read: list[int]) -> None:
    model = keeping()
    said(model, FIRST)
    read.clear()
    said(model, FIRST + " Be short.")
    assert max(read) < 20
    read.clear()
    said(model, FIRST)
    assert max(read) == 1


def test_a_prompt_that_differs_early_is_read_in_full(read: list[int]) -> None:
    model = keeping()
    said(model, FIRST)
    whole = max(read)
    read.clear()
    said(model, "X" + FIRST)
    assert max(read) >= whole


def test_the_oldest_go_first_and_nothing_is_kept_beyond_the_limit() -> None:
    model = keeping()
    said(model, FIRST)
    one = model.kept.bytes
    assert one > 0
    model.kept.limit = int(2.5 * one)
    for text in ("What is the sum?", "What is a hat?", "Who is that?"):
        said(model, text + FIRST)
        assert model.kept.bytes <= model.kept.limit
    model.kept.limit = one // 2
    said(model, FIRST)
    assert model.kept.bytes == 0


def test_a_model_with_a_sliding_window_keeps_nothing() -> None:
    model = loaded("phi3", sliding_window=64)
    model.kept.limit = 10**9
    said(model, FIRST)
    assert model.kept.bytes == 0


def test_embeddings_that_turn_by_length_are_not_carried_over_their_edge() -> None:
    longrope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 6, "long_factor": [2.0] * 6}
    config = {"original_max_position_embeddings": 60, "rope_parameters": longrope}
    plain, model = loaded("phi3", **config), loaded("phi3", **config)
    model.kept.limit = 10**9
    first = said(model, FIRST)
    assert said(model, FIRST, first, "And then?") == said(plain, FIRST, first, "And then?")


def test_kept_caches_count_in_the_pool_and_give_way_to_whatever_needs_room() -> None:
    models = {"a": keeping(), "b": keeping()}
    for name, model in models.items():
        model.card, model.bytes = card(name, f"x/{name}"), 1000
    said(models["a"], FIRST)
    kept = models["a"].kept.bytes
    pool = ModelPool(lambda job: models[job.card.id], size=lambda job: 1000, budget_bytes=2000 + kept)
    for name in ("a", "b"):
        with pool.lease(models[name].card):
            pass
    assert pool.stats.used_bytes == 2000 + kept
    assert pool.stats.kept_bytes == kept
    assert pool.attainable("a") == 1000 + kept + 1000
    with pool.lease(models["b"].card, working_bytes=1):
        assert pool.stats.kept_bytes == 0
        assert len(pool.states()) == 2, "a model was evicted while caches were still kept"
    said(models["a"], FIRST)
    pool.resize(2000)
    assert models["a"].kept.bytes == 0
    said(models["a"], FIRST)
    pool.trim()
    assert models["a"].kept.bytes == 0
    pool.close()


def test_a_cache_is_counted_by_its_tensors() -> None:
    source = TorchLogits(loaded("phi3").model)
    source.read(list(range(10, 30)))
    assert (
        cache_bytes(source._cache) == 2 * 2 * 4 * 20 * 12 * 4
    )  # layers, keys and values, heads, tokens, width, float32
    assert KeptCaches().take([1, 2, 3]) == (None, 0)
