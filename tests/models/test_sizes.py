from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from playground.errors import ModelUnavailable
from playground.models.headers import Tensor, read_header
from playground.models.quantize import QUANTIZED_COMPONENTS, quantized_linear_bytes
from playground.models.sizes import QUANTIZED_PARTS, ComponentSize, human, is_linear, model_size, quantized_bytes
from tests.models.builders import save_image, save_text


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
    [
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]},
        {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1, -4], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [1], "data_offsets": ["0", "x"]},
        5,
    ],
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


def linear_weights(module) -> set[str]:
    return {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, torch.nn.Linear)}


@pytest.mark.parametrize("family", ["phi3", "mistral"])
def test_bytes_as_are_those_of_the_loaded_text_model(tmp_path, family):
    from transformers import AutoModelForCausalLM

    size = model_size(save_text(tmp_path / family, family))
    for dtype in ("float32", "bfloat16"):
        model = AutoModelForCausalLM.from_pretrained(tmp_path / family, dtype=getattr(torch, dtype))
        assert size.bytes_as(dtype) == sum(p.numel() * p.element_size() for p in model.parameters())
    found = {t.name for t in size.components[0].tensors if is_linear(t)}
    assert found == linear_weights(model)


def test_bytes_as_are_those_of_the_loaded_pipeline(tmp_path):
    from diffusers import StableDiffusionPipeline

    folder = save_image(tmp_path / "sd")
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, dtype=torch.float16)
    for part in model_size(folder).components:
        module = getattr(pipeline, part.name)
        assert part.bytes_as("float16") == sum(p.numel() * p.element_size() for p in module.parameters())
        assert {t.name for t in part.tensors if is_linear(t)} == linear_weights(module)


def test_a_tied_output_matrix_counts_once(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=50, tie_word_embeddings=True, **shape))
    model.save_pretrained(tmp_path)
    tensors = {n: p.detach().clone() for n, p in model.named_parameters()}
    save_file(tensors | {"lm_head.weight": torch.zeros(50, 32)}, tmp_path / "model.safetensors")
    assert model_size(tmp_path).parameters == sum(p.numel() for p in model.parameters())


@given(rows=st.integers(1, 600), columns=st.integers(1, 600), device=st.sampled_from(["cpu", "cuda:0"]))
@pytest.mark.parametrize("quantization", ["int8", "int4", "fp8", "nf4"])
def test_packed_bytes_are_those_that_the_loader_tells(quantization, rows, columns, device):
    for dtype in ("float32", "bfloat16"):
        told = quantized_linear_bytes(rows, columns, quantization, dtype, device)
        assert quantized_bytes(rows, columns, quantization, dtype, device) == told


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_bytes_of_a_really_packed_model_are_within_three_per_cent(tmp_path, quantization):
    from transformers import Phi3Config, Phi3ForCausalLM

    from playground.models.loaded import weight_bytes
    from playground.models.packed import Int4Linear, Int8Linear

    shape = {"hidden_size": 192, "intermediate_size": 448, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Phi3Config(vocab_size=160, pad_token_id=0, tie_word_embeddings=False, **shape)
    model = Phi3ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    layers = [(name, part) for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    for name, part in layers:
        packed = (Int8Linear if quantization == "int8" else Int4Linear)(part.weight.detach(), part.bias)
        model.set_submodule(name, packed)
    assert model_size(tmp_path).bytes_as("bfloat16", quantization) == pytest.approx(weight_bytes(model), rel=0.03)


def test_quantization_packs_linear_layers_of_text_models_and_denoisers_only():
    matrix, table, norm = (
        Tensor("layers.0.mlp.down_proj.weight", "BF16", (256, 1024)),
        Tensor("model.embed_tokens.weight", "BF16", (1000, 256)),
        Tensor("model.norm.weight", "BF16", (256,)),
    )
    part = ComponentSize("model", (matrix, table, norm))
    rest = 2 * (1000 * 256 + 256)
    assert part.bytes_as("bfloat16", "int8") == rest + 256 * 1024 + 2 * 256
    assert part.bytes_as("bfloat16", "int4") == rest + 256 * 512 + 256 * 8 * 4
    vae = ComponentSize("vae", part.tensors)
    assert vae.bytes_as("bfloat16", "int8") == vae.bytes_as("bfloat16")
    assert {*QUANTIZED_COMPONENTS, "model", "file"} == QUANTIZED_PARTS
    with pytest.raises(ModelUnavailable, match="int3"):
        part.bytes_as("bfloat16", "int3")


def test_what_t5_keeps_in_32_bit_counts_so(tmp_path):
    from transformers import T5Config, T5EncoderModel

    T5EncoderModel(T5Config(vocab_size=20, d_model=16, d_kv=4, d_ff=64, num_layers=2, num_heads=4)).save_pretrained(
        tmp_path
    )
    for dtype in ("float32", "bfloat16", "float16"):
        model = T5EncoderModel.from_pretrained(tmp_path, dtype=getattr(torch, dtype))
        assert model_size(tmp_path).bytes_as(dtype) == sum(p.numel() * p.element_size() for p in model.parameters())


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (76_300_000, "76.3 MB"), (29_319_014_400, "29.3 GB")],
)
def test_bytes_in_words(count, text):
    assert human(count) == text
