"""How well pictures fit their prompts, by a CLIP model in a local folder. Knows nothing of engines or of the pool.

Pictures are prepared with Pillow and numpy as `preprocessor_config.json` says, so that torchvision is not needed.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidRequest, ModelUnavailable
from playground.scores.provenance import folder_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 16


@dataclass(frozen=True)
class Preparation:
    """The part of a `preprocessor_config.json` that CLIP uses; sizes in pixels, `resample` as Pillow numbers it."""

    shortest_edge: int | None
    resize_to: tuple[int, int] | None
    crop_to: tuple[int, int] | None
    resample: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, folder: Path) -> Preparation:
        """Reads the folder's file; missing entries take CLIP's own values (shortest edge 224, bicubic)."""
        config = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        size = _size(config.get("size", {"shortest_edge": 224})) if config.get("do_resize", True) else {}
        exact = (size["width"], size["height"]) if "width" in size else None
        crop = _size(config.get("crop_size", 224), square=True) if config.get("do_center_crop", True) else {}
        normal = config.get("do_normalize", True)
        return cls(
            shortest_edge=size.get("shortest_edge"),
            resize_to=exact,
            crop_to=(crop["width"], crop["height"]) if crop else None,
            resample=config.get("resample", 3),
            scale=config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0,
            mean=tuple(config.get("image_mean", (0.48145466, 0.4578275, 0.40821073))) if normal else (0.0,) * 3,
            std=tuple(config.get("image_std", (0.26862954, 0.26130258, 0.27577711))) if normal else (1.0,) * 3,
        )

    def pixels(self, encoded: bytes) -> NDArray[np.float32]:
        """One encoded picture as (3, height, width) float32; InvalidRequest where it cannot be read."""
        import numpy as np
        from PIL import Image, UnidentifiedImageError

        try:
            picture = Image.open(io.BytesIO(encoded)).convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise InvalidRequest(f"A picture cannot be read: {error}.", "Give PNG, JPEG or WebP.") from None
        resample = Image.Resampling(self.resample)
        if self.resize_to:
            picture = picture.resize(self.resize_to, resample)
        elif self.shortest_edge:
            ratio = self.shortest_edge / min(picture.size)
            width, height = (max(self.shortest_edge, int(side * ratio)) for side in picture.size)
            picture = picture.resize((width, height), resample)
        if self.crop_to:
            width, height = self.crop_to
            left, top = (picture.width - width) // 2, (picture.height - height) // 2
            picture = picture.crop((left, top, left + width, top + height))  # black beyond the edges
        array = np.asarray(picture, dtype=np.float32) * self.scale
        normal = (array - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(normal.transpose(2, 0, 1))


class ClipScorer:
    """CLIPScore by the CLIP model in `path`, loaded on first use in float32 on the CPU; one call at a time.

    Raises (in `score`):
        ModelUnavailable: the folder lacks a model.
        InvalidRequest: pictures and prompts differ in number, or a picture cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._lock = threading.Lock()
        self._parts: tuple[Any, Any, Preparation] | None = None

    @property
    def available(self) -> bool:
        """Whether the folder holds a model."""
        return all((self.path / name).is_file() for name in ("config.json", "preprocessor_config.json"))

    def revision(self) -> str:
        """Hash of the model's files."""
        return folder_hash(self.path)

    def score(self, images_png: Sequence[bytes], prompts: Sequence[str]) -> list[float]:
        """100 max(cos, 0) of each picture with the prompt of the same place (Hessel et al. 2021, weight 100)."""
        if len(images_png) != len(prompts):
            raise InvalidRequest(
                f"Each picture needs one prompt, got {len(images_png)} pictures and {len(prompts)} prompts."
            )
        scores: list[float] = []
        with self._lock:
            for start in range(0, len(prompts), BATCH):
                scores += self._score(images_png[start : start + BATCH], prompts[start : start + BATCH])
        return scores

    def _score(self, pictures: Sequence[bytes], prompts: Sequence[str]) -> list[float]:
        import numpy as np
        import torch
        from torch.nn import functional as F

        model, tokenizer, preparation = self._load()
        pixels = torch.from_numpy(np.stack([preparation.pixels(picture) for picture in pictures]))
        limit = model.config.text_config.max_position_embeddings
        words = tokenizer(list(prompts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        with torch.inference_mode():
            out = model(input_ids=words["input_ids"], attention_mask=words["attention_mask"], pixel_values=pixels)
            cosine = F.cosine_similarity(out.image_embeds, out.text_embeds)  # (B,)
        return [100 * max(value, 0.0) for value in cosine.tolist()]

    def _load(self) -> tuple[Any, Any, Preparation]:
        if self._parts is None:
            if not self.available:
                raise ModelUnavailable(
                    f"There is no CLIP model in {self.path}.", "CLIPScore needs a folder saved by CLIPModel."
                )
            import torch
            from transformers import CLIPModel, CLIPTokenizer

            model: Any = CLIPModel.from_pretrained(
                self.path, dtype=torch.float32, use_safetensors=True, local_files_only=True
            )
            tokenizer: Any = CLIPTokenizer.from_pretrained(self.path, local_files_only=True)
            self._parts = model.eval(), tokenizer, Preparation.read(self.path)
        return self._parts


def _size(value: int | dict[str, int], square: bool = False) -> dict[str, int]:
    """A size entry, which old files write as one number: the shortest edge, or both sides of a square."""
    if isinstance(value, dict):
        return value
    return {"width": value, "height": value} if square else {"shortest_edge": value}
