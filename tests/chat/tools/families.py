"""Tokenizers with the special tokens and the turns of models that people load; their templates are written anew here.

Phi-4, Phi-3.5 and Mistral Small 2501 by the facts in their published templates: which roles they render, how, and that
tools and results are dropped or refused.
"""

from __future__ import annotations

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

from playground.catalog import ModelCard
from playground.models.loaded import LoadedText
from playground.starter.text_templates import MISTRAL, PHI

PHI_4 = (
    "{% for m in messages %}{% if m.role in ['system', 'user', 'assistant'] %}"
    "{{ '<|im_start|>' + m.role + '<|im_sep|>' + m.content + '<|im_end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant<|im_sep|>{% endif %}"
)
PHI_35 = (
    "{% for m in messages %}{% if m.role == 'system' and not m.content %}"
    "{% elif m.role in ['system', 'user', 'assistant'] %}"
    "{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)
MISTRAL_2501 = (
    "{{ bos_token }}{% if messages[0].role != 'system' %}"
    "[SYSTEM_PROMPT]You are helpful. Today is {{ strftime_now('%Y') }}.[/SYSTEM_PROMPT]{% endif %}"
    "{% for m in messages %}{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]"
    "{% elif m.role == 'system' %}[SYSTEM_PROMPT]{{ m.content }}[/SYSTEM_PROMPT]"
    "{% elif m.role == 'assistant' %}{{ m.content + eos_token }}"
    "{% else %}{{ raise_exception('Only three roles are known') }}{% endif %}{% endfor %}"
)
# As Hermes and Qwen write tools.
HERMES = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t.function | tojson }}\n{% endfor %}<|im_end|>\n"
    "{% endif %}"
    "{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n"
    "</tool_response><|im_end|>\n{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n"
    "{{ '{\"name\": ' + (c.function.name | tojson) + ', \"arguments\": ' + (c.function.arguments | tojson) + '}' }}\n"
    "</tool_call>{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As Llama 3 writes a call: bare JSON right after the end of the role's name.
LLAMA = (
    "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}"
    "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{% if m.tool_calls %}{% set f = m.tool_calls[0].function %}"
    '{"name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}{% else %}{{ m.content }}{% endif %}<|eot_id|>'
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_MISTRAL_TOKENS = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
)  # fmt: skip
_CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>")

# name -> (template, special tokens, plain added tokens, the one that ends an answer)
FAMILIES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str]] = {
    "phi-4": (PHI_4, _CHATML, (), "<|im_end|>"),
    "phi-3.5": (PHI_35, ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), (), "<|end|>"),
    "mistral-2501": (MISTRAL_2501, _MISTRAL_TOKENS, (), "</s>"),
    "hermes": (HERMES, _CHATML, ("<tool_call>", "</tool_call>"), "<|im_end|>"),
    "llama": (LLAMA, ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), (), "<|eot_id|>"),
    "starter-phi": (PHI.template, PHI.special, PHI.plain, PHI.end),
    "starter-mistral": (MISTRAL.template, MISTRAL.special, MISTRAL.plain, MISTRAL.end),
}


def tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with the family's tokens and template."""
    template, special, plain, end = FAMILIES[family]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    core.train_from_iterator(
        ['{"name": "calculate", "arguments": {"expression": "1 + 1"}}', "<tool_call>"] * 9, trainer
    )
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    core.add_tokens([AddedToken(t, special=False, normalized=False) for t in (*plain, "<think>", "</think>")])
    made = PreTrainedTokenizerFast(tokenizer_object=core, eos_token=end, model_max_length=4096)
    if "<s>" in special:
        made.bos_token = "<s>"
    made.chat_template = template
    return made


def model(family: str, capabilities: tuple[str, ...] = (), context: int = 4096) -> LoadedText:
    """A model of one layer with random weights over the family's tokenizer."""
    words = tokenizer(family)
    torch.manual_seed(11)
    config = MistralConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, sliding_window=None, max_position_embeddings=context,
        initializer_range=0.15, eos_token_id=words.eos_token_id, pad_token_id=0, bos_token_id=0,
    )  # fmt: skip
    made = MistralForCausalLM(config).eval()
    made.generation_config = GenerationConfig(eos_token_id=words.eos_token_id, pad_token_id=0)
    card = ModelCard(id=family, name=family, kind="chat", source="x", licence="MIT", capabilities=capabilities)
    return LoadedText(card, made, words, "cpu", torch.float32, 0)
