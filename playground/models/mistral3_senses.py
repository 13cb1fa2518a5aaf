"""How Mistral Small 3.1 and later see: a picture as rows of patches, prepared by transformers' processor with Pillow.

The processor's class with torchvision is left aside, so that the answer does not depend on what is installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from playground.errors import InvalidRequest, ModelUnavailable
from playground.models.senses import processor_of

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from transformers import PreTrainedModel

MOST_PIXELS = 2048  # of the longest edge; checkpoints say 1540
ROW_END, PICTURE_END = "[IMG_BREAK]", "[IMG_END]"


@dataclass(frozen=True)
class Mistral3Senses:
    """`patch` in pixels: what becomes one token; `longest` is the longest edge that a picture keeps."""

    image_id: int
    row_end_id: int
    picture_end_id: int
    patch: int
    longest: int
    eyes: Any
    sees: bool = True
    rate: int = 0

    @property
    def placeholders(self) -> frozenset[int]:
        return frozenset((self.image_id, self.row_end_id, self.picture_end_id))

    def picture_ids(self, width: int, height: int) -> list[int]:
        ratio = max(width / self.longest, height / self.longest)
        if ratio > 1:
            width, height = math.floor(width / ratio), math.floor(height / ratio)
        if not width or not height:
            raise InvalidRequest("A picture is too thin to be seen.", "Cut it first.")
        across, down = ((side - 1) // self.patch + 1 for side in (width, height))
        return [*(([self.image_id] * across + [self.row_end_id]) * down)[:-1], self.picture_end_id]

    def sound_ids(self, samples: int) -> list[int]:
        raise InvalidRequest("This model hears nothing.")

    def values(
        self, pictures: Sequence[Image], sounds: Sequence[np.ndarray], check: Callable[[], None]
    ) -> dict[str, torch.Tensor]:
        check()
        made = self.eyes(images=list(pictures), patch_size=self.patch, return_tensors="pt")
        return {"pixel_values": made["pixel_values"], "image_sizes": torch.as_tensor(made["image_sizes"])}

    @contextmanager
    def switched(self, model: PreTrainedModel, values: dict[str, Any]) -> Iterator[None]:
        yield


def mistral3_senses(name: str, folder: Path, model: PreTrainedModel, tokenizer: Any) -> Mistral3Senses:
    """Those of the model from `folder`.

    Raises:
        ModelUnavailable: the processor's figures or the tokenizer do not fit the model.
    """
    from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

    config: Any = model.config
    says = processor_of(folder)
    eyes = says.get("image_processor") or says
    patch, merge = int(config.vision_config.patch_size), int(config.spatial_merge_size)
    longest = int((eyes.get("size") or {}).get("longest_edge") or config.vision_config.image_size)
    told = eyes.get("patch_size") or patch
    told = told.get("height") if isinstance(told, dict) else told
    ends = tokenizer.convert_tokens_to_ids([ROW_END, PICTURE_END])
    if told != patch or not patch * merge <= longest <= MOST_PIXELS or None in ends or ends[0] == ends[1]:
        raise ModelUnavailable(
            f"The processor of {name} does not fit its model: patch_size {told}, longest_edge {longest}, "
            f"tokens {ROW_END} and {PICTURE_END} {ends}.",
            "Fetch the model again.",
        )
    figures = {key: eyes[key] for key in ("image_mean", "image_std", "rescale_factor") if key in eyes}
    made = PixtralImageProcessorPil(size={"longest_edge": longest}, **figures)
    return Mistral3Senses(
        image_id=int(config.image_token_id),
        row_end_id=int(ends[0]),
        picture_end_id=int(ends[1]),
        patch=patch * merge,
        longest=longest,
        eyes=made,
    )
