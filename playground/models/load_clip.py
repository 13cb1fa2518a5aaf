"""CLIP models from folders of transformers, with what turns texts and pictures into their inputs."""

from __future__ import annotations

from pathlib import Path

import torch

from playground.catalog import ModelCard
from playground.models.assemble import transformers_model
from playground.models.checks import find_variant
from playground.models.clip_processor import ClipProcessor, image_processor
from playground.models.load_text import fast_tokenizer
from playground.models.loaded import LoadedClip, weight_bytes


def load_clip(card: ModelCard, folder: Path, device: str, dtype: torch.dtype) -> LoadedClip:
    """The CLIP model in `folder`. The caller holds the lock `building`.

    Raises:
        ModelUnavailable: as `load_text`.
    """
    from transformers import CLIPModel

    tokenizer = fast_tokenizer(card.name, folder)
    model = transformers_model(CLIPModel, device, dtype, name=card.name, folder=folder, variant=find_variant(folder))
    length = model.config.text_config.max_position_embeddings
    processor = ClipProcessor(tokenizer, image_processor(folder), length, device, dtype)
    return LoadedClip(card, model, processor, device, dtype, weight_bytes(model))
