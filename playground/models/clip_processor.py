"""Text and pictures as CLIP takes them, without torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class ClipProcessor:
    """`processor(text=[...], images=[...])`: the tensors for `CLIPModel`, on its device and in its dtype."""

    def __init__(self, tokenizer: Any, images: Any, length: int, device: str, dtype: torch.dtype) -> None:
        self.tokenizer = tokenizer
        self.images = images
        self._length = length
        self._device = device
        self._dtype = dtype

    def __call__(self, text: Sequence[str] | None = None, images: Sequence[Image] | None = None) -> dict[str, Any]:
        """`input_ids` and `attention_mask` (N, up to the model's length); `pixel_values` (N, 3, size, size).

        Texts longer than the model takes are cut, as CLIP does. Needs one of the two.
        """
        if text is None and images is None:
            raise ValueError("CLIP needs text, images or both, got neither")
        tensors: dict[str, Any] = {}
        if text is not None:
            batch = self.tokenizer(
                list(text), padding=True, truncation=True, max_length=self._length, return_tensors="pt"
            )
            for name in ("input_ids", "attention_mask"):
                tensors[name] = batch[name].to(self._device)
        if images is not None:
            pixels = self.images(images=[picture.convert("RGB") for picture in images], return_tensors="pt")
            tensors["pixel_values"] = pixels["pixel_values"].to(self._device, self._dtype)
        return tensors


def image_processor(folder: Path) -> Any:
    """The folder's CLIP image processor, on the backend that needs Pillow only."""
    try:
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as Processor
    except ImportError:  # transformers before 5 has one backend only
        from transformers import CLIPImageProcessor as Processor  # type: ignore[assignment]
    return Processor.from_pretrained(folder, local_files_only=True)
