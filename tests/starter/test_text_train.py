"""A few real training steps of the starter chat models."""

from __future__ import annotations

import json

import pytest
import torch

from playground.starter import text_train
from playground.starter.text_model import build_model, mistral_weights
from playground.starter.text_tokenizer import FAMILIES, tokenizer_for


@pytest.fixture(scope="module")
def tokenizers():
    return {name: tokenizer_for(name, conversations=1000) for name in FAMILIES}


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_short_training_reduces_the_loss(name, tokenizers):
    torch.manual_seed(0)
    model = build_model(name, tokenizers[name])
    stream = text_train.batches(tokenizers[name], FAMILIES[name], seed=1, tokens=512)
    ids, labels = next(stream)
    before = text_train.loss_of(model, ids, labels).item()
    optims = text_train.optimizers(model)
    for _ in range(12):
        batch = next(stream)
        text_train.loss_of(model, *batch).backward()
        for optim in optims:
            optim.step()
            optim.zero_grad()
    assert text_train.loss_of(model, ids, labels).item() < before - 1.0


def test_mistral_starts_as_the_same_function_as_phi(tokenizers):
    torch.manual_seed(0)
    phi = build_model("starter-phi", tokenizers["starter-phi"]).eval()
    mistral = build_model("starter-mistral", tokenizers["starter-mistral"]).eval()
    mistral.load_state_dict(mistral_weights(phi.state_dict()))
    ids = torch.randint(0, 2000, (2, 20))
    with torch.inference_mode():
        torch.testing.assert_close(phi(ids).logits, mistral(ids).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_model_is_small_enough_to_ship(name, tokenizers):
    assert 2 * build_model(name, tokenizers[name]).num_parameters() <= 3_600_000


def test_training_exports_what_it_can_resume(tmp_path, monkeypatch, tokenizers):
    monkeypatch.setattr(text_train, "tokenizer_for", lambda name: tokenizers[name])
    work, out = tmp_path / "work", tmp_path / "out"
    text_train.train("starter-mistral", out, work, None, 2, resume=False)
    text_train.train("starter-mistral", out, work, None, 3, resume=True)
    assert json.loads((out / "training.json").read_text())["step"] == 3
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(out, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(out, local_files_only=True)
    assert type(model).__name__ == "MistralForCausalLM"
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("</s>")
    assert model.config.num_key_value_heads < model.config.num_attention_heads
    assert {p.suffix for p in out.iterdir()} == {".json", ".safetensors", ".jinja"}


def test_minutes_and_steps_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"not both, got minutes=1\.0 and steps=2"):
        text_train.train("starter-phi", tmp_path, tmp_path, 1.0, 2, resume=False)
