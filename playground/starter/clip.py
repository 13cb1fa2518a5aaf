"""The starter CLIP: build, train on rendered scenes and captions only, save, load; it never sees generated pictures.

`CLIPProcessor` and `CLIPImageProcessor` ask for torchvision in some versions of transformers; `load_clip` takes the
PIL image processor and the tokenizer apart, which needs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from playground.starter.loop import Outcome, Plan, in_half, train_loop
from playground.starter.pool import ScenePool
from playground.starter.reading import HEADS, facts_of, reading_loss

if TYPE_CHECKING:
    from PIL.Image import Image
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

CLIP_SEED = 31
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
READ_SHARE = 0.5  # of the reader's loss beside the contrastive one


@dataclass(frozen=True)
class ClipShape:
    """Sizes of the two towers."""

    width: int = 192
    inner: int = 640
    heads: int = 6
    image_layers: int = 6
    text_layers: int = 3
    patch: int = 16
    projection: int = 192


@dataclass(frozen=True)
class ClipProcessor:
    """Turn texts and pictures into what CLIPModel takes, as transformers' CLIPProcessor does."""

    tokenizer: CLIPTokenizer
    image_processor: CLIPImageProcessorPil

    def __call__(self, text: Sequence[str] | None = None, images: Sequence[Image] | None = None) -> dict[str, Tensor]:
        """Return input_ids and attention_mask (B, T) of texts, pixel_values (B, 3, 128, 128) of pictures."""
        made: dict[str, Tensor] = {}
        if text is not None:
            made.update(self.tokenizer(list(text), padding=True, truncation=True, return_tensors="pt"))
        if images is not None:
            made.update(self.image_processor([image.convert("RGB") for image in images], return_tensors="pt"))
        return made


def build_clip(tokenizer: CLIPTokenizer, shape: ClipShape = ClipShape()) -> CLIPModel:
    """Make an untrained CLIPModel for 128x128 pictures whose text tower fits the tokenizer."""
    from transformers import CLIPConfig, CLIPModel

    ids: dict[str, Any] = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    tower = {"hidden_size": shape.width, "intermediate_size": shape.inner, "num_attention_heads": shape.heads}
    text = tower | ids | {"num_hidden_layers": shape.text_layers, "vocab_size": len(tokenizer)}
    vision = tower | {"num_hidden_layers": shape.image_layers, "image_size": 128, "patch_size": shape.patch}
    text |= {"pad_token_id": tokenizer.pad_token_id, "max_position_embeddings": tokenizer.model_max_length}
    text["projection_dim"] = vision["projection_dim"] = shape.projection
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=shape.projection))


def normalised(images: Tensor) -> Tensor:
    """Scale pictures (B, 3, H, W) in [0, 1] to CLIP's mean and deviation."""
    return (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def roughened(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur half of the pictures a little and add noise, since generated pictures are never this clean."""
    blurred = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    mix = torch.rand(len(images), 1, 1, 1, generator=generator).sub_(0.5).clamp_(min=0) * 2
    noise = (
        torch.randn(images.shape, generator=generator) * 0.03 * torch.rand(len(images), 1, 1, 1, generator=generator)
    )
    return torch.lerp(images, blurred, mix).add_(noise).clamp_(0, 1)


def contrastive_loss(model: CLIPModel, pixels: Tensor, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the symmetric contrastive loss of CLIP (Radford et al. 2021) for matched rows, and the pictures' unit
    vectors (B, projection).
    """
    with in_half(pixels.device):
        output = model(input_ids=ids, attention_mask=mask, pixel_values=pixels)
    logits = output.logits_per_text.float()
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2, output.image_embeds


def train_clip(
    model: CLIPModel,
    tokenizer: CLIPTokenizer,
    plan: Plan,
    work: Path,
    *,
    batch: int = 128,
    pool_size: int = 6000,
    refresh: int = 24,
    resume: bool = False,
) -> Outcome:
    """Train on rendered scenes and their captions; leaves the averaged weights in `model`.

    A picture's vector must tell the facts of its scene to a linear reader, too, which is thrown away afterwards:
    telling captions apart by one fact is learned sooner from the facts than from the captions alone.
    """
    reader = torch.nn.Linear(model.visual_projection.out_features, sum(HEADS)).to(model.device)

    @cache
    def pool() -> ScenePool:
        return ScenePool(lambda x: (x * 255).round().byte(), seed=CLIP_SEED, size=pool_size, twins=True)

    def loss_at(step: int) -> Tensor:
        pool().refresh(refresh)
        rows, texts, scenes = pool().batch(step, batch)
        generator = torch.Generator().manual_seed(step)
        words = tokenizer(texts, padding=True, return_tensors="pt")
        pixels = normalised(roughened(rows.float() / 255, generator))
        inputs = (pixels, words.input_ids, words.attention_mask)
        loss, vectors = contrastive_loss(model.train(), *(tensor.to(model.device) for tensor in inputs))
        facts = torch.tensor([facts_of(scene) for scene in scenes], device=model.device)
        return loss + READ_SHARE * reading_loss(reader(vectors.float() * vectors.shape[1] ** 0.5), facts)

    outcome = train_loop({"clip": model, "reader": reader}, loss_at, plan, work, resume=resume)
    model.eval().requires_grad_(False)
    return outcome


def save_clip(model: CLIPModel, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Save model (16-bit), tokenizer and image processor into one folder that CLIPModel.from_pretrained loads."""
    from transformers import CLIPImageProcessorPil

    from playground.starter.export import load_as_float32
    from playground.starter.tokenizer import save_tokenizer

    model.half().save_pretrained(folder, max_shard_size="8MB")
    model.float()
    load_as_float32(folder)
    save_tokenizer(tokenizer, folder)
    side = {"height": 128, "width": 128}
    CLIPImageProcessorPil(size={"shortest_edge": 128}, crop_size=side, image_mean=MEAN, image_std=STD).save_pretrained(
        folder
    )


def load_clip(folder: str | Path) -> tuple[CLIPModel, ClipProcessor]:
    """Load the model in float32 for reading, and its processor; raises OSError when the folder holds no model."""
    import transformers

    model = transformers.CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    pictures = transformers.CLIPImageProcessorPil.from_pretrained(folder)
    return model, ClipProcessor(transformers.CLIPTokenizer.from_pretrained(folder), pictures)
