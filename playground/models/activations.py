"""Bytes that a diffusion step and a VAE decode need beside the weights, from their configs. No torch.

Estimates made to be reserved: they count the tensors that live at the widest point of the forward pass, and lie at or
somewhat above what is measured (`python -m playground.bench.working_memory`). Attention is counted as linear in the
tokens, since scaled-dot-product attention keeps no score matrix. Nothing here is about time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from playground.models.sizes import itemsize

Config = Mapping[str, Any]

MARGIN = 1.1  # for what the libraries of kernels keep to themselves
DECODES = ("plain", "sliced", "tiled")
TILE_OVERLAP = 0.25  # of a tile, as diffusers sets it
KERNEL = 9  # elements of a 3x3 convolution
DENOISERS = ("unet", "transformer")  # the names of the component that takes the steps


@dataclass(frozen=True)
class Moment:
    """What lives at one point of a forward pass: elements a picture, and elements of weights that a kernel copies."""

    elements: float
    copied: float = 0.0


def peak_bytes(moments: Iterator[Moment], batch: int, dtype: str) -> int:
    """Bytes of the worst moment for `batch` pictures at once."""
    worst = max(moment.elements * batch + moment.copied for moment in moments)
    return int(worst * itemsize(dtype) * MARGIN)


# --- UNets -----------------------------------------------------------------------------------------------------------


def step_working_bytes(
    unet: Config,
    width: int,
    height: int,
    batch: int = 1,
    *,
    guided: bool = True,
    dtype: str = "bfloat16",
    scale: int = 8,
) -> int:
    """Bytes of activations of one UNet step at a picture size in pixels; `scale` is pixels to a latent's side.

    Guidance doubles the batch.
    """
    area = -(-width // scale) * -(-height // scale)
    return peak_bytes(_unet_moments(unet, area), batch * (2 if guided else 1), dtype)


def _unet_moments(unet: Config, area: int) -> Iterator[Moment]:
    """The way up, block by block: at each level it holds the most, since all skips of the levels above still wait."""
    channels = [int(c) for c in unet["block_out_channels"]]
    areas = [max(1, area // 4**i) for i in range(len(channels))]
    depths = _per_level(unet.get("layers_per_block", 2), len(channels))
    attends = _attends(unet, len(channels))
    skips = channels[0] * area
    waiting = []  # elements of the skips that wait while a level is on its way up
    for i, c in enumerate(channels):
        skips += depths[i] * c * areas[i]
        waiting.append(skips)
        if i + 1 < len(channels):
            skips += c * areas[i + 1]
    for i, c in enumerate(channels):
        below = channels[min(i + 1, len(channels) - 1)]  # what comes up from the level below
        held = waiting[i] + below * areas[i]
        joined = below + c  # what comes up, concatenated with the first skip
        # A residual block: its input, the normalised input, the convolution's copy of it, and its result twice.
        yield Moment(held + (3 * joined + 2 * c) * areas[i], KERNEL * joined * c)
        if attends[i]:
            # A transformer's feed-forward: two residuals, input, attention, normalised input, and GEGLU's 8 + 4 + 4.
            yield Moment(held + 21 * c * areas[i])
        if i > 0:
            yield Moment(held + c * areas[i] + 3 * c * areas[i - 1], KERNEL * c * c)


def _per_level(value: Any, levels: int) -> list[int]:
    return [int(v) for v in value] if isinstance(value, list | tuple) else [int(value)] * levels


def _attends(unet: Config, levels: int) -> list[bool]:
    """Which levels have attention, by the names of their blocks; all where the config names none."""
    names = unet.get("up_block_types")
    if not isinstance(names, list | tuple) or len(names) != levels:
        return [True] * levels
    return ["attn" in str(name).lower() for name in reversed(names)]


# --- transformers ----------------------------------------------------------------------------------------------------


def transformer_working_bytes(
    config: Config,
    width: int,
    height: int,
    batch: int = 1,
    *,
    guided: bool = True,
    dtype: str = "bfloat16",
    scale: int = 8,
) -> int:
    """Bytes of activations of one step of a diffusion transformer (PixArt, SD 3, FLUX) at a picture size in pixels.

    Guidance doubles the batch; FLUX, whose guidance is distilled, has none.
    """
    doubled = guided and not is_flux(config)
    return peak_bytes(_transformer_moments(config, width, height, scale), batch * (2 if doubled else 1), dtype)


def is_flux(config: Config) -> bool:
    return bool(config.get("num_single_layers"))


def _transformer_moments(config: Config, width: int, height: int, scale: int) -> Iterator[Moment]:
    dim = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    # FLUX packs two latents a side into one token before its patches of one.
    patch = int(config.get("patch_size") or 2) * (2 if is_flux(config) else 1)
    image = -(-width // (scale * patch)) * -(-height // (scale * patch))
    text = text_tokens(config)
    joint = image + text
    # A block of joint attention: queries, keys and values of both streams, apart and joined, then the feed-forward.
    yield Moment(dim * (13 * joint))
    if is_flux(config):
        yield Moment(dim * (17 * joint))


def text_tokens(config: Config) -> int:
    """Tokens of the prompt that the transformer sees: FLUX 512, SD 3 77 + 256; PixArt's 120 only in cross-attention."""
    if is_flux(config):
        return 512
    return 333 if config.get("pooled_projection_dim") else 120


# --- pipelines -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImageShape:
    """What an image model's working memory depends on: the configs of its denoiser and its VAE."""

    denoiser: Config
    vae: Config
    is_unet: bool

    def step(self, width: int, height: int, batch: int = 1, dtype: str = "bfloat16") -> int:
        """Bytes of a guided step."""
        estimate = step_working_bytes if self.is_unet else transformer_working_bytes
        return estimate(self.denoiser, width, height, batch, dtype=dtype, scale=vae_scale(self.vae))

    def decode(self, width: int, height: int, batch: int = 1, dtype: str = "bfloat16", mode: str = "plain") -> int:
        """Bytes of the decode."""
        return decode_working_bytes(self.vae, width, height, batch, dtype=dtype, mode=mode)

    def working(self, width: int, height: int, batch: int = 1, dtype: str = "bfloat16", mode: str = "sliced") -> int:
        """Bytes of the larger of the two."""
        return max(self.step(width, height, batch, dtype), self.decode(width, height, batch, dtype, mode))

    def peak(
        self,
        parts: Mapping[str, int],
        width: int,
        height: int,
        batch: int,
        dtype: str,
        *,
        tiled: bool = False,
        staged: bool = False,
    ) -> tuple[int, int]:
        """Bytes of the weights that are there at once, and of these with the work on `batch` pictures at its highest.

        The pictures are sampled together and decoded one by one.

        Args:
            parts: bytes of each component's weights as `dtype`, by the component's name.
            tiled: pictures are decoded in tiles.
            staged: the components take turns on the device.
        """
        step = self.step(width, height, batch, dtype)
        decode = self.decode(width, height, 1, dtype, "tiled" if tiled else "plain")
        if dtype == "float16" and self.vae.get("force_upcast"):  # such a VAE decodes as a float32 copy
            decode += 2 * parts.get("vae", 0)
        if not staged:
            return sum(parts.values()), sum(parts.values()) + max(step, decode)
        work = {"vae": decode, **dict.fromkeys(DENOISERS, step)}
        return max(parts.values()), max(size + work.get(name, 0) for name, size in parts.items())


def image_shape(configs: Mapping[str, Config]) -> ImageShape | None:
    """The shape of a pipeline with these component configs, or None where there is no formula for it."""
    unet, transformer, vae = (configs.get(name) or {} for name in ("unet", "transformer", "vae"))
    if not vae.get("block_out_channels"):
        return None
    if unet.get("block_out_channels"):
        return ImageShape(unet, vae, is_unet=True)
    if transformer.get("num_attention_heads") and transformer.get("attention_head_dim"):
        return ImageShape(transformer, vae, is_unet=False)
    return None


# --- decoders --------------------------------------------------------------------------------------------------------


def decode_working_bytes(
    vae: Config, width: int, height: int, batch: int = 1, *, dtype: str = "bfloat16", mode: str = "plain"
) -> int:
    """Bytes of activations of a VAE decode to `batch` pictures.

    Args:
        mode: "plain" decodes all at once; "sliced" one by one; "tiled" one by one and in overlapping tiles of the
            VAE's sample size.

    A VAE that overflows in half precision (`force_upcast`) is decoded in float32 instead of float16.
    """
    if mode not in DECODES:
        raise ValueError(f"mode must be one of {', '.join(DECODES)}, got {mode!r}")
    dtype = "float32" if dtype == "float16" and vae.get("force_upcast") else dtype
    at_once = batch if mode == "plain" else 1
    picture, tile = 3 * width * height, tile_size(vae)
    kept = float(picture * (batch - at_once))  # pictures that are finished while the last one is decoded
    area = width * height
    if mode == "tiled" and max(width, height) > tile:
        kept += picture * ((1 / (1 - TILE_OVERLAP)) ** 2 + 2)  # the tiles, the rows cut from them, and the picture
        area = min(width, tile) * min(height, tile)
    return peak_bytes(_decode_moments(vae, area), at_once, dtype) + int(kept * itemsize(dtype))


def tile_size(vae: Config) -> int:
    """A tile's side in pixels."""
    size = vae.get("sample_size") or 512
    return int(max(size) if isinstance(size, list | tuple) else size)


def vae_scale(vae: Config) -> int:
    """Pixels to the side of a latent."""
    return int(2 ** (len(vae["block_out_channels"]) - 1))


def _decode_moments(vae: Config, area: int) -> Iterator[Moment]:
    """The way up to `area` pixels, level by level, from the picture down."""
    channels = [int(c) for c in vae["block_out_channels"]]
    for i, c in enumerate(channels):
        pixels = area / 4**i
        below = channels[min(i + 1, len(channels) - 1)]
        # A residual block, as in a UNet; its input has the channels of the level below.
        yield Moment((3 * below + 2 * c) * pixels, KERNEL * below * c)
        if i > 0:
            yield Moment(c * (pixels + 3 * pixels * 4), KERNEL * c * c)
    deepest = channels[-1]
    yield Moment(8 * deepest * area / 4 ** (len(channels) - 1))  # the attention in the middle
