"""Counts prompt tokens as the model will read them: in chunks where it is of Stable Diffusion 1, 2 or XL."""

from __future__ import annotations

from typing import Any

from playground.images.pipelines import is_latent_family
from playground.images.prompts.chunks import chunked, room
from playground.images.prompts.prepared import prepared
from playground.images.prompts.steps import at_step, plain_text
from playground.models.loaded import LoadedImage


def count_tokens(loaded: LoadedImage, text: str) -> tuple[int, int | None, tuple[int, ...]]:
    """The prompt's tokens, how many the model reads at once, and the tokens of each chunk, all without marks.

    Counted is what the first step reads, of the longest part where AND joins several, with the variants of seed 0. The
    size is None where the tokenizer states no limit; a model that does not read in chunks has none.
    """
    tokenizer = _tokenizer(loaded)
    (one,) = prepared(text, "", 0, 1)
    if is_latent_family(loaded.pipeline_class.__name__):
        parts = [chunked(at_step(part.nodes, 0, 1), tokenizer) for part in one.positive.parts]
        longest = max(([len(chunk.ids) for chunk in chunks] for chunks in parts), key=lambda c: (len(c), sum(c)))
        return sum(longest), room(tokenizer), tuple(longest)
    words = plain_text(one.positive)
    count = len(tokenizer(words, add_special_tokens=False, truncation=False, verbose=False).input_ids)
    return count, _limit(tokenizer), ()


def count_in_words(chunks: tuple[int, ...], size: int) -> str:
    """Reads "43/75" for a prompt of one chunk, "43/75, 2 chunks" for one whose last chunk has 43 tokens."""
    more = f", {len(chunks)} chunks" if len(chunks) > 1 else ""
    return f"{chunks[-1] if chunks else 0}/{size}{more}"


def _tokenizer(loaded: LoadedImage) -> Any:
    found = loaded.components.get("tokenizer") or loaded.components.get("tokenizer_2")
    assert found is not None, f"{loaded.card.id} has no tokenizer"
    return found


def _limit(tokenizer: Any) -> int | None:
    marks = tokenizer.num_special_tokens_to_add()
    longest = tokenizer.model_max_length
    return longest - marks if longest < 100_000 else None  # tokenizers without a limit state a huge number
