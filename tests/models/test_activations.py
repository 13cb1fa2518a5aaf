from __future__ import annotations

import pytest
import torch

from playground.bench.memory_cases import chat_case, decode_case, unet_case
from playground.bench.working_memory import measured_peak, traced_peak
from playground.models.activations import (
    decode_working_bytes,
    image_shape,
    step_working_bytes,
    transformer_working_bytes,
)

SD_UNET = {
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
SDXL_UNET = {
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
}
SD_VAE = {"block_out_channels": [128, 256, 512, 512], "sample_size": 512}
FLUX = {
    "num_layers": 19,
    "num_single_layers": 38,
    "num_attention_heads": 24,
    "attention_head_dim": 128,
    "patch_size": 1,
}
SD_3 = {"num_attention_heads": 24, "attention_head_dim": 64, "patch_size": 2, "pooled_projection_dim": 2048}
PIXART = {"num_attention_heads": 16, "attention_head_dim": 72, "patch_size": 2}

UNET = {"block_out_channels": (32, 64, 64), "cross_attention_dim": 32, "attention_head_dim": 8, "layers_per_block": 1}
UNET |= {
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}
VAE = {"block_out_channels": (32, 64), "layers_per_block": 1, "sample_size": 32, "norm_num_groups": 8}
TEXT = {
    "vocab_size": 512, "hidden_size": 128, "intermediate_size": 344, "num_hidden_layers": 2, "num_attention_heads": 8,
}  # fmt: skip

SMALL = [
    unet_case("wide", 128, **UNET),
    unet_case("two", 192, batch=2, **UNET),
    decode_case("plain", 64, **VAE),
    decode_case("batch", 64, batch=3, **VAE),
    decode_case("one by one", 64, batch=3, mode="sliced", **VAE),
    decode_case("in tiles", 64, mode="tiled", **VAE),
    chat_case("phi", "Phi3", 700, num_key_value_heads=8, **TEXT),
    chat_case("mistral", "Mistral", 700, num_key_value_heads=2, sliding_window=None, **TEXT),
]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_an_estimate_lies_at_or_above_what_a_real_run_holds(case, dtype):
    peak, config = measured_peak(case, dtype)
    assert 1.0 <= case.estimate(config, str(dtype).removeprefix("torch.")) / peak < 1.8


def test_a_trace_without_data_counts_what_a_real_run_holds():
    case = SMALL[1]
    measured, _ = measured_peak(case, torch.float32)
    traced, _ = traced_peak(case, torch.float32)
    assert traced == pytest.approx(measured, rel=0.02)


# What `python -m playground.bench.working_memory --full` traced, in bytes, 16 bit: (estimate, peak).
TRACED = {
    "SD 1 512": (step_working_bytes(SD_UNET, 512, 512), 136.6e6),
    "SD 1 768": (step_working_bytes(SD_UNET, 768, 768), 307.1e6),
    "SD 1 512x768": (step_working_bytes(SD_UNET, 512, 768), 204.8e6),
    "SD 1 512, 2 at once": (step_working_bytes(SD_UNET, 512, 512, 2), 273.2e6),
    "SDXL 1024": (step_working_bytes(SDXL_UNET, 1024, 1024), 331.2e6),
    "SD 3 1024": (transformer_working_bytes(SD_3, 1024, 1024), 339.8e6),
    "FLUX 1024": (transformer_working_bytes(FLUX, 1024, 1024), 490.8e6),
    "PixArt 1024": (transformer_working_bytes(PIXART, 1024, 1024), 229.3e6),
    "decode 512": (decode_working_bytes(SD_VAE, 512, 512), 402.7e6),
    "decode 512, 4 one by one": (decode_working_bytes(SD_VAE, 512, 512, 4, mode="sliced"), 407.5e6),
    "decode 1024 in tiles": (decode_working_bytes(SD_VAE, 1024, 1024, mode="tiled"), 408.3e6),
    "decode 2048 in tiles": (decode_working_bytes(SD_VAE, 2048, 2048, mode="tiled"), 442.5e6),
}


@pytest.mark.parametrize("name", TRACED)
def test_estimates_of_the_real_shapes_cover_what_was_traced_and_not_much_more(name):
    estimate, peak = TRACED[name]
    assert 1.0 <= estimate / peak < 1.6


def test_working_memory_grows_with_size_batch_and_dtype():
    for estimate in (
        lambda *a, **k: step_working_bytes(SD_UNET, *a, **k),
        lambda *a, **k: transformer_working_bytes(SD_3, *a, **k),
        lambda *a, **k: decode_working_bytes(SD_VAE, *a, **k),
    ):
        one = estimate(512, 512)
        assert estimate(512, 512, 2) == pytest.approx(2 * one, rel=0.01)
        assert estimate(512, 512, dtype="float32") == pytest.approx(2 * one, rel=1e-6)
        assert estimate(1024, 1024) > 3 * one


def test_slicing_and_tiling_cost_less_the_more_there_is_to_decode():
    plain, sliced, tiled = (decode_working_bytes(SD_VAE, 1024, 1024, 4, mode=m) for m in ("plain", "sliced", "tiled"))
    assert plain > 3.5 * sliced > 10 * tiled / 3
    assert decode_working_bytes(SD_VAE, 512, 512, mode="tiled") == decode_working_bytes(SD_VAE, 512, 512)


def test_a_vae_that_overflows_decodes_in_32_bit():
    careful = {**SD_VAE, "force_upcast": True}
    assert decode_working_bytes(careful, 512, 512, dtype="float16") == decode_working_bytes(
        SD_VAE, 512, 512, dtype="float32"
    )
    assert decode_working_bytes(careful, 512, 512, dtype="bfloat16") == decode_working_bytes(SD_VAE, 512, 512)


def test_guidance_doubles_a_step_and_flux_has_none():
    assert step_working_bytes(SD_UNET, 1024, 1024, guided=False) * 2 == pytest.approx(
        step_working_bytes(SD_UNET, 1024, 1024), rel=0.01
    )
    assert transformer_working_bytes(FLUX, 512, 512, guided=True) == transformer_working_bytes(
        FLUX, 512, 512, guided=False
    )


def test_pipelines_without_a_formula_have_no_shape():
    assert image_shape({"unet": SD_UNET}) is None
    assert image_shape({"vae": SD_VAE, "prior": {}}) is None
    shape = image_shape({"vae": SD_VAE, "transformer": FLUX})
    assert shape is not None
    assert not shape.is_unet
    assert shape.working(512, 512) == max(shape.step(512, 512), shape.decode(512, 512))
