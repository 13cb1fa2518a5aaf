"""Batches of training conversations, encoded and grouped by length, made in the background where asked for.

Conversations are numbered; a pool of neighbours is drawn, sorted by length and cut into batches, so that padding stays
small. Pool numbers go with the batches, so that a resumed training goes on with fresh ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.starter.text_dialogues import dialogue_at
from playground.starter.text_rendering import IGNORED, pieces
from playground.starter.text_templates import Family
from playground.starter.text_tokenizer import CONTEXT
from playground.starter.text_turns import Dialogue

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

POOL = 1024
Row = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Batch:
    """Token ids and labels, both (B, T), padded on the right; labels are -100 where nothing is learned."""

    ids: torch.Tensor
    labels: torch.Tensor
    pool: int


def encode_all(tokenizer: Any, family: Family, dialogues: list[Dialogue]) -> list[Row]:
    """Token ids and labels of many conversations at once, equal to `text_rendering.encode` of each."""
    cut = [pieces(family, dialogue) for dialogue in dialogues]
    texts = [piece.text for parts in cut for piece in parts]
    encoded = iter(tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False))
    rows = []
    for parts in cut:
        ids: list[int] = []
        labels: list[int] = []
        for piece in parts:
            part = next(encoded).ids
            ids += part
            if not piece.learned:
                labels += [IGNORED] * len(part)
            elif piece.but_first:
                labels.append(IGNORED)
                labels += part[1:]
            else:
                labels += part
        rows.append((ids, labels))
    return rows


def pool_batches(tokenizer: Any, family: Family, seed: int, pool: int, tokens: int, size: int = POOL) -> list[Batch]:
    """The batches of one pool, B * T at most `tokens` unless one conversation is longer, in a drawn order."""
    drawn = [dialogue_at(family.name, seed, index) for index in range(pool * size, (pool + 1) * size)]
    rows = [row for row in encode_all(tokenizer, family, drawn) if len(row[0]) <= CONTEXT]
    rows.sort(key=lambda row: len(row[0]))
    groups: list[list[Row]] = [[]]
    for row in rows:
        if groups[-1] and (len(groups[-1]) + 1) * len(row[0]) > tokens:
            groups.append([])
        groups[-1].append(row)
    random.Random(f"order/{seed}/{pool}").shuffle(groups)
    batches = []
    for group in groups:
        batches.append(batch_of(group, pool))
    return batches


def batch_of(rows: list[Row], pool: int) -> Batch:
    """Rows as one batch, padded on the right, so that causal attention needs no mask."""
    import torch

    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    labels = torch.tensor([labels + [IGNORED] * (width - len(labels)) for _, labels in rows])
    return Batch(ids, labels, pool)


def batches(
    tokenizer: PreTrainedTokenizerFast,
    family: Family,
    seed: int,
    tokens: int,
    *,
    first_pool: int = 0,
    workers: int = 0,
    size: int = POOL,
) -> Iterator[Batch]:
    """Endless batches from pool `first_pool` on; made by so many processes, or with 0 in this one."""
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info

    class Pools(IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[Batch]:
            info = get_worker_info()
            pool, stride = (first_pool, 1) if info is None else (first_pool + info.id, info.num_workers)
            while True:
                yield from pool_batches(tokenizer, family, seed, pool, tokens, size)
                pool += stride

    loader: DataLoader[Batch] = DataLoader(
        Pools(), batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None
    )
    return iter(loader)
