"""Tokens and bytes that pictures and sound take, before a model is loaded. From its config alone; no torch.

An upper estimate by the figures of Phi-4-multimodal, whose pictures cost most among the models that this app knows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from playground.models.sizes import itemsize

CROP, MOST_CROPS = 448, 36
TOKENS_A_CROP = 16 * 17  # 16 rows of 16, each with an end
FRAMES_A_SECOND, FRAMES_A_TOKEN = 100, 8


def picture_tokens(width: int, height: int) -> int:
    """Tokens that a picture of so many pixels takes at most."""
    return TOKENS_A_CROP * (1 + _crops(width, height)) + 1


def sound_tokens(seconds: float) -> int:
    """Tokens that so much sound takes."""
    return math.ceil(seconds * FRAMES_A_SECOND / FRAMES_A_TOKEN)


def sense_bytes(
    config: Mapping[str, Any], pictures: Sequence[tuple[int, int]], seconds: Sequence[float], dtype: str
) -> int:
    """Bytes at work while pictures (width, height) are seen and sounds are heard, beside the tokens that come of it.

    Seen at once are all crops, each layer's output being kept; of sound, the first convolution is largest, and a mask
    over all pairs of tokens follows.
    """
    item = itemsize(dtype)
    vision, audio = (config.get(name) or {} for name in ("vision_config", "audio_config"))
    crops = sum(1 + _crops(*size) for size in pictures) if "crop_size" in vision or not vision else len(pictures)
    patches = (_whole(vision, "image_size", CROP) // _whole(vision, "patch_size", 14)) ** 2
    hidden, layers = _whole(vision, "hidden_size", 1152), _whole(vision, "num_hidden_layers", 27)
    kept = patches * (hidden * (layers + 6) + 2 * _whole(vision, "intermediate_size", 4304)) * item
    seen = crops * (kept + patches**2 * (1 + item) + 3 * _whole(vision, "crop_size", CROP) ** 2 * 8)
    longest, mels = max(seconds, default=0.0), _whole(audio, "input_size", 80)
    frames = math.ceil(longest * FRAMES_A_SECOND)
    first = len(seconds) * frames * mels * _whole(audio, "nemo_conv_channels", 1024) // 4 * item * 2
    heard = first + 3 * (frames // FRAMES_A_TOKEN) ** 2 + len(seconds) * frames * mels * 4 * 2
    return int(seen + heard)


def _crops(width: int, height: int) -> int:
    return min(MOST_CROPS, math.ceil(width / CROP) * math.ceil(height / CROP))


def _whole(config: Mapping[str, Any], name: str, default: int) -> int:
    value = config.get(name)
    return value if isinstance(value, int) and value > 0 else default
