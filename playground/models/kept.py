"""Key-value caches of conversations that have ended for now, kept beside a text model for their next turn.

A cache serves a prompt as far as their tokens are the same; that they are is compared here, token by token. Whoever
needs memory clears them first: they save time and nothing else. Knows nothing of text.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from transformers import DynamicCache

LEAST = 16  # tokens in common below which reading them again costs less than the search saves


class KeptCaches:
    """The caches of a model, the least recently used one first; they take `limit` bytes at most."""

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._caches: list[tuple[tuple[int, ...], DynamicCache]] = []

    @property
    def bytes(self) -> int:
        with self._lock:
            return sum(cache_bytes(cache) for _, cache in self._caches)

    def put(self, ids: Sequence[int], cache: DynamicCache) -> None:
        """Keeps a cache that holds `ids`, if there is room for it; it must not be used by the giver any more."""
        with self._lock:
            self._caches.append((tuple(ids), cache))
            while self._caches and sum(cache_bytes(cache) for _, cache in self._caches) > self.limit:
                del self._caches[0]

    def take(self, ids: Sequence[int]) -> tuple[DynamicCache | None, int]:
        """The cache with most of the beginning of `ids`, cut to that, and how many tokens it holds; else None and 0.

        At least the last token of `ids` is left to be read, since a cache has no logits. A cache that only shares its
        beginning with `ids` stays, and a copy of that is given.
        """
        with self._lock:
            found, length = None, LEAST - 1
            for entry in self._caches:
                common = min(_common(entry[0], ids), len(ids) - 1)
                if common > length:
                    found, length = entry, common
            if found is None:
                return None, 0
            known, cache = found
            self._caches.remove(found)
            if length < len(known) - 1:  # another conversation with the same beginning
                self._caches.append(found)
                return _beginning(cache, length), length
        if length < len(known):
            cache.crop(length - len(known))
        return cache, length

    def clear(self) -> None:
        with self._lock:
            self._caches.clear()


def cache_bytes(cache: DynamicCache) -> int:
    """Bytes of a cache's keys and values."""
    tensors = [t for layer in cache.layers for t in (getattr(layer, "keys", None), getattr(layer, "values", None))]
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)


def _beginning(cache: DynamicCache, length: int) -> DynamicCache:
    """A copy of a cache's first `length` tokens."""
    part = copy.copy(cache)
    part.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in cast(Any, part.layers):
        layer.keys, layer.values = layer.keys[:, :, :length].clone(), layer.values[:, :, :length].clone()
    return part


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for i, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return i
    return min(len(one), len(other))
