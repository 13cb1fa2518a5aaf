"""How Phi-4-multimodal sees and hears: pictures as crops, sound as log-mel frames, as its own processor makes them.

transformers' image processor of this model needs torchvision; what it computes is computed here with torch alone. The
audio features come from transformers' own extractor, a minute at a time, since it takes 1.6 MB for each second.
Paper: https://arxiv.org/abs/2503.01743.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from playground.errors import InvalidRequest, ModelUnavailable
from playground.models.senses import processor_of

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from transformers import Phi4MultimodalFeatureExtractor, PreTrainedModel

MOST_CROPS = 64  # the shipped checkpoint says 36
ADAPTERS = ("vision", "speech")  # in the folders vision-lora and speech-lora
LEAST_PIXELS = 10  # of the shorter side once it is resized, as the processor demands
SECONDS_AT_ONCE = 60


@dataclass(frozen=True)
class Crops:
    """How a picture is cut: `across` x `down` crops, `width` x `height` pixels of them picture and the rest white."""

    across: int
    down: int
    width: int
    height: int


@dataclass(frozen=True)
class Phi4Senses:
    """`size` and `patch` in pixels: the side of a crop and of what the vision model takes as one token of its own."""

    image_id: int
    audio_id: int
    size: int
    patch: int
    most_crops: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    ears: Phi4MultimodalFeatureExtractor
    adapters: frozenset[str] = frozenset()
    sees: bool = True

    @property
    def rate(self) -> int:
        return int(self.ears.sampling_rate)

    @property
    def placeholders(self) -> frozenset[int]:
        return frozenset((self.image_id, self.audio_id))

    # --- tokens ---

    def picture_ids(self, width: int, height: int) -> list[int]:
        crops = self.crops(width, height)
        whole = self._side(self.size) * (self._side(self.size) + 1)  # the small picture, each row with an end
        mask = self._mask(crops)[::2, ::2]
        rows, columns = int(mask[:, 0].sum()), int(mask[0].sum())
        return [self.image_id] * (whole + 1 + rows * (columns + 1))

    def sound_ids(self, samples: int) -> list[int]:
        frames = torch.tensor(self._frames(samples) * self.ears.audio_feat_stride)
        return [self.audio_id] * int(self.ears._compute_audio_embed_size(frames))

    def crops(self, width: int, height: int) -> Crops:
        """How a picture of so many pixels is cut.

        Raises:
            InvalidRequest: it is too thin.
        """
        across, down = math.ceil(width / self.size), math.ceil(height / self.size)
        if across * down > self.most_crops:
            across, down = self._closest(width, height)
        wide, high = across * self.size, down * self.size
        if wide / width < high / height:
            found = Crops(across, down, wide, int(height * (wide / width)))
        else:
            found = Crops(across, down, int(width * (high / height)), high)
        if min(found.width, found.height) < LEAST_PIXELS:
            raise InvalidRequest(f"A picture of {width}x{height} pixels is too thin to be seen.", "Cut it first.")
        return found

    def _closest(self, width: int, height: int) -> tuple[int, int]:
        """The number of crops across and down that comes closest to the shape of a large picture."""
        most = self.most_crops
        shapes = {(i, j) for i in range(1, most + 1) for j in range(1, most // i + 1)}
        best, least = (1, 1), math.inf
        for shape in sorted(sorted(shapes), key=lambda shape: shape[0] * shape[1]):
            difference = abs(width / height - shape[0] / shape[1])
            large = width * height > 0.5 * self.size**2 * shape[0] * shape[1]
            if difference < least or (difference == least and large):
                best, least = shape, difference
        return best

    def _side(self, pixels: int) -> int:
        """Tokens along so many pixels: four patches make one."""
        return math.ceil(pixels // self.patch / 2)

    def _mask(self, crops: Crops) -> torch.Tensor:
        """(patches down, patches across), 1 where there is picture and 0 on the white beside it."""
        per_crop = self.size // self.patch
        mask = torch.ones(crops.down * per_crop, crops.across * per_crop)
        right = (crops.across * self.size - crops.width) // self.patch
        below = (crops.down * self.size - crops.height) // self.patch
        mask[:, mask.shape[1] - right :] = 0
        mask[mask.shape[0] - below :] = 0
        return mask

    # --- values ---

    def values(
        self, pictures: Sequence[Image], sounds: Sequence[np.ndarray], check: Callable[[], None]
    ) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = {}
        if pictures:
            seen = []
            for picture in pictures:
                check()
                seen.append(self.look(picture))
            most = max(len(pixels) for pixels, _, _ in seen)
            found["image_pixel_values"] = torch.stack([_filled(pixels, most, 0) for pixels, _, _ in seen])
            found["image_attention_mask"] = torch.stack([_filled(mask, most, 1) for _, mask, _ in seen])
            found["image_sizes"] = torch.tensor([size for _, _, size in seen])
        if sounds:
            lengths = torch.tensor([self._frames(len(sound)) for sound in sounds])
            most = int(lengths.max())
            heard = [self.listen(sound, most, check) for sound in sounds]
            found["audio_input_features"] = torch.stack([_filled(frames, most, 0) for frames in heard])
            found["audio_embed_sizes"] = torch.tensor([len(self.sound_ids(len(sound))) for sound in sounds])
            if len(sounds) > 1:
                found["audio_attention_mask"] = torch.arange(most)[None] < lengths[:, None]
        return found

    def look(self, picture: Image) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        """Pixels (1 + crops, 3, size, size), mask (1 + crops, patches, patches), and the sides of all crops together.

        The whole picture at the size of a crop comes first.
        """
        import numpy as np

        crops = self.crops(picture.width, picture.height)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]  # (1, 3, H, W), bytes
        pixels = F.interpolate(pixels, (crops.height, crops.width), mode="bilinear", antialias=True)
        beside, below = crops.across * self.size - crops.width, crops.down * self.size - crops.height
        pixels = F.pad(pixels, (0, beside, 0, below), value=255).float()
        mean, std = (torch.tensor(row)[:, None, None] * 255 for row in (self.mean, self.std))
        pixels = (pixels - mean) / std
        whole = F.interpolate(pixels, (self.size, self.size), mode="bicubic", align_corners=False)
        per_crop = self.size // self.patch
        mask = _cut(self._mask(crops)[None], per_crop)[:, 0]
        first = torch.ones(1, per_crop, per_crop)
        sides = [crops.down * self.size, crops.across * self.size]
        return torch.cat([whole, _cut(pixels[0], self.size)]), torch.cat([first, mask]), sides

    def listen(self, sound: np.ndarray, most: int, check: Callable[[], None]) -> torch.Tensor:
        """Log-mel frames (T, mels) of samples (N,), T up to `most`, the frames of the longest sound beside it.

        Of the frames that reach over the end of a shorter sound, the processor clears the first, but not the last.
        """
        import numpy as np

        ears = self.ears
        hop, whole = ears.hop_length, self._frames(len(sound))
        if most > whole:
            sound = np.concatenate([sound, np.zeros(ears.win_length, sound.dtype)])
        count, step = min(most, self._frames(len(sound))), SECONDS_AT_ONCE * self.rate // hop
        frames = []
        for at in range(0, count, step):
            check()
            part = sound[at * hop : (min(at + step, count) - 1) * hop + ears.win_length]
            frames.append(ears([part], sampling_rate=self.rate, return_tensors="pt")["audio_input_features"][0])
        found = torch.cat(frames)
        if most > whole:
            found[whole : (len(sound) - ears.win_length) // hop - 1] = 0
        return found

    def _frames(self, samples: int) -> int:
        return (samples - self.ears.win_length) // self.ears.hop_length + 1

    @contextmanager
    def switched(self, model: PreTrainedModel, values: dict[str, Any]) -> Iterator[None]:
        adapter = "vision" if "image_pixel_values" in values else "speech"
        if adapter not in self.adapters:
            yield
            return
        model.set_adapter(adapter)
        model.enable_adapters()
        try:
            yield
        finally:
            model.disable_adapters()


def phi4_senses(name: str, folder: Path, model: PreTrainedModel) -> Phi4Senses:
    """Those of the model from `folder`, whose files override what the shipped checkpoint uses.

    The LoRA adapters that lie beside the weights are added to the model, switched off: it was trained to see with the
    one and to hear with the other, and to read text with neither.

    Raises:
        ModelUnavailable: the processor's figures do not fit the model, or an adapter is no safetensors file.
    """
    from transformers import Phi4MultimodalFeatureExtractor

    config: Any = model.config
    says = processor_of(folder)
    eyes: Mapping[str, Any] = says.get("image_processor") or says
    known = set(Phi4MultimodalFeatureExtractor().to_dict()) - {"feature_extractor_type", "processor_class"}
    ears = says.get("audio_processor") or says.get("feature_extractor") or says
    made = Phi4MultimodalFeatureExtractor(**{key: value for key, value in ears.items() if key in known})
    vision = config.vision_config
    size = (eyes.get("size") or {}).get("height") or vision.crop_size
    senses = Phi4Senses(
        image_id=int(vision.image_token_id),
        audio_id=int(config.audio_config.audio_token_id),
        size=int(size),
        patch=int(eyes.get("patch_size") or vision.patch_size),
        most_crops=int(eyes.get("dynamic_hd") or 36),
        mean=tuple(eyes.get("image_mean") or (0.5, 0.5, 0.5)),
        std=tuple(eyes.get("image_std") or (0.5, 0.5, 0.5)),
        ears=made,
        adapters=frozenset(adapter for adapter in ADAPTERS if (folder / f"{adapter}-lora").is_dir()),
    )
    wanted = {"size": vision.crop_size, "patch": vision.patch_size}
    wrong = [f"{key} {getattr(senses, key)}" for key, value in wanted.items() if getattr(senses, key) != value]
    if not 0 < senses.most_crops <= MOST_CROPS:
        wrong.append(f"dynamic_hd {senses.most_crops}")
    if made.feature_size != config.audio_config.input_size:
        wrong.append(f"feature_size {made.feature_size}")
    if wrong:
        raise ModelUnavailable(
            f"The processor of {name} does not fit its model: {', '.join(wrong)}.", "Fetch the model again."
        )
    for adapter in sorted(senses.adapters):
        _add(name, folder / f"{adapter}-lora", adapter, model)
    return senses


def _add(name: str, folder: Path, adapter: str, model: Any) -> None:
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelUnavailable(f"{name} has no adapter_model.safetensors in {folder.name}.", "Fetch the model again.")
    model.load_adapter(str(folder), adapter_name=adapter, adapter_kwargs={"local_files_only": True})
    model.disable_adapters()
    for key, parameter in model.named_parameters():
        if "lora_" in key:
            parameter.data = parameter.data.to(model.dtype)
    model.eval().requires_grad_(False)


def _cut(tensor: torch.Tensor, side: int) -> torch.Tensor:
    """(C, down * side, across * side) as (down * across, C, side, side), row by row."""
    channels, height, width = tensor.shape
    parts = tensor.reshape(channels, height // side, side, width // side, side)
    return parts.permute(1, 3, 0, 2, 4).reshape(-1, channels, side, side)


def _filled(tensor: torch.Tensor, count: int, value: float) -> torch.Tensor:
    """`tensor` with rows of `value` behind it, `count` in all."""
    more = tensor.new_full((count - len(tensor), *tensor.shape[1:]), value)
    return torch.cat([tensor, more])
