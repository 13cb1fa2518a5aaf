"""What a chat needs to know of a loaded text model, whichever runtime holds it. Runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from playground.models.gguf_model import LoadedGguf
from playground.models.loaded import LoadedText
from playground.models.onnx_model import LoadedOnnx

if TYPE_CHECKING:
    from transformers import PreTrainedModel

AnyText: TypeAlias = LoadedText | LoadedGguf | LoadedOnnx


def torch_model(loaded: AnyText) -> PreTrainedModel | None:
    """The model where transformers holds it, else None."""
    foreign = isinstance(loaded, LoadedOnnx) or (isinstance(loaded, LoadedGguf) and loaded.native)
    return None if foreign else cast(Any, loaded.model)


def context_size(loaded: AnyText) -> int | None:
    """Tokens that card and model both allow; None where neither says. A tokenizer's own limit is often wrong."""
    if isinstance(loaded, LoadedText):
        own = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    else:
        own = loaded.context
    return min((size for size in (loaded.card.context, own) if size), default=None)


def end_ids(loaded: AnyText) -> frozenset[int]:
    """Every id that ends an answer: those that the model's files name, and the tokenizer's own."""
    if not isinstance(loaded, LoadedText):
        return loaded.end_ids
    found: set[int] = set()
    config = loaded.model.generation_config
    for ids in (getattr(config, "eos_token_id", None), loaded.tokenizer.eos_token_id):
        found.update(ids if isinstance(ids, list | tuple) else [] if ids is None else [ids])
    return frozenset(found)
