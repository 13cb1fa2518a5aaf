"""Tiny models with random weights and a byte-level tokenizer: fast, offline, and of the classes that people load."""

from __future__ import annotations

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
)

from playground.catalog import ModelCard
from playground.models.loaded import LoadedText

SPECIAL = ("<pad>", "<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
CONTEXT = 256

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEMPLATE_WITHOUT_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}<|assistant|>"
)


def tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    core.train_from_iterator(["the cat and the hat and the bat", "What is the sum?", "naïve café 🙂🙃 日本語"], trainer)
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    core.add_tokens([AddedToken(t, special=False, normalized=False) for t in ("<think>", "</think>")])
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="<|end|>", pad_token="<pad>", model_max_length=CONTEXT
    )
    made.chat_template = template
    return made


def loaded(family: str, template: str | None = TEMPLATE, capabilities: tuple[str, ...] = (), **config) -> LoadedText:
    """A model of two layers; weights drawn wide, so that greedy text is not one token over and over."""
    words = tokenizer(template)
    shape = {
        "vocab_size": len(words), "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": CONTEXT, "initializer_range": 0.6,
        "pad_token_id": words.pad_token_id, "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id,
    } | config  # fmt: skip
    torch.manual_seed(7)
    if family == "phi3":
        shape.setdefault("original_max_position_embeddings", CONTEXT)
        model = Phi3ForCausalLM(Phi3Config(num_key_value_heads=4, **shape))
    else:
        model = MistralForCausalLM(MistralConfig(num_key_value_heads=2, head_dim=12, sliding_window=None, **shape))
    model.generation_config = GenerationConfig(eos_token_id=[words.eos_token_id, 0], pad_token_id=words.pad_token_id)
    card = ModelCard(
        id=f"tiny-{family}", name="Tiny", kind="chat", source="x", licence="MIT", capabilities=capabilities
    )
    return LoadedText(card, model.eval(), words, "cpu", torch.float32, 0)
