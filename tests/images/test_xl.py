"""The XL family runs through the same code: two text encoders, and a VAE that must not be cast in place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from playground.images.request import checked_image
from playground.images.run import paint
from playground.models.loaded import LoadedImage
from playground.protocol import CancelToken, Step
from tests.images.conftest import CARD, ask, byte_tokenizer, photo, pictures, pixels, png, spot, tiny_components

XL_CARD = CARD.model_copy(update={"model_class": "StableDiffusionXLPipeline"})


@pytest.fixture(scope="module")
def tiny_xl() -> LoadedImage:
    parts = tiny_components()
    torch.manual_seed(0)
    text = CLIPTextConfig(
        vocab_size=514, hidden_size=32, intermediate_size=37, num_attention_heads=4, num_hidden_layers=3,
        bos_token_id=512, eos_token_id=513, pad_token_id=513, projection_dim=32,
    )  # fmt: skip
    parts["text_encoder"] = CLIPTextModel(text).eval()
    parts |= {"text_encoder_2": CLIPTextModelWithProjection(text).eval(), "tokenizer_2": byte_tokenizer()}
    parts["unet"] = UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 32, cross_attention_dim=64,
        norm_num_groups=4,
    ).eval()  # fmt: skip
    parts["vae"].register_to_config(force_upcast=True)
    return LoadedImage(XL_CARD, StableDiffusionXLPipeline, parts, "cpu", torch.float32, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"kind": "image_to_image", "image": png(photo(70, 64)), "prompt": ""},
        {"kind": "inpaint", "image": png(photo(70, 64)), "mask": png(spot(70, 64)), "masked_content": "latent noise"},
        {"kind": "style_transfer", "image": png(photo()), "style": png(photo(seed=2)), "prompt": ""},
    ],
    ids=["text", "image", "inpaint", "style"],
)
def test_every_kind_runs_on_the_xl_family(tiny_xl, fields):
    events = []
    request = checked_image(ask(batch_size=2, steps=6, sampler="DPM++ 2M", **fields), XL_CARD)
    stats = paint(tiny_xl, request, CancelToken(), events.append)
    first, second = pictures(events)
    assert not np.array_equal(pixels(first.png), pixels(second.png))
    assert any(e.preview for e in events if isinstance(e, Step))
    assert stats.outside_identical is (True if "mask" in fields else None)


def test_a_half_precision_vae_that_overflows_is_run_in_float32_and_left_as_it_was(tiny_xl):
    from playground.images.latents import safe_vae, to_picture_tensor

    vae = tiny_components()["vae"].to(torch.float16)
    vae.register_to_config(force_upcast=True)
    assert safe_vae(vae).dtype == torch.float32
    with torch.inference_mode():
        assert to_picture_tensor(vae, torch.zeros(1, 4, 8, 8, dtype=torch.float16)).dtype == torch.float32
    assert vae.dtype == torch.float16
