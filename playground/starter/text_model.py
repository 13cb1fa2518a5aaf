"""Shapes of the two starter chat models: what Phi-3 and Mistral are at under two million parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.starter.text_tokenizer import CONTEXT, VOCABULARY, family_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_HEADS = 6
_KV_HEADS = 2
_HEAD_SIZE = 32


def build_model(name: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A freshly initialised model in float32, with the ids of its tokenizer."""
    from transformers import MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM

    family_of(name)
    shared: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "num_hidden_layers": 5,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "initializer_range": 0.05,
        "rms_norm_eps": 1e-5,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
    shape: dict[str, Any] = {
        "hidden_size": 160,
        "intermediate_size": 432,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _KV_HEADS,
        "head_dim": _HEAD_SIZE,
    }
    if name == "starter-phi":
        return Phi3ForCausalLM(Phi3Config(original_max_position_embeddings=CONTEXT, **shape, **shared))
    return MistralForCausalLM(MistralConfig(sliding_window=None, **shape, **shared))


def mistral_weights(phi: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of starter-phi under Mistral's names: the two differ only in that Phi-3 fuses q, k, v and gate, up.

    Lets starter-mistral start from what starter-phi has learned; shapes are those of `build_model`.
    """
    queries, keys = _HEADS * _HEAD_SIZE, _KV_HEADS * _HEAD_SIZE
    renamed: dict[str, torch.Tensor] = {}
    for key, value in phi.items():
        if key.endswith("qkv_proj.weight"):
            parts = zip("qkv", value.split([queries, keys, keys]), strict=True)
            renamed |= {key.replace("qkv_proj", f"{letter}_proj"): part.clone() for letter, part in parts}
        elif key.endswith("gate_up_proj.weight"):
            parts = zip(("gate", "up"), value.chunk(2), strict=True)
            renamed |= {key.replace("gate_up_proj", f"{word}_proj"): part.clone() for word, part in parts}
        else:
            renamed[key] = value
    return renamed


def export(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes weights (safetensors, float16), configs and tokenizer as `from_pretrained` reads them."""
    import copy

    import torch
    from transformers import GenerationConfig

    half: Any = copy.deepcopy(model)
    half.to(torch.float16)
    half.config.dtype = torch.float16
    half.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        do_sample=True,
        temperature=0.2,
        top_p=0.9,
        max_new_tokens=256,
    )
    out.mkdir(parents=True, exist_ok=True)
    half.save_pretrained(out, max_shard_size="8MB")
    tokenizer.save_pretrained(out)
    for path in out.iterdir():
        # safetensors writes files that only their owner can read.
        path.chmod(0o644)
