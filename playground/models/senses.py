"""What a model needs beside its tokenizer to see or hear: how files become placeholders and values. Decodes no files.

Each architecture has a module of its own; none runs code of a checkpoint, and none needs torchvision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from playground.models.headers import read_json

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image
    from transformers import PreTrainedModel


class Senses(Protocol):
    """How one model takes pictures and sound.

    `rate`: samples a second of what it hears, 0 if it hears nothing. `placeholders`: the ids that stand for files in a
    prompt; the model puts what it saw and heard in their places.
    """

    @property
    def sees(self) -> bool: ...

    @property
    def rate(self) -> int: ...

    @property
    def placeholders(self) -> frozenset[int]: ...

    def picture_ids(self, width: int, height: int) -> list[int]:
        """What stands in the prompt for a picture of so many pixels."""

    def sound_ids(self, samples: int) -> list[int]:
        """What stands in the prompt for a sound of so many samples."""

    def values(
        self, pictures: Sequence[Image], sounds: Sequence[np.ndarray], check: Callable[[], None]
    ) -> dict[str, torch.Tensor]:
        """What the model's `forward` takes beside the ids: all files of a prompt, each kind in the prompt's order.

        `pictures` are RGB, `sounds` float32 (samples,) of `rate`. `check` is called between two files.
        """

    def switched(self, model: PreTrainedModel, values: dict[str, Any]) -> AbstractContextManager[None]:
        """The block in which the model reads or writes what belongs to these values."""


# Classes that see and that transformers does not count among the causal language models, by type of model.
CONDITIONAL = {"mistral3": "Mistral3ForConditionalGeneration"}


def senses_of(name: str, folder: Path, model: PreTrainedModel, tokenizer: Any) -> Senses | None:
    """How `model`, loaded from `folder`, sees or hears; None if it does neither or this app does not know how.

    Adapters that it needs for it are added to it, switched off.

    Raises:
        ModelUnavailable: its files say it in a way that cannot be; `name` is the model's, for the error.
    """
    if model.config.model_type == "phi4_multimodal":
        from playground.models.phi4_senses import phi4_senses

        return phi4_senses(name, folder, model)
    if model.config.model_type == "mistral3":
        from playground.models.mistral3_senses import mistral3_senses

        return mistral3_senses(name, folder, model, tokenizer)
    return None


def processor_of(folder: Path) -> Mapping[str, Any]:
    """What a folder says of pictures and sound, in the new form or in the old; nothing where it has no such file."""
    for file in ("processor_config.json", "preprocessor_config.json"):
        if (folder / file).is_file():
            says = read_json(folder / file)
            if file == "preprocessor_config.json" or "image_processor" in says:
                return says
    return {}
