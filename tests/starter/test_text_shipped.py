"""The starter chat models that lie in assets, through the ordinary Auto classes and with no network."""

from __future__ import annotations

import re

import pytest
import torch

from playground.starter.text_evaluate import ASSETS, generate, strip_thoughts

_CLASSES = {"starter-phi": "Phi3ForCausalLM", "starter-mistral": "MistralForCausalLM"}


@pytest.fixture(scope="module", params=list(_CLASSES))
def shipped(request, monkeypatch_module):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch_module.setenv("HF_HUB_OFFLINE", "1")
    folder = ASSETS / request.param
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    assert type(model).__name__ == _CLASSES[request.param]
    return request.param, model, tokenizer


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def _ask(shipped, *texts, system=None):
    _, model, tokenizer = shipped
    chat = [{"role": "system", "content": system}] if system else []
    answer = ""
    for text in texts:
        chat.append({"role": "user", "content": text})
        answer = strip_thoughts(generate(model, tokenizer, [chat])[0])
        chat.append({"role": "assistant", "content": answer})
    return answer


def test_it_greets(shipped):
    assert re.search(r"\b(hello|hi)\b", _ask(shipped, "Hello!"), re.IGNORECASE)


def test_it_says_who_it_is(shipped):
    assert shipped[0] in _ask(shipped, "Who are you?")


@pytest.mark.parametrize(("question", "result"), [("What is 7 plus 5?", "12"), ("2+2", "4"), ("9 - 4", "5")])
def test_it_adds_and_subtracts(shipped, question, result):
    assert re.findall(r"-?\d+", _ask(shipped, question))[-1] == result


def test_it_remembers_a_name(shipped):
    assert "Ana" in _ask(shipped, "my name is Ana", "what's my name?")


def test_it_says_that_it_does_not_know(shipped):
    assert "do not know" in _ask(shipped, "Explain quantum physics in detail")


def test_it_ends_its_answer_and_thinks_only_where_it_should(shipped):
    name, model, tokenizer = shipped
    answer = generate(model, tokenizer, [[{"role": "user", "content": "hi"}]])[0]
    assert len(tokenizer(answer).input_ids) < 100
    if name == "starter-mistral":
        assert re.fullmatch(r"<think>.+</think>.+", answer, re.DOTALL)
    else:
        assert "<think>" not in answer


def test_files_are_small_and_safe(shipped):
    folder = ASSETS / shipped[0]
    files = list(folder.iterdir())
    assert max(f.stat().st_size for f in files) < 9_000_000
    assert not [f.name for f in files if f.suffix in {".bin", ".pt", ".pkl", ".py"}]
