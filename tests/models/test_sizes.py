from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from playground.errors import ModelUnavailable
from playground.models.headers import read_header
from playground.models.sizes import (
    chat_working_bytes,
    decode_working_bytes,
    human,
    image_working_bytes,
    kv_bytes_per_token,
    model_size,
    step_working_bytes,
)
from tests.models.builders import save_image, save_text

SD_UNET = {"block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2}
SD_VAE = {"block_out_channels": [128, 256, 512, 512]}


def test_parameters_and_bytes_by_dtype_and_as_loaded(tmp_path):
    tensors = {
        "a": torch.zeros(3, 5, dtype=torch.float32),
        "b": torch.zeros(7, dtype=torch.float16),
        "c": torch.zeros(2, dtype=torch.int64),
        "d": torch.zeros((), dtype=torch.bfloat16),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    size = model_size(tmp_path)
    assert size.parameters == 15 + 7 + 1
    assert size.bytes == 60 + 14 + 16 + 2
    assert size.components[0].bytes_by_dtype == {"float32": 60, "float16": 14, "i64": 16, "bfloat16": 2}
    assert size.bytes_as("bfloat16") == 23 * 2 + 16
    assert size.bytes_as("float32") == 23 * 4 + 16
    with pytest.raises(ModelUnavailable, match="float3"):
        size.bytes_as("float3")


def test_real_models_in_both_layouts_sharded_or_not(tmp_path):
    from diffusers import StableDiffusionPipeline
    from transformers import AutoModelForCausalLM

    whole = model_size(save_text(tmp_path / "whole"))
    cut = model_size(save_text(tmp_path / "cut", max_shard_size="20KB"))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "whole")
    assert whole.parameters == cut.parameters == sum(p.numel() for p in model.parameters())
    assert len(cut.components[0].files) > 1
    pipeline = StableDiffusionPipeline.from_pretrained(save_image(tmp_path / "sd"), safety_checker=None)
    by_name = {c.name: c for c in model_size(tmp_path / "sd").components}
    assert set(by_name) == {"unet", "vae", "text_encoder"}
    for name, part in by_name.items():
        assert part.parameters == sum(p.numel() for p in getattr(pipeline, name).parameters())
    assert image_working_bytes(tmp_path / "sd", 64, 64) < image_working_bytes(tmp_path / "sd", 128, 128)


@pytest.mark.parametrize("cut", [0, 4, 40, -1])
def test_a_file_cut_short_is_refused(tmp_path, cut):
    save_file({"a": torch.zeros(100)}, tmp_path / "model.safetensors")
    data = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[:cut])
    with pytest.raises(ModelUnavailable, match="not a whole safetensors file"):
        model_size(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_give_tensors_or_a_clear_refusal(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("junk") / "model.safetensors"
    path.write_bytes(data)
    try:
        assert all(t.bytes >= 0 for t in read_header(path))
    except ModelUnavailable as error:
        said = error.message
        assert "not a whole safetensors file" in said


@pytest.mark.parametrize(
    "entry",
    [{"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}, {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}, 5],
)
def test_a_header_that_contradicts_itself_is_refused(tmp_path, entry):
    raw = json.dumps({"a": entry}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(16))
    with pytest.raises(ModelUnavailable, match="'a'"):
        model_size(tmp_path)


def test_an_index_may_not_name_files_elsewhere(tmp_path):
    index = {"weight_map": {"a": "../other/model.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelUnavailable, match="no shard"):
        model_size(tmp_path)


def test_pickles_are_named(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelUnavailable, match=r"pytorch_model\.bin, a pickle"):
        model_size(tmp_path)


def test_cache_bytes_of_known_models():
    phi4 = {"num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 10, "hidden_size": 5120}
    mini = {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_size": 3072}
    small = {"num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 5120}
    assert kv_bytes_per_token(phi4) == 204_800
    assert kv_bytes_per_token(mini) == 393_216
    assert kv_bytes_per_token({**small, "head_dim": 128}) == 163_840
    assert kv_bytes_per_token(phi4, "float32") == 409_600
    assert chat_working_bytes({**phi4, "vocab_size": 100_352}, 1000) > 1000 * 204_800


def test_working_memory_grows_with_size_batch_and_dtype():
    for estimate, config in ((step_working_bytes, SD_UNET), (decode_working_bytes, SD_VAE)):
        one = estimate(config, 512, 512)
        assert estimate(config, 512, 512, 2) == 2 * one
        assert estimate(config, 1024, 1024) == 4 * one
        assert estimate(config, 512, 512, dtype="float32") == 2 * one
    assert step_working_bytes(SD_UNET, 512, 512, guided=False) * 2 == step_working_bytes(SD_UNET, 512, 512)


def test_decode_estimate_covers_what_one_convolution_pair_holds():
    # 256 channels at 512x512 in 16 bit is 134 MB; input and output of one layer alone are two of these.
    assert decode_working_bytes(SD_VAE, 512, 512) >= 2 * 256 * 512 * 512 * 2


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (76_300_000, "76.3 MB"), (29_319_014_400, "29.3 GB")],
)
def test_bytes_in_words(count, text):
    assert human(count) == text
