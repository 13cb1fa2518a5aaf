"""GGUF files of small transformers models, written as llama.cpp's own converter would, by the `gguf` package.

Two layouts: "llama" (Mistral, Llama, and any Phi-3 without long-context rope, its fused weights taken apart), where the
rows of queries and keys are stored in the order of pairs that turn together; and "phi3", with the fused weights as they
are. Byte-level BPE tokenizers only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from gguf.quants import quantize
from numpy.typing import NDArray

Array = NDArray[np.float32]


def write_gguf(
    path: Path,
    model: Any,
    tokenizer: Any,
    *,
    architecture: str = "llama",
    quantization: str = "F16",
    pre: str = "smollm",
    name: str = "test",
    template: str | None = None,
    extra: dict[str, Any] | None = None,
) -> Path:
    """Writes `model` and `tokenizer` to `path`.

    Args:
        quantization: "F32", "F16" or "Q8_0"; one-dimensional tensors stay in float32, rows of broken blocks in F16.
        pre: the name of the tokenizer's way of cutting words, as llama.cpp knows it.
        template: instead of the tokenizer's own chat template.
        extra: metadata to add, strings and whole numbers.
    """
    config = model.config
    writer = GGUFWriter(path, architecture)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_name(name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0 if quantization == "Q8_0" else LlamaFileType.MOSTLY_F16)
    for key, value in (extra or {}).items():
        writer.add_string(key, value) if isinstance(value, str) else writer.add_uint32(key, value)
    _tokenizer(writer, tokenizer, config.vocab_size, pre, template)
    for name, tensor in _tensors(model, architecture, head):
        _add(writer, name, tensor, quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokenizer(writer: GGUFWriter, tokenizer: Any, size: int, pre: str, template: str | None) -> None:
    import json

    core = json.loads(tokenizer.backend_tokenizer.to_str())
    names = {i: t for t, i in tokenizer.get_vocab().items()}
    added = {row["id"]: row["special"] for row in core["added_tokens"]}
    kinds = [
        (TokenType.CONTROL if added[i] else TokenType.USER_DEFINED)
        if i in added
        else (TokenType.NORMAL if i in names else TokenType.UNUSED)
        for i in range(size)
    ]
    merges = [" ".join(m) if isinstance(m, list) else m for m in core["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([names.get(i, f"[PAD{i}]") for i in range(size)])
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    for add, token in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, tokenizer.eos_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if token is not None:
            add(token)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    chat = tokenizer.chat_template if template is None else template
    if chat:
        writer.add_chat_template(chat)


def _tensors(model: Any, architecture: str, head: int) -> list[tuple[str, Array]]:
    config = model.config
    weights: dict[str, Array] = {k: v.float().numpy() for k, v in model.state_dict().items()}
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    found = [
        ("token_embd.weight", weights["model.embed_tokens.weight"]),
        ("output_norm.weight", weights["model.norm.weight"]),
    ]
    if not config.tie_word_embeddings:
        found.append(("output.weight", weights["lm_head.weight"]))
    for i in range(config.num_hidden_layers):
        at, to = f"model.layers.{i}.", f"blk.{i}."
        found += [
            (to + "attn_norm.weight", weights[at + "input_layernorm.weight"]),
            (to + "ffn_norm.weight", weights[at + "post_attention_layernorm.weight"]),
            (to + "attn_output.weight", weights[at + "self_attn.o_proj.weight"]),
            (to + "ffn_down.weight", weights[at + "mlp.down_proj.weight"]),
        ]
        fused = weights.get(at + "self_attn.qkv_proj.weight")
        both = weights.get(at + "mlp.gate_up_proj.weight")
        if architecture == "phi3":
            assert fused is not None
            assert both is not None
            found += [(to + "attn_qkv.weight", fused), (to + "ffn_up.weight", both)]
            continue
        if fused is None:
            q, k, v = (weights[at + f"self_attn.{n}_proj.weight"] for n in "qkv")
        else:
            q, k, v = np.split(fused, [heads * head, (heads + kv_heads) * head])
        if both is None:
            gate, up = (weights[at + f"mlp.{n}_proj.weight"] for n in ("gate", "up"))
        else:
            gate, up = np.split(both, 2)
        found += [
            (to + "attn_q.weight", _pairs(q, heads)),
            (to + "attn_k.weight", _pairs(k, kv_heads)),
            (to + "attn_v.weight", v),
            (to + "ffn_gate.weight", gate),
            (to + "ffn_up.weight", up),
        ]
    return found


def _pairs(rows: Array, heads: int) -> Array:
    """transformers turns the first half of a head against the second; llama.cpp's llama turns neighbours."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def _add(writer: GGUFWriter, name: str, tensor: Array, quantization: str) -> None:
    if tensor.ndim == 1 or quantization == "F32":
        writer.add_tensor(name, np.ascontiguousarray(tensor))
    elif quantization == "Q8_0" and tensor.shape[-1] % 32 == 0:
        packed = quantize(np.ascontiguousarray(tensor), GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, packed, raw_dtype=GGMLQuantizationType.Q8_0)
    else:
        writer.add_tensor(name, np.ascontiguousarray(tensor, dtype=np.float16))
