"""The starter autoencoder: AutoencoderKL of factor 8 with 4 latent channels, trained on scenes and clutter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.starter.loop import Outcome, Plan, in_half, train_loop
from playground.starter.render import render, render_clutter
from playground.starter.scenes import scene_at

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

# Stable Diffusion 1's factor: latents are rescaled inside the model so that this one is right here as well.
SCALING_FACTOR = 0.18215
VAE_SEED = 11


def build_vae(channels: tuple[int, ...] = (32, 64, 96, 96), groups: int = 8) -> AutoencoderKL:
    """Make an untrained AutoencoderKL; each entry of `channels` but the last halves the image."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        layers_per_block=1,
        norm_num_groups=groups,
        sample_size=128,
        scaling_factor=SCALING_FACTOR,
    )
    # A posterior of variance 1 would drown the young latents in noise and cost some hundred steps.
    with torch.no_grad():
        vae.quant_conv.bias[4:] = -5.0
    return vae


def crops(seed: int, step: int, batch: int, side: int) -> Tensor:
    """Return (batch, 3, side, side) in [-1, 1]: random crops, four scenes to every cluttered picture."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    pictures = []
    for slot in range(batch):
        index = step * batch + slot
        picture = render_clutter(seed, index) if slot % 5 == 0 else render(scene_at(seed, index))
        top, left = torch.randint(0, picture.shape[-1] - side + 1, (2,), generator=generator).tolist()
        pictures.append(picture[:, top : top + side, left : left + side])
    return torch.stack(pictures) * 2 - 1


def vae_loss(vae: AutoencoderKL, images: Tensor, kl_weight: float = 1e-3) -> Tensor:
    """Return L1 + 2 MSE + a small KL term for images (B, 3, H, W) in [-1, 1]."""
    with in_half(images.device):
        posterior = vae.encode(images).latent_dist
        rebuilt = vae.decode(posterior.sample()).sample
    error = rebuilt.float() - images
    # KL per image grows with the area; divided by the pixels it weighs the same at every crop size.
    kl = posterior.kl().float().mean() / images[0, 0].numel()
    return error.abs().mean() + 2 * error.square().mean() + kl_weight * kl


def train_vae(vae: AutoencoderKL, plan: Plan, work: Path, *, batch: int = 24, side: int = 64, resume: bool) -> Outcome:
    """Train on random crops, then standardise the latents; leaves the averaged weights in `vae`."""
    nn.Module.train(vae)
    vae.to(memory_format=torch.channels_last)  # type: ignore[call-arg]
    outcome = train_loop(
        {"vae": vae},
        lambda step: vae_loss(vae, crops(VAE_SEED, step, batch, side).to(vae.device)),
        plan,
        work,
        resume=resume,
    )
    vae.eval().requires_grad_(False)
    pictures = torch.stack([render(scene_at(VAE_SEED + 1, index)) for index in range(256)])
    standardise(vae, (pictures * 2 - 1).to(vae.device))
    return outcome


def decoder_loss(vae: AutoencoderKL, images: Tensor, noise: Tensor) -> Tensor:
    """Return L1 + 2 MSE of what the decoder makes of the encoder's latents plus `noise`, (B, 4, H/8, W/8) unscaled."""
    with in_half(images.device):
        with torch.no_grad():
            latents = vae.encode(images).latent_dist.mean + noise
        rebuilt = vae.decode(latents).sample
    error = rebuilt.float() - images
    return error.abs().mean() + 2 * error.square().mean()


def polish_decoder(
    vae: AutoencoderKL, plan: Plan, work: Path, *, batch: int = 12, side: int = 64, resume: bool
) -> Outcome:
    """Train the decoder on, the latents staying what they are; noise in them makes it forgive a diffusion model."""
    assert vae.post_quant_conv is not None
    parts = nn.ModuleDict({"decoder": vae.decoder, "post": vae.post_quant_conv})
    parts.train().requires_grad_(True)

    def loss_at(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(step)
        noise = torch.randn(batch, 4, side // 8, side // 8, generator=generator)
        noise *= torch.rand(batch, 1, 1, 1, generator=generator) * 0.1 / SCALING_FACTOR
        images = crops(VAE_SEED + 2, step, batch, side).to(vae.device)
        return decoder_loss(vae, images, noise.to(vae.device))

    outcome = train_loop({"decoder": parts}, loss_at, plan, work, resume=resume)
    vae.eval().requires_grad_(False)
    return outcome


@torch.no_grad()
def standardise(vae: AutoencoderKL, images: Tensor) -> None:
    """Rescale the latents inside the 1x1 convolutions: zero mean and unit variance a channel after SCALING_FACTOR.

    What the model decodes stays the same; the diffusion model gets even channels.
    """
    assert vae.quant_conv is not None
    assert vae.post_quant_conv is not None
    means = torch.cat([vae.encode(part).latent_dist.mean for part in images.split(32)])
    centre = means.mean((0, 2, 3))
    scale = SCALING_FACTOR * means.std((0, 2, 3))
    quant, post = vae.quant_conv, vae.post_quant_conv
    assert quant.bias is not None
    assert post.bias is not None
    # latents' = (latents - centre) / scale, so the decoder sees latents' * scale + centre.
    post.bias += post.weight[:, :, 0, 0] @ centre
    post.weight *= scale[None, :, None, None]
    quant.weight[:4] /= scale[:, None, None, None]
    quant.bias[:4] = (quant.bias[:4] - centre) / scale
    quant.bias[4:] -= 2 * scale.log()


@torch.no_grad()
def encode_latents(vae: AutoencoderKL, images: Tensor, part: int = 32) -> Tensor:
    """Return scaled latents (B, 4, H/8, W/8) float32 of images (B, 3, H, W) in [0, 1]."""
    device = vae.device
    with in_half(device):
        rows = [vae.encode(some.to(device) * 2 - 1).latent_dist.mean.float() for some in images.split(part)]
    return torch.cat(rows) * SCALING_FACTOR


@torch.no_grad()
def psnr_each(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of the reconstruction of each of images (B, 3, H, W) in [0, 1]."""
    images = images.to(vae.device)
    rebuilt = torch.cat([vae.decode(vae.encode(s * 2 - 1).latent_dist.mean).sample for s in images.split(16)])
    error = F.mse_loss((rebuilt / 2 + 0.5).clamp(0, 1), images, reduction="none").mean((1, 2, 3))
    return -10 * error.log10()
