"""Cuts weighted fragments into chunks of as many tokens as a CLIP text encoder reads. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playground.images.prompts.steps import Fragments

BACKTRACK = 20  # how far back a full chunk is cut at a comma


@dataclass(frozen=True)
class Chunk:
    """Tokens without the start and end marks, and the weight of each."""

    ids: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()


def room(tokenizer: Any) -> int:
    """How many tokens a chunk holds: 75 for CLIP, which reads 77 with the start and end marks."""
    return int(tokenizer.model_max_length) - 2


def chunked(fragments: Fragments, tokenizer: Any, convert: Callable[[str, Any], str] | None = None) -> list[Chunk]:
    """The chunks of a prompt, at least one.

    A chunk that is full is cut after its last comma if that is among its last 20 tokens. BREAK ends a chunk.

    Args:
        convert: writes out the words of textual inversions of several vectors, as pipelines do.
    """
    size, comma = room(tokenizer), comma_id(tokenizer)
    chunks: list[Chunk] = []
    ids: list[int] = []
    weights: list[float] = []
    last_comma = 0  # tokens up to and with the last comma of this chunk, 0 for none

    def close(end: int) -> None:
        nonlocal ids, weights, last_comma
        chunks.append(Chunk(tuple(ids[:end]), tuple(weights[:end])))
        ids, weights, last_comma = ids[end:], weights[end:], 0

    for fragment in fragments:
        if fragment.text is None:
            close(len(ids))
            continue
        text = fragment.text if convert is None else convert(fragment.text, tokenizer)
        for token in tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids:
            if len(ids) == size:
                near = last_comma > 0 and token != comma and size - last_comma < BACKTRACK
                close(last_comma if near else size)
            ids.append(token)
            weights.append(fragment.weight)
            if token == comma:
                last_comma = len(ids)
    if ids or not chunks:
        close(len(ids))
    return chunks


def comma_id(tokenizer: Any) -> int | None:
    """The token of a comma that ends a word; None where the tokenizer has more than one for it."""
    ids = tokenizer(",", add_special_tokens=False, verbose=False).input_ids
    return int(ids[0]) if len(ids) == 1 else None
