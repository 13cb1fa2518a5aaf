"""Counts prompt tokens as the model will read them: in chunks where it is of Stable Diffusion 1, 2 or XL."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from playground.images.pipelines import is_latent_family
from playground.images.prompts.chunks import chunked, room
from playground.images.prompts.prepared import prepared
from playground.images.prompts.steps import at_step, plain_text
from playground.models.loaded import LoadedImage

Count: TypeAlias = tuple[int, int | None, tuple[int, ...]]


def count_tokens(loaded: LoadedImage, text: str) -> Count:
    """As `count`, by the tokenizer of a loaded model."""
    return count(_tokenizer(loaded), loaded.pipeline_class.__name__, text)


def count_on_disk(folder: Path, text: str) -> Count | None:
    """As `count`, by a tokenizer of its own from a pipeline's folder; None where there is none in it.

    It disturbs no run that goes on, and loads no weights.
    """
    found = _read(folder.resolve())
    return None if found is None else count(*found, text)


def count(tokenizer: Any, pipeline_class: str, text: str) -> Count:
    """The prompt's tokens, how many the model reads at once, and the tokens of each chunk, all without marks.

    Counted is what the first step reads, of the longest part where AND joins several, with the variants of seed 0. The
    size is None where the tokenizer states no limit; a model that does not read in chunks has none.
    """
    (one,) = prepared(text, "", 0, 1)
    if is_latent_family(pipeline_class):
        parts = [chunked(at_step(part.nodes, 0, 1), tokenizer) for part in one.positive.parts]
        longest = max(([len(chunk.ids) for chunk in chunks] for chunks in parts), key=lambda c: (len(c), sum(c)))
        return sum(longest), room(tokenizer), tuple(longest)
    words = plain_text(one.positive)
    tokens = len(tokenizer(words, add_special_tokens=False, truncation=False, verbose=False).input_ids)
    return tokens, _limit(tokenizer), ()


def count_in_words(chunks: tuple[int, ...], size: int) -> str:
    """Reads "43/75" for a prompt of one chunk, "43/75, 2 chunks" for one whose last chunk has 43 tokens."""
    more = f", {len(chunks)} chunks" if len(chunks) > 1 else ""
    return f"{chunks[-1] if chunks else 0}/{size}{more}"


@lru_cache(maxsize=8)
def _read(folder: Path) -> tuple[Any, str] | None:
    from transformers import AutoTokenizer

    index = folder / "model_index.json"
    of = next((folder / name for name in ("tokenizer", "tokenizer_2") if (folder / name).is_dir()), None)
    if of is None or not index.is_file():
        return None
    named = json.loads(index.read_text(encoding="utf-8"))
    return AutoTokenizer.from_pretrained(of, local_files_only=True), str(named.get("_class_name", ""))


def _tokenizer(loaded: LoadedImage) -> Any:
    found = loaded.components.get("tokenizer") or loaded.components.get("tokenizer_2")
    assert found is not None, f"{loaded.card.id} has no tokenizer"
    return found


def _limit(tokenizer: Any) -> int | None:
    marks = tokenizer.num_special_tokens_to_add()
    longest = tokenizer.model_max_length
    return longest - marks if longest < 100_000 else None  # tokenizers without a limit state a huge number
