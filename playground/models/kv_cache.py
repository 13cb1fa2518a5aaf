"""Bytes of a text model's key-value cache and of one answer, from its config.json. No torch.

Follows what transformers' `DynamicCache` keeps: two tensors a layer, of the key-value heads only, and no more tokens
than the layer's window. Models without a cache (encoders, mambas) have no figures here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.models.sizes import itemsize

Config = Mapping[str, Any]

PREFILL_CHUNK = 512  # tokens of the prompt that are read at once, as chat does
LONGROPE = {"longrope": "", "su": "phi3", "yarn": "phi3"}  # Phi-3's configs had other names for it
# What a family's config class fills in for a key that the file lacks; a null in the file is kept.
DEFAULT_WINDOW = {"mistral": 4096}
WINDOWED = frozenset({"sliding_attention", "chunked_attention"})


@dataclass(frozen=True)
class LayerCache:
    """One layer's cache: `width` is the elements of a token's keys and values, `window` the tokens kept, 0 for all."""

    width: int
    window: int = 0

    def tokens(self, count: int) -> int:
        return min(count, self.window) if self.window else count


def text_config(config: Config) -> Config:
    """The part of `config` that describes the text model; models that also see or hear nest it."""
    nested = config.get("text_config")
    return nested if isinstance(nested, Mapping) and "num_hidden_layers" not in config else config


def has_cache(config: Config) -> bool:
    """Whether `config` is that of a text model whose cache can be told."""
    config = text_config(config)
    return all(config.get(name) for name in ("num_hidden_layers", "num_attention_heads", "hidden_size"))


def context_size(config: Config) -> int | None:
    """Tokens that the model reads at most, where its config says so."""
    value = text_config(config).get("max_position_embeddings")
    return int(value) if value else None


def layers(config: Config) -> list[LayerCache]:
    """What each layer caches."""
    config = text_config(config)
    count, heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
    kv_heads = config.get("num_key_value_heads") or heads
    key = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
    value = int(config.get("v_head_dim") or key)
    if config.get("kv_lora_rank"):  # latent attention: transformers caches the keys and values that it unfolds to
        kv_heads = heads
        key = int(config["qk_nope_head_dim"]) + int(config["qk_rope_head_dim"])
        value = int(config["v_head_dim"])
    by_layer = list(kv_heads) if isinstance(kv_heads, Sequence) else [int(kv_heads)] * count
    kinds = _kinds(config, count)
    owners = count - int(config.get("num_kv_shared_layers") or 0)  # the last layers may read the cache of earlier ones
    return [
        LayerCache(int(by_layer[i]) * (key + value), _window(config) if kinds[i] in WINDOWED else 0)
        for i in range(min(owners, len(by_layer)))
        if kinds[i] in WINDOWED or kinds[i] == "full_attention"
    ]


def _kinds(config: Config, count: int) -> list[str]:
    """Each layer's kind of attention, under the names of transformers' `layer_types`."""
    named = config.get("layer_types")
    if isinstance(named, Sequence) and len(named) >= count:
        return [str(kind) for kind in named[:count]]
    if not _window(config):
        return ["full_attention"] * count
    first = int(config.get("max_window_layers") or 0) if config.get("use_sliding_window") else 0
    return ["full_attention" if i < first else "sliding_attention" for i in range(count)]


def _window(config: Config) -> int:
    if config.get("use_sliding_window") is False:
        return 0
    default = DEFAULT_WINDOW.get(str(config.get("model_type")))
    return int(config.get("sliding_window", default) or config.get("attention_chunk_size") or 0)


def kv_bytes_per_token(config: Config, dtype: str = "bfloat16") -> int:
    """Bytes of one more token in all layers, as long as no window is full."""
    return int(sum(layer.width for layer in layers(config)) * itemsize(dtype))


def kv_bytes(config: Config, tokens: int, dtype: str = "bfloat16") -> int:
    """Bytes of the cache of `tokens`."""
    return int(sum(layer.width * layer.tokens(tokens) for layer in layers(config)) * itemsize(dtype))


def chat_working_bytes(config: Config, tokens: int, dtype: str = "bfloat16") -> int:
    """Bytes of one answer, prompt and text together `tokens`: the cache, one layer at work, the logits of one position.

    A layer at work on a chunk of the prompt holds the stream three times, twice of it in float32 while it is
    normalised, the widened feed-forward maps, and keys and values of all tokens: the old, the new and those repeated
    for every query head. Sampling sorts the logits in float32.
    """
    config = text_config(config)
    item = itemsize(dtype)
    hidden = int(config["hidden_size"])
    inner = int(config.get("intermediate_size") or 4 * hidden)
    heads = int(config["num_attention_heads"])
    head_dim = int(config.get("head_dim") or hidden // heads)
    chunk = tokens if _rereads(config) else min(tokens, PREFILL_CHUNK)
    stream = chunk * (3 * hidden * item + 2 * hidden * 4)
    feed_forward = chunk * 4 * inner * item
    widest = max((layer.width for layer in layers(config)), default=0)
    mask = chunk * tokens * (1 + item) if chunk < tokens else 0  # a prompt that is read whole needs none
    attention = tokens * (widest + 2 * heads * head_dim) * item + chunk * 3 * heads * head_dim * item + mask
    return int(kv_bytes(config, tokens, dtype) + stream + max(feed_forward, attention) + 24 * _vocabulary(config))


def _vocabulary(config: Config) -> int:
    return int(config.get("vocab_size") or 0)


def _rereads(config: Config) -> bool:
    """Whether a long prompt is read at one go: longrope turns all keys anew when the short range ends."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") if isinstance(rope, Mapping) else None
    return kind in LONGROPE and LONGROPE[kind] in ("", config.get("model_type"))
