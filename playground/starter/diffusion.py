"""The starter diffusion models: a text encoder and a UNet trained together on latents, v-prediction, SD's schedule."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from playground.starter.course import COURSE, Course
from playground.starter.loop import Outcome, Plan, in_half, train_loop
from playground.starter.pool import ScenePool
from playground.starter.scenes import Scene
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

    channels: tuple[int, ...] = (64, 128, 224)
    groups: int = 16
    head_width: int = 64
    text_width: int = 192
    text_layers: int = 3
    text_heads: int = 3


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


def object_weights(scenes: Sequence[Scene], height: int, width: int, extra: float = 3.0) -> Tensor:
    """Return (B, 1, height, width): 1 on the ground of each scene, 1 + `extra` on and around its objects.

    Objects fill a tenth of a picture, and a solid ground is soon learned; what is left to learn weighs more.
    """
    down = ((torch.arange(height) + 0.5) / height)[:, None]
    across = ((torch.arange(width) + 0.5) / width)[None, :]
    shorter = min(height, width)
    weights = torch.ones(len(scenes), 1, height, width)
    for row, scene in zip(weights, scenes, strict=True):
        for item in scene.items:
            reach = (item.radius * 1.1 * shorter + 1) / shorter  # a shape's reach, and one latent beyond it
            near_x = ((across - item.x).abs() * width / shorter) < reach
            near_y = ((down - item.y).abs() * height / shorter) < reach
            row[0][near_x & near_y] = 1 + extra
    return weights


def diffusion_loss(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    latents: Tensor,
    ids: Tensor,
    weights: Tensor,
    seed: int,
    alphas: Tensor,
) -> Tensor:
    """Return the mean squared velocity error, weighted by (B, 1, H, W), for latents (B, 4, H, W) and ids (B, T).

    All lie on one device; noise and timesteps are drawn on the CPU, so that a seed gives the same ones everywhere.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(latents.shape, generator=generator).to(latents.device)
    # One timestep from each of B equal strata: the same mean as drawing freely, with less noise in the loss.
    # The power leans towards noisy timesteps, where it is the words that decide.
    offsets = (torch.arange(len(latents)) + torch.rand(len(latents), generator=generator)) / len(latents)
    timesteps = (offsets**0.75 * len(alphas)).long().clamp_(max=len(alphas) - 1).to(latents.device)
    noised, target = velocity_batch(latents, noise, timesteps, alphas)
    with in_half(latents.device):
        words = text_encoder(input_ids=ids).last_hidden_state
        guess = unet(noised, timesteps, encoder_hidden_states=words).sample
    return (weights * (guess.float() - target).square()).mean() / weights.mean()


class LatentScenes:
    """The training stream in latents: mostly of one size, at times of others, from an easy world to the full one."""

    def __init__(self, vae: AutoencoderKL, course: Course, first: int) -> None:
        self.vae, self.course, self.first = vae, course, first
        self.pools: dict[tuple[int, int], ScenePool] = {}

    def _pool(self, size: tuple[int, int]) -> ScenePool:
        if size not in self.pools:
            # A resumed training sees new scenes: the stream goes on about where it was, and no two sizes share one.
            self.pools[size] = ScenePool(
                lambda images: encode_latents(self.vae, images).cpu(),
                seed=DIFFUSION_SEED + 1000 * size[0] + size[1],
                size=self.course.pool if size == self.course.size else self.course.pool // 16,
                first=self.first,
                world=self.course.world_at(self.first),
                picture=size,
            )
        return self.pools[size]

    def batch(self, step: int, count: int) -> tuple[Tensor, list[str], Tensor]:
        """Return latents (B, 4, H/8, W/8), captions and loss weights (B, 1, H/8, W/8) of step `step`."""
        size = self.course.size_at(step)
        pool = self._pool(size)
        pool.world = self.course.world_at(step)
        if step % 8 == 0 or size != self.course.size:
            pool.refresh(min(8 * self.course.refresh, len(pool.scenes)))
        latents, texts, scenes = pool.batch(step, count)
        return latents, texts, object_weights(scenes, latents.shape[2], latents.shape[3])


def train_diffusion(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    vae: AutoencoderKL,
    plan: Plan,
    work: Path,
    *,
    course: Course = COURSE,
    batch: int = 64,
    drop_caption: float = 0.1,
    resume: bool = False,
    on_save: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Train UNet and text encoder together where they lie; leaves the averaged weights in both.

    `drop_caption` is the share of empty captions, which classifier-free guidance needs (Ho and Salimans 2022).
    """
    from diffusers.models.attention_processor import AttnProcessor

    device = unet.device
    alphas = build_scheduler().alphas_cumprod.to(device)
    unet.train()
    if device.type == "cpu":
        # On CPU the backward pass of fused attention is slower than plain matrix products for maps this small.
        unet.set_attn_processor(AttnProcessor())
        text_encoder.set_attn_implementation("eager")
    text_encoder.train()
    streams: list[LatentScenes] = []

    def loss_at(step: int) -> Tensor:
        if not streams:  # made here, so that nothing waits for it when there is no step left
            streams.append(LatentScenes(vae, course, step * course.refresh))
        latents, texts, weights = streams[0].batch(step, batch)
        rng = random.Random(f"drop/{step}")
        texts = ["" if rng.random() < drop_caption else text for text in texts]
        ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        latents, ids, weights = latents.to(device), ids.to(device), weights.to(device)
        return diffusion_loss(unet, text_encoder, latents, ids, weights, step, alphas)

    modules: dict[str, nn.Module] = {"unet": unet, "text_encoder": text_encoder}
    outcome = train_loop(modules, loss_at, plan, work, resume=resume, on_save=on_save)
    for module in (unet, text_encoder):
        module.eval().requires_grad_(False)
    return outcome
