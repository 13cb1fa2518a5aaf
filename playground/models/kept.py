"""Key-value caches of conversations that have ended for now, kept beside a text model for their next turn.

A cache serves a prompt as far as their tokens are the same; that they are is compared here, token by token. One that
is shared holds what many prompts begin with: it stays, and each of them gets a copy. Whoever needs memory clears them
first: they save time and nothing else. Knows nothing of text.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from transformers import DynamicCache, StaticCache

MOST = 32  # caches; more are looked through for longer than short ones save
LEAST = 16  # tokens in common below which reading them again costs less than the search saves


@dataclass(eq=False)
class _Kept:
    ids: tuple[int, ...]
    cache: Any
    bytes: int
    shared: bool = False


class KeptCaches:
    """The caches of a model, the least recently used one first: at most MOST, and at most `limit` bytes."""

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._caches: list[_Kept] = []
        self._fixed: _Kept | None = None

    @property
    def bytes(self) -> int:
        fixed = self._fixed
        return sum(kept.bytes for kept in list(self._caches)) + (fixed.bytes if fixed is not None else 0)

    def put(self, ids: Sequence[int], cache: DynamicCache) -> None:
        """Keeps a cache that holds `ids`, if there is room for it; it must not be used by the giver any more."""
        with self._lock:
            self._caches.append(_Kept(tuple(ids), cache, cache_bytes(cache)))
            while self._caches and (self.bytes > self.limit or len(self._caches) > MOST):
                del self._caches[0]

    def share(self, ids: Sequence[int], cache: DynamicCache) -> None:
        """Keeps a copy of the first `len(ids)` tokens of a cache, which hold `ids`, for many prompts to begin with.

        One that is larger than all that may be kept is not.
        """
        with self._lock:
            size = cache_bytes(cache) * len(ids) // max(1, cache.get_seq_length())
            if size > self.limit:
                return
            copied = _beginning(cache, len(ids))
            self._caches.append(_Kept(tuple(ids), copied, cache_bytes(copied), shared=True))
            while self.bytes > self.limit or len(self._caches) > MOST:
                del self._caches[0]

    def shares(self, ids: Sequence[int], slack: int = 0) -> bool:
        """Whether a shared cache holds `ids`, all but `slack` at their end."""
        with self._lock:
            return any(kept.shared and common(kept.ids, ids) >= len(ids) - slack for kept in self._caches)

    def take(self, ids: Sequence[int], edge: int = 0) -> tuple[DynamicCache | None, int]:
        """The cache with most of the beginning of `ids`, cut to that, and how many tokens it holds; else None and 0.

        At least the last token of `ids` is left to be read, since a cache has no logits. A cache that only shares its
        beginning with `ids`, or is shared, stays, and a copy of that is given.

        Args:
            edge: tokens beyond which a sequence turns all of its keys otherwise (longrope), so that a cache of a longer
                one is of no use below it, nor the other way round; 0 for models without it.
        """
        with self._lock:
            found, length = None, LEAST - 1
            for kept in self._caches:
                alike = min(common(kept.ids, ids), len(ids) - 1)
                mixes = alike <= edge < max(len(kept.ids), len(ids))
                if alike > length and not mixes:
                    found, length = kept, alike
            if found is None:
                return None, 0
            self._caches.remove(found)
            if found.shared or length < len(found.ids) - 1:  # another conversation with the same beginning
                self._caches.append(found)
                return _beginning(found.cache, length), length
        if length < len(found.ids):
            found.cache.crop(length - len(found.ids))
        return found.cache, length

    def put_fixed(self, ids: Sequence[int], cache: StaticCache) -> None:
        """Keeps a cache of fixed size whose beginning holds `ids`, in place of another, if there is room for it."""
        with self._lock:
            count = cache_bytes(cache)
            self._fixed = _Kept(tuple(ids), cache, count) if count <= self.limit else None

    def take_fixed(self, ids: Sequence[int], tokens: int, edge: int = 0) -> tuple[StaticCache | None, int]:
        """The cache of fixed size, if it has room for `tokens`, and how many of `ids` it begins with; else None and 0.

        At least the last of `ids` is left to be read. `edge` as for `take`.
        """
        with self._lock:
            fixed, self._fixed = self._fixed, None
        if fixed is None or fixed.cache.get_max_length() < tokens:
            return None, 0
        alike = max(0, min(common(fixed.ids, ids), len(ids) - 1))
        return fixed.cache, 0 if alike <= edge < max(len(fixed.ids), len(ids)) else alike

    def clear(self) -> None:
        with self._lock:
            self._caches.clear()
            self._fixed = None


def cache_bytes(cache: DynamicCache | StaticCache) -> int:
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


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for i, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return i
    return min(len(one), len(other))
