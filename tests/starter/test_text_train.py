"""A few real training steps of the starter chat models, and what is asked of them."""

from __future__ import annotations

import json

import pytest
import torch

from playground.starter import text_train
from playground.starter.text_batches import batches, pool_batches
from playground.starter.text_copying import copying_rows, drawn_order
from playground.starter.text_evaluate import measure
from playground.starter.text_model import Shape, build_model, mistral_weights
from playground.starter.text_questions import Question, questions, rows_of, same_code
from playground.starter.text_rendering import IGNORED
from playground.starter.text_templates import FAMILIES
from playground.starter.text_tokenizer import tokenizer_for

TINY = Shape(width=64, layers=2, inner=96, heads=4, kv_heads=2)


@pytest.fixture(scope="module")
def tokenizers():
    return {name: tokenizer_for(name, conversations=600) for name in FAMILIES}


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_short_training_reduces_the_loss(name, tokenizers):
    torch.manual_seed(0)
    model = build_model(name, tokenizers[name], TINY)
    stream = pool_batches(tokenizers[name], FAMILIES[name], 1, 0, 384, size=80)
    first = stream[0]
    before = text_train.loss_of(model, first.ids, first.labels).item()
    optims = text_train.optimizers(model)
    for batch in stream[:12]:
        text_train.loss_of(model, batch.ids, batch.labels).backward()
        for optim in optims:
            optim.step()
            optim.zero_grad()
    assert text_train.loss_of(model, first.ids, first.labels).item() < before - 1.0


def test_mistral_starts_as_the_same_function_as_phi(tokenizers):
    torch.manual_seed(0)
    phi = build_model("starter-phi", tokenizers["starter-phi"], TINY).eval()
    mistral = build_model("starter-mistral", tokenizers["starter-mistral"], TINY).eval()
    for weight in phi.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    mistral.load_state_dict(mistral_weights(phi.state_dict(), TINY))
    ids = torch.randint(0, 2000, (2, 20))
    with torch.inference_mode():
        torch.testing.assert_close(phi(ids).logits, mistral(ids).logits, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_model_is_small_enough_to_ship_in_one_file(name, tokenizers):
    assert 2 * build_model(name, tokenizers[name]).num_parameters() <= 8_990_000


def test_attention_begins_by_copying_what_it_looks_at(tokenizers):
    phi, mistral = (build_model(name, tokenizers[name], TINY).model.layers[0].self_attn for name in FAMILIES)
    size = TINY.kv_heads * TINY.head_size
    values = phi.qkv_proj.weight[-size:]
    hidden = values.T @ torch.randn(size)  # something that the values hold whole
    by_head = (values @ hidden).view(TINY.kv_heads, 1, -1).expand(-1, TINY.heads // TINY.kv_heads, -1).reshape(-1)
    torch.testing.assert_close(phi.o_proj.weight @ by_head, 2 * hidden, atol=1e-4, rtol=1e-4)
    basis = mistral.v_proj.weight
    torch.testing.assert_close(basis @ basis.T, torch.eye(size), atol=1e-4, rtol=1e-4)


def test_drawn_rows_say_only_what_stood_before():
    order = drawn_order(range(3000), 1)
    for widened, known in ((0.0, 128), (1.0, 3000)):
        rows = copying_rows(1, 5, order, 1536, widened)
        assert sum(len(ids) for ids, _ in rows) == pytest.approx(1536, abs=96)
        assert {token for ids, _ in rows for token in ids} <= set(order[:known])
        for ids, labels in rows:
            for place, (token, label) in enumerate(zip(ids, labels, strict=True)):
                assert label in (IGNORED, token)
                if label != IGNORED:
                    before = ids[place - 1]
                    assert ids[ids.index(before) + 1] == token, "what follows a token is what followed it first"
    assert copying_rows(1, 5, order, 1536) == copying_rows(1, 5, order, 1536)
    assert copying_rows(1, 6, order, 1536) != copying_rows(1, 5, order, 1536)


def test_conversations_follow_on_drawn_rows():
    recipe, progress = text_train.CPU, text_train.Progress
    assert all(text_train.is_drawn(0.0, progress(step, widened=0.5), recipe) for step in range(20)), "not copied yet"
    assert not text_train.is_drawn(recipe.copying, progress(1, widened=0.5), recipe), "there is an end to it"
    later = [text_train.is_drawn(0.1, progress(step, widened=1.0), recipe) for step in range(100)]
    assert sum(later) == 100 / recipe.copying_every
    assert not any(text_train.is_drawn(0.99, progress(step, widened=1.0), recipe) for step in range(100))


def test_batches_hold_their_budget_and_go_on_where_they_stopped(tokenizers):
    tokenizer, family = tokenizers["starter-phi"], FAMILIES["starter-phi"]
    first = pool_batches(tokenizer, family, 1, 0, 1024, size=80)
    assert all(batch.ids.shape == batch.labels.shape for batch in first)
    assert all(batch.ids.numel() <= 1024 or len(batch.ids) == 1 for batch in first)
    stream = batches(tokenizer, family, 1, 1024, size=80)
    again = [next(stream) for _ in range(len(first) + 1)]
    assert [batch.pool for batch in again] == [0] * len(first) + [1]
    resumed = next(batches(tokenizer, family, 1, 1024, first_pool=1, size=80))
    assert torch.equal(resumed.ids, again[-1].ids)


def test_the_rate_warms_up_stays_and_falls():
    recipe = text_train.CPU
    assert text_train.rate(0.0, 0, recipe) == pytest.approx(1 / recipe.warmup_steps)
    assert text_train.rate(0.5, 1000, recipe) == 1
    assert text_train.rate(0.999, 1000, recipe) < 0.02


def test_training_exports_what_it_can_resume(tmp_path, monkeypatch, tokenizers):
    monkeypatch.setattr(text_train, "tokenizer_for", lambda name: tokenizers[name])
    monkeypatch.setattr(text_train, "build_model", lambda name, tokenizer: build_model(name, tokenizer, TINY))
    work, out = tmp_path / "work", tmp_path / "out"
    text_train.train("starter-mistral", out, work, None, 2, resume=False, device="cpu")
    before = torch.load(work / "checkpoint.pt", weights_only=True)
    text_train.train("starter-mistral", out, work, None, 3, resume=True, device="cpu")
    assert json.loads((out / "training.json").read_text())["step"] == 3
    after = torch.load(work / "checkpoint.pt", weights_only=True)
    assert after["progress"]["pool"] == before["progress"]["pool"] + 1
    assert [json.loads(line)["step"] for line in (work / "log.jsonl").read_text().splitlines()] == [2, 3]
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(out, local_files_only=True, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(out, local_files_only=True)
    assert type(model).__name__ == "MistralForCausalLM"
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("</s>")
    assert model.config.num_key_value_heads < model.config.num_attention_heads
    assert {p.suffix for p in out.iterdir()} == {".json", ".safetensors", ".jinja"}
    asked = [Question([{"role": "user", "content": text}], lambda answer: answer != "") for text in ("hi", "a b c d")]
    figure = measure("starter-mistral", model, tokenizer, "any", asked)
    assert figure.n == 2
    assert figure.value in (0, 50, 100)
    assert 0 <= figure.low <= figure.value <= figure.high <= 100


def test_minutes_and_steps_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"not both, got minutes=1\.0 and steps=2"):
        text_train.train("starter-phi", tmp_path, tmp_path, 1.0, 2, resume=False)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_questions_are_the_same_each_time_and_a_wrong_answer_is_not_right(name):
    for row in rows_of(name):
        first, again = questions(row, name, 12, 3), questions(row, name, 12, 3)
        assert [q.messages for q in first] == [q.messages for q in again]
        assert not any(question.right("") or question.right("I like trains.") for question in first), row


def test_code_is_compared_by_what_it_says_and_never_run():
    wanted = "```python\ndef f(x):\n    return x + 1\n```"
    assert same_code("def f(x): return (x+1)", wanted)
    assert not same_code("```python\ndef f(x):\n    return x + 2\n```", wanted)
    assert not same_code("def f(x) return", wanted)
