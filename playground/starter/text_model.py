"""Shapes of the two starter chat models: what Phi-3 and Mistral are at under five million parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.starter.text_templates import family_of
from playground.starter.text_tokenizer import CONTEXT, VOCABULARY

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder; `width` is split over the query heads, which share the key-value heads."""

    width: int = 256
    layers: int = 5
    inner: int = 640
    heads: int = 8
    kv_heads: int = 4

    @property
    def head_size(self) -> int:
        """Channels of one head."""
        return self.width // self.heads


SHAPE = Shape()
# How strongly a looked-at token is added at first.
_COPIED = 2.0


def build_model(name: str, tokenizer: PreTrainedTokenizerFast, shape: Shape = SHAPE) -> PreTrainedModel:
    """A freshly initialised model in float32, with the ids of its tokenizer.

    Attention begins by copying what it looks at (`begin_as_copies`), and the MLPs add nothing yet.
    """
    import torch
    from transformers import MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM

    family_of(name)
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "initializer_range": 0.04,
        "rms_norm_eps": 1e-5,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
    model: Any
    if name == "starter-phi":
        model = Phi3ForCausalLM(Phi3Config(original_max_position_embeddings=CONTEXT, **sizes))
    else:
        model = MistralForCausalLM(MistralConfig(sliding_window=None, **sizes))
    for key, weight in model.named_parameters():
        if key.endswith("down_proj.weight"):
            torch.nn.init.zeros_(weight)
    for layer in model.model.layers:
        begin_as_copies(layer.self_attn, shape)
    return model


def begin_as_copies(attention: Any, shape: Shape) -> None:
    """Sets the values to an orthonormal basis and the output to its transpose, so that what is looked at is copied.

    After the mimetic initialisation of Trockman and Kolter 2023 (arXiv 2305.09828), with the sign that copies; it
    saves about half of the steps until a row's own tokens are known to come again.
    """
    import torch

    size, shared = shape.kv_heads * shape.head_size, shape.heads // shape.kv_heads
    with torch.no_grad():
        basis = torch.linalg.qr(torch.randn(shape.width, size))[0].T  # (kv_heads * head_size, width)
        if hasattr(attention, "qkv_proj"):
            attention.qkv_proj.weight[-size:] = basis
        else:
            attention.v_proj.weight.copy_(basis)
        by_head = basis.view(shape.kv_heads, 1, shape.head_size, shape.width).expand(-1, shared, -1, -1)
        attention.o_proj.weight.copy_(_COPIED / shared * by_head.reshape(-1, shape.width).T)


def mistral_weights(phi: Mapping[str, torch.Tensor], shape: Shape = SHAPE) -> dict[str, torch.Tensor]:
    """Weights of starter-phi under Mistral's names: the two differ only in that Phi-3 fuses q, k, v and gate, up.

    Lets starter-mistral start from what starter-phi has learned; shapes are those of `build_model`.
    """
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
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

    half: Any = copy.deepcopy(model).cpu()
    half.to(torch.float16)
    half.config.dtype = torch.float16
    half.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        do_sample=True,
        temperature=0.2,
        top_p=0.9,
        max_new_tokens=384,
    )
    out.mkdir(parents=True, exist_ok=True)
    half.save_pretrained(out, max_shard_size="8990KB")
    tokenizer.save_pretrained(out)
    for path in out.iterdir():
        # safetensors writes files that only their owner can read.
        path.chmod(0o644)
