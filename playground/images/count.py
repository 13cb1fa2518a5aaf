"""Counts prompt tokens against the text encoder's limit, and finds the words beyond it."""

from __future__ import annotations

from typing import Any

from playground.models.loaded import LoadedImage


def count_tokens(loaded: LoadedImage, text: str) -> tuple[int, int | None]:
    """The prompt's tokens and how many the model reads, both without the start and end marks.

    The second is None where the tokenizer states no limit.
    """
    tokenizer = _tokenizer(loaded)
    return len(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids), _limit(tokenizer)


def left_out(loaded: LoadedImage, text: str) -> str:
    """The end of the prompt that the model does not read; empty if it reads all."""
    tokenizer = _tokenizer(loaded)
    limit = _limit(tokenizer)
    if limit is None or not text:
        return ""
    if tokenizer.is_fast:
        spans = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False, return_offsets_mapping=True)
        offsets = spans["offset_mapping"]
        return text[offsets[limit][0] :].strip() if len(offsets) > limit else ""
    return tokenizer.decode(
        tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids[limit:]
    ).strip()


def _tokenizer(loaded: LoadedImage) -> Any:
    found = loaded.components.get("tokenizer") or loaded.components.get("tokenizer_2")
    assert found is not None, f"{loaded.card.id} has no tokenizer"
    return found


def _limit(tokenizer: Any) -> int | None:
    marks = tokenizer.num_special_tokens_to_add()
    longest = tokenizer.model_max_length
    return longest - marks if longest < 100_000 else None  # tokenizers without a limit state a huge number
