"""Cuts weighted fragments into chunks of as many tokens as a CLIP text encoder reads. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playground.images.prompts.steps import Fragments

WORD = "<|word-{}|>"  # what stands in a prompt for the textual inversion of this number
_PART = re.compile(r"<\|word-\d+\|>_\d+")
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

    A chunk that is full is cut after its last comma if that is among its last 20 tokens. BREAK ends a chunk. The
    vectors of a textual inversion stay together.

    Args:
        convert: writes out the words of textual inversions of several vectors, as pipelines do.
    """
    size, comma, parts = room(tokenizer), comma_id(tokenizer), parts_of_words(tokenizer)
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
        tokens = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids
        for index, token in enumerate(tokens):
            if parts and token not in parts:
                length = 1 + _run(tokens, index + 1, parts)
                if 1 < length <= size < len(ids) + length:  # a word of several vectors begins in the next chunk
                    close(len(ids))
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


def parts_of_words(tokenizer: Any) -> frozenset[int]:
    """The tokens of the second and further vectors of textual inversions."""
    added = getattr(tokenizer, "added_tokens_encoder", {})
    return frozenset(number for token, number in added.items() if _PART.fullmatch(token))


def _run(tokens: list[int], start: int, parts: frozenset[int]) -> int:
    """How many tokens from `start` on are further vectors."""
    return next((i for i, token in enumerate(tokens[start:]) if token not in parts), len(tokens) - start)
