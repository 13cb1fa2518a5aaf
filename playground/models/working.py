"""Bytes that one request needs beside the weights, so that they can be reserved with the lease.

An estimate from the checkpoint's own configs, 0 where its files are not here yet or its architecture has no formula.
"""

from __future__ import annotations

from pathlib import Path

from playground.catalog import ModelCard
from playground.errors import ModelUnavailable
from playground.models.download import cached_folder
from playground.models.headers import read_json
from playground.models.sizes import chat_working_bytes, image_working_bytes


def for_answer(card: ModelCard, tokens: int, dtype: str) -> int:
    """Bytes of an answer whose prompt and text together take `tokens`."""
    folder = _folder(card)
    if folder is None or not (folder / "config.json").is_file():
        return (card.kv_bytes_per_token or 0) * tokens
    return chat_working_bytes(read_json(folder / "config.json"), tokens, dtype)


def for_picture(card: ModelCard, width: int, height: int, batch: int, dtype: str) -> int:
    """Bytes of the larger of a guided sampler step and the decode, for `batch` pictures at once; sizes in pixels."""
    folder = _folder(card)
    if folder is None or not (folder / "unet" / "config.json").is_file():
        return 0
    return image_working_bytes(folder, width, height, batch, dtype=dtype)


def _folder(card: ModelCard) -> Path | None:
    try:
        return card.folder or cached_folder(card)
    except ModelUnavailable:
        return None
