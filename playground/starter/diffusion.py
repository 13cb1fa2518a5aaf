"""The starter diffusion models: a text encoder and a UNet trained together on latents, v-prediction, SD's schedule."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.starter.loop import Outcome, Plan, train_loop
from playground.starter.pool import ScenePool
from playground.starter.scenes import WORLD, World
from playground.starter.vae import encode_latents

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

DIFFUSION_SEED = 21
# From here on sampling feeds (almost) pure noise, so training does as well: the picture's mean colour must come
# from the words, not from what little of the latents Stable Diffusion's schedule leaves at its end.
PURE_NOISE_FROM = 980


@dataclass(frozen=True)
class DiffusionShape:
    """Sizes of the UNet (a channel count a level, attention in all levels but the first) and of the text encoder."""

    channels: tuple[int, ...] = (48, 96, 160)
    groups: int = 16
    head_width: int = 64
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 2


def build_unet(shape: DiffusionShape) -> UNet2DConditionModel:
    """Make an untrained UNet for 16x16 latents of 4 channels."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    deep = len(shape.channels) - 1
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=shape.channels,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * deep),
        up_block_types=(*("CrossAttnUpBlock2D",) * deep, "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=shape.groups,
        cross_attention_dim=shape.text_width,
        # diffusers names the number of heads so; kept, because Stable Diffusion 1's own configuration does.
        attention_head_dim=tuple(max(1, channels // shape.head_width) for channels in shape.channels),
    )


def build_text_encoder(shape: DiffusionShape, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Make an untrained CLIP text encoder that fits the tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.text_width,
            intermediate_size=4 * shape.text_width,
            projection_dim=shape.text_width,
            num_hidden_layers=shape.text_layers,
            num_attention_heads=shape.text_heads,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def build_scheduler() -> DPMSolverMultistepScheduler:
    """Make the default sampler: DPM++ 2M on Stable Diffusion's noise schedule, v-prediction."""
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="trailing",
        steps_offset=1,
    )


def velocity_batch(latents: Tensor, noise: Tensor, timesteps: Tensor, alphas: Tensor) -> tuple[Tensor, Tensor]:
    """Return (noised latents, velocity target) of Salimans and Ho (2022), both like `latents` (B, 4, H, W).

    `alphas` is the cumulative product over all timesteps. Timesteps from PURE_NOISE_FROM on see noise alone.
    """
    alpha = alphas[timesteps][:, None, None, None]
    noised = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    noised = torch.where((timesteps >= PURE_NOISE_FROM)[:, None, None, None], noise, noised)
    return noised, alpha.sqrt() * noise - (1 - alpha).sqrt() * latents


def object_weights(latents: Tensor, extra: float = 3.0) -> Tensor:
    """Return (B, 1, H, W): 1 on the background of latents (B, 4, H, W), 1 + `extra` where an object is.

    Objects fill a tenth of a picture, and a solid background is soon learned; what is left to learn weighs more.
    """
    rim = torch.cat([latents[:, :, 0], latents[:, :, -1], latents[:, :, :, 0], latents[:, :, :, -1]], dim=-1)
    apart = (latents - rim.median(-1).values[:, :, None, None]).abs().amax(1, keepdim=True) > 0.5
    return 1 + extra * F.max_pool2d(apart.float(), 3, stride=1, padding=1)


def diffusion_loss(
    unet: UNet2DConditionModel, text_encoder: CLIPTextModel, latents: Tensor, ids: Tensor, seed: int, alphas: Tensor
) -> Tensor:
    """Return the mean squared velocity error, objects weighing more, for latents (B, 4, H, W) and token ids (B, T)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(latents.shape, generator=generator)
    # One timestep from each of B equal strata: the same mean as drawing freely, with less noise in the loss.
    # The power leans towards noisy timesteps, where it is the words that decide.
    offsets = (torch.arange(len(latents)) + torch.rand(len(latents), generator=generator)) / len(latents)
    timesteps = (offsets**0.75 * len(alphas)).long().clamp_(max=len(alphas) - 1)
    noised, target = velocity_batch(latents, noise, timesteps, alphas)
    with torch.autocast("cpu", torch.bfloat16):
        words = text_encoder(input_ids=ids).last_hidden_state
        guess = unet(noised, timesteps, encoder_hidden_states=words).sample
    weights = object_weights(latents)
    return (weights * (guess.float() - target).square()).mean() / weights.mean()


def train_diffusion(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    vae: AutoencoderKL,
    plan: Plan,
    work: Path,
    *,
    world: World = WORLD,
    batch: int = 32,
    pool_size: int = 3000,
    refresh: int = 3,
    drop_caption: float = 0.1,
    resume: bool = False,
    on_save: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Train UNet and text encoder together; leaves the averaged weights in both.

    `drop_caption` is the share of empty captions, which classifier-free guidance needs (Ho and Salimans 2022).
    """
    from diffusers.models.attention_processor import AttnProcessor

    alphas = build_scheduler().alphas_cumprod
    unet.train()
    # On CPU the backward pass of fused attention is slower than plain matrix products for maps this small.
    unet.set_attn_processor(AttnProcessor())
    text_encoder.set_attn_implementation("eager")
    text_encoder.train()

    pools: list[ScenePool] = []

    def loss_at(step: int) -> Tensor:
        if not pools:
            # Made here, so that nothing waits for it when there is no step left; a resumed training sees new scenes.
            pools.append(
                ScenePool(
                    lambda images: encode_latents(vae, images),
                    seed=DIFFUSION_SEED,
                    size=pool_size,
                    first=step * refresh,
                    world=world,
                )
            )
        pool = pools[0]
        if step % 8 == 0:
            pool.refresh(8 * refresh)
        latents, texts = pool.batch(step, batch)
        rng = random.Random(f"drop/{step}")
        texts = ["" if rng.random() < drop_caption else text for text in texts]
        ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return diffusion_loss(unet, text_encoder, latents, ids, step, alphas)

    modules: dict[str, nn.Module] = {"unet": unet, "text_encoder": text_encoder}
    outcome = train_loop(modules, loss_at, plan, work, resume=resume, on_save=on_save)
    for module in (unet, text_encoder):
        module.eval().requires_grad_(False)
    return outcome
