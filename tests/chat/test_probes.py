"""Drafts of the answer while a model thinks: when they end the thought, what they cost, that they leave no trace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.chat.decode import read_on
from playground.chat.logits_torch import TorchLogits
from playground.chat.probes import DRAFT, plain
from playground.protocol import CancelToken
from tests.chat.thinker import ask, following, notices, script, text_of, thinker
from tests.chat.tiny import loaded

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def said_after(changes: tuple[int, ...], thought: str) -> str:
    """The reply to a thought: another one from each of these lengths on."""
    return ["What?", "Sum.", "The hat.", "Bat"][sum(len(thought) >= change for change in changes)]


@settings(max_examples=8, deadline=None)
@given(
    changes=st.lists(st.integers(1, 20), max_size=3).map(sorted),
    same=st.integers(2, 4),
    every=st.integers(2, 9),
)
def test_a_thought_ends_once_so_many_drafts_were_the_same(changes: list[int], same: int, every: int) -> None:
    at = tuple(changes)
    model = thinker(script(LETTERS, lambda thought: said_after(at, thought)))
    inner = [len(model.tokenizer.decode(ids)) for ids in _beginnings(model, LETTERS)]  # characters by tokens
    drafts: list[str] = []
    expected = None
    for thought in range(every, len(inner) + 1, every):  # its tokens, the tag with them
        drafts.append(said_after(at, LETTERS[: inner[thought - 1]]))
        if len(drafts) >= same and len(set(drafts[-same:])) == 1:
            expected = thought
            break
    events, stats = ask(model, stable_probes=same, probe_every=every)
    if expected is None:
        assert (stats.thought_end, text_of(events, "reasoning")) == ("", LETTERS)
        return
    assert (stats.thought_end, stats.reasoning_tokens, stats.probes) == ("stable", expected, len(drafts))
    assert text_of(events) == drafts[-1]  # what the drafts promised
    assert stats.probe_tokens == sum(len(model.tokenizer(draft)["input_ids"]) for draft in drafts)
    assert f"{same} drafts of the answer in a row were the same" in notices(events)
    assert f"{len(drafts)} drafts of {stats.probe_tokens} tokens" in notices(events)


def _beginnings(model, thought: str) -> list[list[int]]:
    ids = model.tokenizer(thought)["input_ids"]
    return [ids[:i] for i in range(len(ids) + 1)]


def test_drafts_that_differ_leave_the_answer_as_it_is_without_them() -> None:
    model = following({"<|assistant|>": "<think>"})
    for values in ({"temperature": 0}, {"temperature": 1.0, "seed": 3}):
        plainly, without = ask(model, max_new_tokens=30, **values)
        probed, stats = ask(model, max_new_tokens=30, stable_probes=20, probe_every=2, **values)
        assert stats.probes > 5
        for kind in ("reasoning", "answer"):
            assert text_of(probed, kind) == text_of(plainly, kind)
        assert stats.completion_tokens == without.completion_tokens


def test_the_prompt_and_the_thought_are_read_once_and_drafts_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    model = following({"<|assistant|>": "<think>", "</think>": "c", "c": "a", "a": "<|end|>"})
    lengths: list[int] = []
    read = TorchLogits.read

    def counted(self, ids):
        lengths.append(len(ids))
        return read(self, ids)

    monkeypatch.setattr(TorchLogits, "read", counted)
    _, stats = ask(model, stable_probes=2, probe_every=6, max_new_tokens=40)
    assert (stats.thought_end, stats.probes, stats.reasoning_tokens) == ("stable", 2, 12)
    # The answer's own prompt and that of the drafts; then what has come since the draft before, and its tag.
    prompt = (stats.prompt_tokens or 0) - 1
    assert [n for n in lengths if n > 1] == [prompt, prompt + 6 + 1, 6 + 1]


def test_a_blank_draft_says_nothing() -> None:
    model = thinker(script(LETTERS, ""))
    assert ask(model, stable_probes=2, probe_every=4)[1].thought_end == ""


def test_a_draft_is_no_longer_than_the_room() -> None:
    model = following({"<|assistant|>": "<think>"})
    _, stats = ask(model, stable_probes=2, probe_every=7, max_new_tokens=10)
    assert stats.probes == 1
    assert stats.probe_tokens < min(DRAFT, 10 - 7)


def test_a_stop_in_the_middle_of_a_draft_stops() -> None:
    cancel = CancelToken()

    def reply(thought: str) -> str:
        cancel.cancel()
        return "The hat and the cat."

    events, stats = ask(thinker(script(LETTERS, reply)), cancel, stable_probes=2, probe_every=4)
    assert stats.stop_reason == "stopped"
    assert text_of(events) == ""


def test_a_model_that_does_not_think_says_that_probes_change_nothing(tiny_phi) -> None:
    events, stats = ask(tiny_phi, stable_probes=2, reasoning_budget=5, max_new_tokens=1)
    assert "a budget for thoughts and probing for a stable answer changes nothing" in notices(events)
    assert stats.probes == 0


def test_drafts_are_compared_without_what_does_not_matter() -> None:
    assert plain(" **Seven\n apples.** ") == plain("seven  Apples!")
    assert plain("７") == plain("7。")
    assert plain("-7") != plain("7")


@pytest.mark.parametrize("values", [{}, {"sliding_window": 8}])
def test_a_sequence_that_was_cut_back_goes_on_as_if_nothing_had_come(values: dict) -> None:
    import torch

    model = loaded("phi3", **values)
    ids = list(range(40, 60))
    one = TorchLogits(model.model)
    first = read_on(one, [*ids, 7], CancelToken())
    other = TorchLogits(model.model)
    read_on(other, [*ids, 9, 10, 11], CancelToken())
    assert other.rewind(len(ids)) == (0 if values else len(ids))
    torch.testing.assert_close(read_on(other, [*ids, 7], CancelToken()), first, rtol=1e-4, atol=1e-4)
