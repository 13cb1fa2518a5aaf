"""Bytes that one request needs beside the weights, so that they can be reserved with the lease.

An estimate from the checkpoint's own configs, 0 where its files are not here yet or its architecture has no formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.activations import ImageShape
from playground.models.download import cached_folder
from playground.models.facts import Facts, facts_of_path
from playground.models.kv_cache import chat_working_bytes
from playground.models.sense_bytes import picture_tokens, sense_bytes, sound_tokens


def for_answer(card: ModelCard, tokens: int, dtype: str) -> int:
    """Bytes of an answer whose prompt and text together take `tokens`."""
    facts = facts_here(card)
    if facts is None or facts.text is None:
        return (card.kv_bytes_per_token or 0) * tokens
    return chat_working_bytes(facts.text, tokens, dtype)


def for_senses(
    card: ModelCard, pictures: Sequence[tuple[int, int]], seconds: Sequence[float], dtype: str
) -> tuple[int, int]:
    """(tokens, bytes at work) of the pictures, by their sides in pixels, and sounds that an answer begins with."""
    if not pictures and not seconds:
        return 0, 0
    facts = facts_here(card)
    config = {} if facts is None else facts.configs.get("", {})
    tokens = sum(picture_tokens(*size) for size in pictures) + sum(map(sound_tokens, seconds))
    return tokens, sense_bytes(config, pictures, seconds, dtype)


def for_picture(card: ModelCard, width: int, height: int, batch: int, dtype: str, decode: str | None = None) -> int:
    """Bytes of the larger of a guided sampler step and the decode, for `batch` pictures at once; sizes in pixels.

    Args:
        decode: "plain", "sliced" or "tiled"; None for what the app does: UNet pipelines one by one, others at once.
    """
    shape = image_shape_of(card)
    if shape is None:
        return 0
    return shape.working(width, height, batch, dtype, decode or ("sliced" if shape.is_unet else "plain"))


def image_shape_of(card: ModelCard) -> ImageShape | None:
    """The shape of a card's pipeline, or None where its files are not here or it has no formula."""
    facts = facts_here(card)
    return None if facts is None else facts.image


def facts_here(card: ModelCard) -> Facts | None:
    """The facts of a card whose files are on this machine, else None."""
    try:
        folder = card.folder or cached_folder(card)
        if folder is None:
            return None
        path = folder / card.file
        return _read(path, path.stat().st_mtime_ns)
    except (ModelUnavailable, OSError):
        return None


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> Facts:
    """Every request asks, and nothing changes while a model is in use."""
    return facts_of_path(path)
