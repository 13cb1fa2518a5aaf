"""The CLIP tokenizer of the starter image models: byte-level BPE with `</w>`, complete over all bytes.

The vocabulary holds every byte, alone and at the end of a word, before any merge, so that no text meets the
unknown token (which for CLIP is the end token).
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.starter.captions import caption
from playground.starter.scenes import scene_at

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

END = "</w>"
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
MAX_LENGTH = 77


def byte_characters() -> list[str]:
    """Return the printable stand-in of each byte 0 to 255, as GPT-2's byte-level BPE defines them."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(spare)) for byte in range(256)]


def learn_merges(texts: Iterable[str], limit: int) -> list[tuple[str, str]]:
    """Learn up to `limit` merges from lower-case texts; ties go to the first pair in alphabetical order."""
    stand_in = byte_characters()
    words: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        for word in re.findall(r"[^\W\d_]+|\d|[^\w\s]+", text.lower()):
            letters = [stand_in[byte] for byte in word.encode()]
            words[(*letters[:-1], letters[-1] + END)] += 1
    merges: list[tuple[str, str]] = []
    while len(merges) < limit:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({_merge(word, best): times for word, times in words.items()})
    return merges


def _merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


def build_tokenizer(texts: Iterable[str], size: int = 1000) -> CLIPTokenizer:
    """Build a CLIP tokenizer of at most `size` tokens; the two special tokens come last, as in CLIP's own."""
    from transformers import CLIPTokenizer

    letters = byte_characters()
    merges = learn_merges(texts, size - 2 * len(letters) - 2)
    tokens = [*letters, *(letter + END for letter in letters)]
    tokens += [joined for joined in dict.fromkeys(left + right for left, right in merges) if joined not in tokens]
    vocabulary = {token: index for index, token in enumerate([*tokens, BOS, EOS])}
    pairs: Any = merges  # the hint says strings, the tokenizer takes pairs only
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=MAX_LENGTH)


def caption_corpus(count: int = 20_000, seed: int = 5) -> list[str]:
    """Return captions of the training stream, to learn merges from."""
    rng = random.Random(f"corpus/{seed}")
    return [caption(scene_at(seed, index), rng) for index in range(count)]


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Save in both layouts: tokenizer.json, and CLIP's older vocab.json with merges.txt."""
    tokenizer.save_pretrained(folder)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), encoding="utf-8")
    rows = [" ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *rows, ""]), encoding="utf-8")
