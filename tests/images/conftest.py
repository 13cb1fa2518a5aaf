"""A whole Stable Diffusion of random weights, small enough to run any sampler in a fraction of a second."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from playground.catalog import Defaults, ModelCard
from playground.images.request import checked_image
from playground.images.run import paint
from playground.models.loaded import LoadedImage
from playground.protocol import CancelToken, Event, ImageRequest, ImageStats
from playground.protocol import Image as Picture

CARD = ModelCard(
    id="tiny-sd",
    name="Tiny SD",
    kind="image",
    source="tiny/tiny-sd",
    model_class="StableDiffusionPipeline",
    native_size=64,
    licence="none",
    defaults=Defaults(
        steps=4, guidance_scale=3.0, width=64, height=64, sampler="DDIM", schedule="Automatic",
        temperature=None, top_p=None, max_new_tokens=None,
    ),
)  # fmt: skip


def byte_tokenizer() -> Any:
    """A CLIP tokenizer whose tokens are the 256 bytes, alone and at the end of a word."""
    from transformers import CLIPTokenizer

    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    letters = [chr(b) if b in kept else chr(next(spare)) for b in range(256)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[], model_max_length=77)


def tiny_components(in_channels: int = 4) -> dict[str, Any]:
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=37, num_attention_heads=4, num_hidden_layers=2,
        bos_token_id=512, eos_token_id=513, pad_token_id=513,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=in_channels, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32, attention_head_dim=4, norm_num_groups=4,
    )  # fmt: skip
    vae = AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 8, 8), norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
    )  # fmt: skip
    scheduler = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, set_alpha_to_one=False,
        skip_prk_steps=True,
    )  # fmt: skip
    return {
        "vae": vae.eval(),
        "text_encoder": CLIPTextModel(text).eval(),
        "tokenizer": tokenizer,
        "unet": unet.eval(),
        "scheduler": scheduler,
        "safety_checker": None,
        "feature_extractor": None,
    }


def load(components: dict[str, Any], card: ModelCard = CARD) -> LoadedImage:
    from diffusers import StableDiffusionInpaintPipeline, StableDiffusionPipeline

    inpaints = card.model_class == "StableDiffusionInpaintPipeline"
    cls = StableDiffusionInpaintPipeline if inpaints else StableDiffusionPipeline
    return LoadedImage(card, cls, components, "cpu", torch.float32, 0)


@pytest.fixture(scope="session")
def tiny() -> LoadedImage:
    return load(tiny_components())


@pytest.fixture(scope="session")
def tiny_inpainter() -> LoadedImage:
    card = CARD.model_copy(update={"model_class": "StableDiffusionInpaintPipeline"})
    return load(tiny_components(in_channels=9), card)


@pytest.fixture
def draw(tiny: LoadedImage) -> Callable[..., tuple[list[Event], ImageStats]]:
    """Runs a request on the tiny model: its events and stats."""

    def run(cancel: CancelToken | None = None, **fields: Any) -> tuple[list[Event], ImageStats]:
        request = ask(**fields)
        events: list[Event] = []
        stats = paint(tiny, checked_image(request, tiny.card), cancel or CancelToken(), events.append)
        return events, stats

    return run


def ask(**fields: Any) -> ImageRequest:
    return replace(ImageRequest(model="tiny-sd", prompt="a red ball", seed=7), **fields)


def pictures(events: list[Event]) -> list[Picture]:
    return [e for e in events if isinstance(e, Picture)]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def png(picture: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def photo(width: int = 64, height: int = 64, seed: int = 1) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def spot(width: int = 64, height: int = 64, box: tuple[int, int, int, int] = (20, 24, 44, 40)) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, box)
    return mask
