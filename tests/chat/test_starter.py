"""The shipped text models through the same code: they answer, stop by themselves, think where they should."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from playground.catalog import load_catalog
from playground.chat.classify import label_scores
from playground.chat.context import fit
from playground.chat.generate import answer
from playground.chat.request import checked_chat
from playground.models.loaded import LoadedText
from playground.protocol import CancelToken, ChatRequest, ClassifyRequest, Event, Message, Token

CARDS = [c for c in load_catalog() if c.kind == "chat" and c.folder and (c.folder / "config.json").exists()]
HELLO = (Message("user", "Hello!"),)


@pytest.fixture(scope="module", params=CARDS, ids=lambda card: card.id)
def starter(request: pytest.FixtureRequest) -> LoadedText:
    folder = request.param.folder
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
    return LoadedText(request.param, model, AutoTokenizer.from_pretrained(folder), "cpu", torch.float32, 0)


def ask(model: LoadedText, **values):  # type: ignore[no-untyped-def]
    request = checked_chat(ChatRequest(model.card.id, HELLO, **values), model.card)
    events: list[Event] = []
    stats = answer(model, request, CancelToken(), events.append)
    texts = {
        kind: "".join(e.text for e in events if isinstance(e, Token) and e.kind == kind)
        for kind in ("answer", "reasoning")
    }
    return texts, stats


def test_it_answers_and_ends_by_itself(starter: LoadedText) -> None:
    texts, stats = ask(starter, seed=1)
    assert texts["answer"].strip()
    assert stats.stop_reason == "end"
    assert "<" not in texts["answer"]  # neither tags nor special tokens show
    assert bool(texts["reasoning"].strip()) == starter.card.can("thinking")


def test_greedy_is_what_generate_gives(starter: LoadedText) -> None:
    ids = torch.tensor([fit(starter, HELLO, 60).ids])
    whole = starter.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=60)
    expected = starter.tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
    texts, _ = ask(starter, temperature=0, max_new_tokens=60)
    shown = f"<think>{texts['reasoning']}</think>{texts['answer']}" if texts["reasoning"] else texts["answer"]
    assert shown == expected


def test_without_effort_it_answers_at_once(starter: LoadedText) -> None:
    texts, _ = ask(starter, temperature=0, reasoning_effort="none")
    assert texts["answer"].strip()
    assert texts["reasoning"] == ""


def test_the_first_token_comes_at_once(starter: LoadedText) -> None:
    ask(starter, max_new_tokens=2)
    times = [ask(starter, temperature=0)[1].ttft_s for _ in range(3)]
    assert min(t for t in times if t is not None) < 0.5  # 5 ms on a free core; a shared machine may be busy


def test_label_scores_sum_to_one(starter: LoadedText) -> None:
    scores = label_scores(starter, ClassifyRequest("m", "Hello!", ("greeting", "sum", "colour")), CancelToken()).scores
    assert sum(p for _, p in scores) == pytest.approx(1)
    assert all(0 < p < 1 for _, p in scores)
