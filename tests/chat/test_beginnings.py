"""Prompts that begin alike: what they share is read once, every answer is what it is alone, and the pool counts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from playground.batches.asking import given
from playground.chat.batch_torch import BatchLogits
from playground.chat.generate import Answer, answer, shared_part
from playground.chat.logits_torch import TorchLogits
from playground.chat.request import checked_chat
from playground.chat.together import Together
from playground.errors import InvalidRequest
from playground.models.kept import KeptCaches, cache_bytes
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, ChatStats, Event, Message, Token
from tests.chat.tiny import TEMPLATE_WITHOUT_SYSTEM, loaded

DOCUMENT = "the cat and the hat and the bat. " * 5
QUESTIONS = tuple(f"{word} is the sum {i}?" for i, word in enumerate(("What", "Who", "cat", "hat", "bat", "the")))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens that each call of a model reads, with padding."""
    lengths: list[int] = []
    alone, together = TorchLogits.read, BatchLogits.start

    def one(self, ids):
        lengths.append(len(ids))
        return alone(self, ids)

    def many(self, prompts):
        lengths.extend(map(len, prompts))
        return together(self, prompts)

    monkeypatch.setattr(TorchLogits, "read", one)
    monkeypatch.setattr(BatchLogits, "start", many)
    return lengths


def asked(model: LoadedText, question: str, shared: int, **more) -> ChatRequest:
    messages = (Message("system", DOCUMENT), Message("user", question))
    chat = ChatRequest(
        model.card.id, messages, temperature=0.8, seed=3, max_new_tokens=6, shared_characters=shared, **more
    )
    return checked_chat(chat, model.card)


def work(together: Together, model: LoadedText, request: ChatRequest, cancel: CancelToken, out: dict) -> Iterator[None]:
    events: list[Event] = []
    one = Answer(model, request, cancel, events.append)
    yield from together.make(one, model, cancel)
    stats = one.stats()  # sends what was held back
    out[request.messages[-1].content] = ("".join(e.text for e in events if isinstance(e, Token)), stats)


def rounds(works: list[Iterator[None]], most: int = 10**6) -> None:
    while works and most:
        most -= 1
        for one in list(works):
            try:
                next(one)
            except StopIteration:
                works.remove(one)


def all_at_once(model: LoadedText, shared: int, together: Together | None = None) -> dict[str, tuple[str, ChatStats]]:
    together, out = together or Together(), {}
    rounds([work(together, model, asked(model, q, shared), CancelToken(), out) for q in QUESTIONS])
    return out


def keeping(family: str = "phi3", limit: int = 10**9, **config) -> LoadedText:
    model = loaded(family, **config)
    model.kept.limit = limit
    return model


def alone(model: LoadedText, question: str) -> str:
    events: list[Event] = []
    answer(model, asked(model, question, 0), CancelToken(), events.append)
    return "".join(e.text for e in events if isinstance(e, Token))


@pytest.mark.parametrize("family", ["phi3", "mistral"])
def test_what_prompts_share_is_read_once_and_answers_stay_the_same(family: str, read: list[int]) -> None:
    model, plain = keeping(family), loaded(family)
    found = all_at_once(model, len(DOCUMENT))
    prompts = {question: stats.prompt_tokens or 0 for question, (_, stats) in found.items()}
    beginning = max(read)
    with_sharing = sum(read)
    assert with_sharing <= beginning + sum(length - beginning + 3 for length in prompts.values())
    read.clear()
    without = all_at_once(plain, len(DOCUMENT))
    assert sum(read) == sum(prompts.values()) > 3 * with_sharing
    assert {q: text for q, (text, _) in found.items()} == {q: text for q, (text, _) in without.items()}
    assert {q: text for q, (text, _) in found.items()} == {q: alone(plain, q) for q in QUESTIONS}
    assert sum((stats.cached_tokens or 0) >= beginning - 3 for _, stats in found.values()) == len(QUESTIONS) - 1


def test_what_is_shared_stays_for_those_who_come_later_and_the_answers_leave_nothing(read: list[int]) -> None:
    model, together = keeping(), Together()
    all_at_once(model, len(DOCUMENT), together)
    assert len(model.kept._caches) == 1
    kept, most = model.kept.bytes, max(read)
    read.clear()
    all_at_once(model, len(DOCUMENT), together)
    all_at_once(model, len(DOCUMENT))  # the worker's memory of texts is not needed
    assert max(read) < 0.3 * most
    assert model.kept.bytes == kept


def test_a_template_without_system_messages_shares_too(read: list[int]) -> None:
    model = loaded("phi3", TEMPLATE_WITHOUT_SYSTEM)
    model.kept.limit = 10**9
    found = all_at_once(model, len(DOCUMENT) + 0)
    assert sum(read) < 0.5 * sum(stats.prompt_tokens or 0 for _, stats in found.values())


def test_a_part_of_the_user_message_can_be_shared(read: list[int]) -> None:
    model, plain, together, out, want = keeping(), loaded("phi3"), Together(), {}, {}

    def of(loaded: LoadedText, question: str) -> ChatRequest:
        chat = ChatRequest(loaded.card.id, (Message("user", DOCUMENT + question),), temperature=0, max_new_tokens=5,
                           shared_characters=len(DOCUMENT))  # fmt: skip
        return checked_chat(chat, loaded.card)

    rounds([work(together, model, of(model, q), CancelToken(), out) for q in QUESTIONS])
    total = sum(read)
    assert total < 0.5 * sum(stats.prompt_tokens or 0 for _, stats in out.values())
    rounds([work(Together(), plain, of(plain, q), CancelToken(), want) for q in QUESTIONS])
    assert {q: text for q, (text, _) in out.items()} == {q: text for q, (text, _) in want.items()}


@pytest.mark.parametrize("shared", [1, 10**5, len(DOCUMENT) - 7])
def test_a_wrong_number_of_characters_costs_time_alone(shared: int) -> None:
    model = keeping()
    found = all_at_once(model, shared)
    assert {q: text for q, (text, _) in found.items()} == {q: alone(model, q) for q in QUESTIONS}


def test_what_is_larger_than_may_be_kept_is_read_by_each_and_throws_nothing_out(read: list[int]) -> None:
    model = keeping()
    alone(model, "the cat")  # a conversation
    before = model.kept.bytes
    model.kept.limit = before
    found = all_at_once(model, len(DOCUMENT))
    assert {q: text for q, (text, _) in found.items()} == {q: alone(loaded("phi3"), q) for q in QUESTIONS}
    model.kept.limit = 1
    all_at_once(model, len(DOCUMENT))
    assert model.kept.bytes <= before


def test_caches_can_be_cleared_between_any_two_steps() -> None:
    model, together, out = keeping(), Together(), {}
    works = [work(together, model, asked(model, q, len(DOCUMENT)), CancelToken(), out) for q in QUESTIONS]
    while works:
        rounds(works, 1)
        model.kept.clear()
    assert {q: text for q, (text, _) in out.items()} == {q: alone(model, q) for q in QUESTIONS}


def test_who_is_stopped_while_a_long_beginning_is_read_leaves_it_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.chat.decode.PREFILL_CHUNK", 8)
    model, together, out = keeping(), Together(), {}
    cancels = [CancelToken() for _ in QUESTIONS]
    works = [
        work(together, model, asked(model, q, len(DOCUMENT)), c, out) for q, c in zip(QUESTIONS, cancels, strict=True)
    ]
    rounds(works, 2)
    cancels[0].cancel()  # it reads
    cancels[1].cancel()  # it waits
    rounds(works)
    assert [out[q][1].stop_reason for q in QUESTIONS[:2]] == ["stopped", "stopped"]
    assert {q: out[q][0] for q in QUESTIONS[2:]} == {q: alone(model, q) for q in QUESTIONS[2:]}
    assert not together._beginnings._reading


def test_a_failed_reading_fails_for_one_and_the_next_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model, together, out = keeping(), Together(), {}
    plain = TorchLogits.read

    def full(self, ids):
        monkeypatch.setattr(TorchLogits, "read", plain)
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(TorchLogits, "read", full)
    works = [work(together, model, asked(model, q, len(DOCUMENT)), CancelToken(), out) for q in QUESTIONS]
    with pytest.raises(Exception, match="ran out of memory"):
        rounds(works)
    rounds(works[1:])
    assert {q: out[q][0] for q in QUESTIONS[1:]} == {q: alone(model, q) for q in QUESTIONS[1:]}


def test_shared_caches_are_counted_and_copied() -> None:
    kept, source = KeptCaches(10**9), TorchLogits(loaded("phi3").model)
    source.read(list(range(10, 50)))
    kept.share(list(range(10, 40)), source._cache)
    assert kept.bytes == cache_bytes(source._cache) * 30 // 40
    first, count = kept.take([*range(10, 40), 1, 2])
    second, _ = kept.take([*range(10, 40), 3])
    assert count == 30
    assert first is not None
    assert second is not None
    first.layers[0].keys.zero_()
    assert second.layers[0].keys.abs().sum() > 0
    assert kept.shares([*range(10, 40), 1], slack=1)
    assert not kept.shares([*range(10, 40), 1])


def test_the_shared_part_of_messages_ends_within_a_turn() -> None:
    system, user = Message("system", "abc"), Message("user", "defg")
    assert shared_part((system, user), 3) == (system, Message("user", ""))
    assert shared_part((system, user), 5) == (system, Message("user", "de"))
    assert [shared_part((system, user), n) for n in (0, 2, 7, 99)] == [(), (), (), ()]


def test_how_much_is_shared_must_be_a_whole_number() -> None:
    model = loaded("phi3")
    with pytest.raises(InvalidRequest, match="shared_characters must be a whole number"):
        checked_chat(ChatRequest("tiny", (Message("user", "x"),), shared_characters=-1), model.card)


# --- thoughts that are given ---------------------------------------------------------------------------------------


def test_a_given_thought_stands_before_the_answer_as_the_models_own() -> None:
    model = loaded("mistral", capabilities=("thinking",))
    events: list[Event] = []
    plain = ChatRequest("tiny", (Message("user", "What?"),), max_new_tokens=8, seed=0)
    request = checked_chat(given(plain, "the cat", own=True), model.card)
    one = Answer(model, request, CancelToken(), events.append)
    assert model.tokenizer.decode(one.ids).endswith("<think>the cat</think>")
    answer(model, request, CancelToken(), events.append)
    assert {e.kind for e in events if isinstance(e, Token)} <= {"answer"}
    with pytest.raises(InvalidRequest, match="does not think"):
        Answer(loaded("phi3"), request, CancelToken(), events.append)
