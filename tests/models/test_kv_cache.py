from __future__ import annotations

import pytest
import torch

from playground.models.kv_cache import chat_working_bytes, context_size, has_cache, kv_bytes, kv_bytes_per_token

PHI_4 = {"num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 10, "hidden_size": 5120}
MINI = {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_size": 3072}
SMALL = {"num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 5120}
TINY = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip


def cached(family: str, tokens: int, **shape) -> tuple[dict, int]:
    """The config of a small model as it is saved, and the bytes of its cache after reading `tokens` one by one."""
    import transformers

    config = getattr(transformers, f"{family}Config")(**{**TINY, **shape})
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    cache = transformers.DynamicCache(config=config)
    with torch.inference_mode():
        for token in range(tokens):
            model(input_ids=torch.tensor([[token]]), past_key_values=cache, use_cache=True)
    tensors = [t for layer in cache.layers for t in (layer.keys, layer.values) if t is not None]
    return config.to_dict(), sum(t.untyped_storage().nbytes() for t in tensors)


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        ("Phi3", {"num_key_value_heads": 4}),
        ("Phi3", {"num_key_value_heads": 2, "sliding_window": 8}),
        ("Mistral", {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": None}),
        ("Mistral", {"num_key_value_heads": 2, "sliding_window": 8}),
        ("Llama", {"num_key_value_heads": 2}),
        ("Qwen2", {"num_key_value_heads": 2, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}),
        ("Qwen2", {"num_key_value_heads": 2, "use_sliding_window": False, "sliding_window": 8}),
    ],
)
def test_cache_bytes_are_those_of_a_real_cache(family, shape):
    for tokens in (5, 20):
        config, count = cached(family, tokens, **shape)
        assert kv_bytes(config, tokens, "float32") == count


def test_a_null_window_differs_from_a_missing_one():
    mistral = {**SMALL, "model_type": "mistral"}
    assert kv_bytes(mistral, 10_000) == kv_bytes(mistral, 4096)  # what the family's config class fills in
    assert kv_bytes({**mistral, "sliding_window": None}, 10_000) > kv_bytes(mistral, 10_000)


def test_cache_bytes_of_known_models():
    assert kv_bytes_per_token(PHI_4) == 204_800
    assert kv_bytes_per_token(MINI) == 393_216
    assert kv_bytes_per_token({**SMALL, "head_dim": 128}) == 163_840
    assert kv_bytes_per_token(PHI_4, "float32") == 409_600
    assert kv_bytes(MINI, 131_072) == 48 * 2**30


def test_nested_configs_and_models_without_a_cache():
    nested = {"model_type": "gemma3", "text_config": {**MINI, "max_position_embeddings": 99}}
    assert kv_bytes_per_token(nested) == 393_216
    assert context_size(nested) == 99
    assert has_cache(nested)
    assert not has_cache({"model_type": "mamba", "num_hidden_layers": 3})


def test_an_answer_takes_its_cache_and_more_and_longrope_reads_a_prompt_at_one_go():
    one = {**MINI, "model_type": "phi3", "vocab_size": 32_064, "intermediate_size": 8192}
    assert kv_bytes(one, 4000) < chat_working_bytes(one, 4000) < 2 * kv_bytes(one, 4000)
    long = {**one, "rope_scaling": {"type": "longrope"}}
    assert chat_working_bytes(long, 4000) > chat_working_bytes(one, 4000)
    assert chat_working_bytes(long, 100) == chat_working_bytes(one, 100)
