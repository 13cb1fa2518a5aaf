from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from playground.catalog import Build, load_catalog
from playground.errors import ModelUnavailable
from playground.models.checkpoint_parts import checkpoint_parts
from playground.models.facts import Facts, facts_of_path
from playground.models.fits import (
    PLANS,
    Form,
    builds_of,
    fit,
    fit_by_card,
    forms_of,
    longest,
    picture_bytes,
    working_of,
)
from playground.models.headers import Tensor
from playground.models.kv_cache import chat_working_bytes
from playground.models.sizes import ComponentSize, ModelSize
from tests.models.builders import save_clip, save_image, save_text

HALF = Form("bfloat16")
# The shapes of Stable Diffusion 1 as its folder gives them, with its three parts' parameters.
SD = Facts(
    "sd",
    "image",
    "here",
    ModelSize(
        tuple(
            ComponentSize(name, (Tensor("weight", "F32", (count,)),))
            for name, count in (("unet", 859_520_964), ("vae", 83_653_863), ("text_encoder", 123_060_480))
        )
    ),
    {
        "unet": {"block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "sample_size": 64},
        "vae": {"block_out_channels": [128, 256, 512, 512], "sample_size": 512},
    },
)
MINI = Facts(
    "mini",
    "chat",
    "here",
    ModelSize((ComponentSize("model", (Tensor("layers.0.mlp.weight", "BF16", (1000, 3_821_079)),)),)),
    {
        "": {
            "model_type": "phi3", "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 3072,
            "intermediate_size": 8192, "vocab_size": 32_064, "max_position_embeddings": 131_072,
        }
    },
)  # fmt: skip


@given(budget=st.integers(0, 10**6), limit=st.integers(1, 2000), slope=st.integers(1, 50), start=st.integers(0, 500))
def test_the_longest_context_is_the_last_that_fits(budget, limit, slope, start):
    def needed(count: int) -> int:
        return start + slope * count

    found = longest(needed, budget, limit)
    assert found == max((n for n in range(1, limit + 1) if needed(n) <= budget), default=None)


def test_the_longest_context_fits_and_one_token_more_does_not():
    for form in forms_of("chat", MINI):
        for budget in (4 * 10**9, 9 * 10**9, 20 * 10**9):
            found = fit(MINI, form, budget)
            if found.context is None:
                assert found.weights + chat_working_bytes(MINI.configs[""], 1, form.dtype) > budget
                assert not found.fits
                continue
            assert found.weights + chat_working_bytes(MINI.configs[""], found.context, form.dtype) <= budget
            assert found.weights + chat_working_bytes(MINI.configs[""], found.context + 1, form.dtype) > budget
    assert fit(MINI, HALF, 10**12).context == 131_072
    assert fit(MINI, HALF, 10**12).kv_full == 48 * 2**30


def test_smaller_forms_weigh_less_and_reach_further():
    rows = [fit(MINI, form, 9 * 10**9) for form in forms_of("chat", MINI)]
    assert [row.form.name for row in rows] == ["float32", "bfloat16", "int8", "int4"]
    weights = [row.weights for row in rows]
    assert weights == sorted(weights, reverse=True)
    reached = [row.context or 0 for row in rows]
    assert reached == sorted(reached)


def test_four_gigabytes_hold_stable_diffusion_1_in_16_bit_at_its_own_size():
    # The published claim is about 4 GB for 512x512 in half precision.
    found = fit(SD, HALF, 4 * 10**9)
    assert found.fits
    assert found.largest is not None
    assert found.largest.side >= 512
    assert picture_bytes(SD, HALF, 512, 1, "whole") <= 4 * 10**9
    assert not fit(SD, Form("float32"), 10**9).fits


def test_plans_cost_less_in_turn_and_the_cheapest_reaches_furthest():
    assert (needed := [picture_bytes(SD, HALF, 1024, 1, plan) for plan in PLANS]) == sorted(needed, reverse=True)
    needed = [picture_bytes(SD, HALF, 512, 1, plan) for plan in PLANS]
    parts = {part.name: part.bytes_as("bfloat16") for part in SD.size.components}
    assert needed[2] < sum(parts.values())  # one part at a time is less than all of them
    assert needed[2] >= parts["unet"]
    tight = fit(SD, HALF, 2_100_000_000)
    assert tight.largest is not None
    assert tight.largest.plan == "staged"


def test_the_largest_picture_and_batch_fit_and_are_within_the_budget():
    for budget in (2 * 10**9, 3 * 10**9, 6 * 10**9):
        found = fit(SD, HALF, budget)
        for picture in (found.largest, found.most):
            assert picture is not None
            assert picture.bytes == picture_bytes(SD, HALF, picture.side, picture.batch, picture.plan) <= budget
        assert found.most.side == 512


def test_working_memory_by_size():
    small, large = working_of(SD.image, HALF, (512, 1024), batch=4)
    assert small.step < large.step
    assert small.plain > small.sliced
    assert large.sliced > large.tiled


def test_packed_files_have_one_form(tmp_path):
    decoder = {"head_size": 8, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2}
    table = {"model": {"context_length": 64, "decoder": {**decoder, "num_hidden_layers": 3}}}
    (tmp_path / "genai_config.json").write_text(json.dumps(table))
    (tmp_path / "model.onnx").write_bytes(bytes(5000))
    facts = facts_of_path(tmp_path)
    (form,) = forms_of("chat", facts)
    found = fit(facts, form, 10**6)
    assert (found.form.name, found.weights, found.context) == ("as stored", 5000, 64)
    assert found.kv_per_token == 2 * 3 * 2 * 8 * 4


def test_folders_of_each_kind(tmp_path):
    for kind, folder in (
        ("chat", save_text(tmp_path / "text")),
        ("image", save_image(tmp_path / "sd")),
        ("clip", save_clip(tmp_path / "clip")),
    ):
        facts = facts_of_path(folder)
        assert facts.kind == kind
        for form in forms_of(kind, facts):
            assert fit(facts, form, 10**9).fits
            assert not fit(facts, form, 10).fits


def test_what_a_card_says_stands_in_for_headers_that_cannot_be_read():
    card = load_catalog()["phi-4"]
    found = fit_by_card(card, HALF, 40 * 10**9)
    assert found is not None
    assert (found.weights, found.kv_per_token, found.kv_full) == (29_319_014_400, 204_800, 16_384 * 204_800)
    assert found.context == 16_384
    assert fit_by_card(load_catalog()["sd-3-medium"], HALF, 10**12) is None
    assert fit_by_card(load_catalog()["sd-1.5"], HALF, 10**12).fits
    assert fit_by_card(load_catalog()["sd-1.5"], Form("bfloat16", "int4"), 10**12) is None


def test_builds_need_room_for_a_short_answer_too():
    build = Build(name="Q4", format="gguf", bytes=2_390_000_000, source="a/b")
    (row,) = builds_of(MINI, [build], 2_400_000_000)
    assert row.needed > build.bytes
    assert not row.fits
    assert builds_of(MINI, [build], 3_000_000_000)[0].fits


def test_a_checkpoint_in_one_file_has_the_parts_and_shapes_of_its_pipeline(tmp_path):
    unet, vae = "model.diffusion_model.", "first_stage_model."
    names = {
        f"{unet}input_blocks.0.0.weight": (32, 4, 3, 3),
        f"{unet}input_blocks.1.0.in_layers.2.weight": (32, 32, 3, 3),
        f"{unet}input_blocks.1.1.proj_in.weight": (32, 32, 1, 1),
        f"{unet}input_blocks.2.0.op.weight": (32, 32, 3, 3),
        f"{unet}input_blocks.3.0.in_layers.2.weight": (64, 32, 3, 3),
        f"{vae}decoder.up.0.block.0.conv1.weight": (16, 32, 3, 3),
        f"{vae}decoder.up.1.block.0.conv1.weight": (32, 32, 3, 3),
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (10, 8),
        "model_ema.decay": (1,),
        "alphas_cumprod": (1000,),
    }
    save_file({name: torch.zeros(shape) for name, shape in names.items()}, tmp_path / "sd.safetensors")
    facts = facts_of_path(tmp_path / "sd.safetensors")
    assert {part.name for part in facts.size.components} == {"unet", "vae", "text_encoder"}
    assert facts.size.parameters == sum(torch.zeros(s).numel() for s in names.values()) - 1001
    assert facts.configs["unet"]["block_out_channels"] == [32, 64]
    assert facts.configs["unet"]["layers_per_block"] == [1, 1]
    assert facts.configs["unet"]["up_block_types"] == ["UpBlock2D", "CrossAttnUpBlock2D"]
    assert facts.configs["vae"]["block_out_channels"] == [16, 32]
    assert fit(facts, HALF, 10**9).fits
    assert checkpoint_parts([Tensor("a", "F32", (1,))]) == ({}, {})


def test_other_paths_are_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"neither a folder nor"):
        facts_of_path(tmp_path / "nothing")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ModelUnavailable, match=r"neither a folder nor"):
        facts_of_path(tmp_path / "notes.txt")
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        facts_of_path(tmp_path)
