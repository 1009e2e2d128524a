"""Keys and values of encoded tokens, kept for the next request.

A context is exact: its entries depend on nothing after them, so the longest common start of an old
context and a new one is reused as it is. Knows nothing of the model beyond the shape of its caches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

Entries = Sequence[npt.NDArray[np.floating]]
"""Keys and values of some tokens, one ``[n_heads, n, head_dim]`` for each array of a cache."""

CacheShape = tuple[int, int]
"""Heads of an array of keys or values, and the width of each."""

BUCKET = 256
"""Buffers grow by this many tokens, so that the model sees few different shapes."""

MIN_REUSED = BUCKET // 8
"""A cache that has fewer tokens in common with a context is not continued from."""

MIN_SHARE_KEPT = 0.5
"""A cache that would lose more than this share of its tokens is forked and left as it is."""


class ContextCache:
    """The encoded tokens of one context.

    Args:
        n_arrays: cache tensors of the model, keys and values of every layer.
        n_heads: key heads.
        head_dim: width of one.

    Attributes:
        ids: the tokens.
        arrays: their entries ``[n_heads, capacity, head_dim]``, and room for more.
        n_mirrored: how many tokens, from the first on, a copy of the arrays on a device has entries for.
    """

    def __init__(self, n_arrays: int, n_heads: int, head_dim: int) -> None:
        self.ids: list[int] = []
        self.n_mirrored = 0
        self._computed: npt.NDArray[np.floating] | None = None
        self.arrays: list[FloatArray] = [
            np.zeros((n_heads, BUCKET, head_dim), dtype=np.float32) for _ in range(n_arrays)
        ]

    @classmethod
    def of_shapes(cls, shapes: Sequence[CacheShape]) -> ContextCache:
        """A cache whose arrays differ in heads and width."""
        cache = cls(0, 0, 0)
        cache.arrays = [np.zeros((heads, BUCKET, width), dtype=np.float32) for heads, width in shapes]
        return cache

    @property
    def capacity(self) -> int:
        """Tokens the buffers have room for."""
        return int(self.arrays[0].shape[1])

    @property
    def n_bytes(self) -> int:
        """Memory the buffers take."""
        return sum(array.nbytes for array in self.arrays)

    def append(self, ids: Sequence[int], new: Entries) -> None:
        """Store the entries of tokens that follow."""
        self.reserve(len(ids))
        start, end = len(self.ids), len(self.ids) + len(ids)
        for array, values in zip(self.arrays, new, strict=True):
            array[:, start:end] = values
        self.ids.extend(ids)
        if start == self.n_mirrored and self._computed is not None and _begins(self._computed, new[0]):
            self.n_mirrored = end  # they were computed on the device, in the same place
        self._computed = None

    def mirror(self, new: Entries) -> None:
        """Note that a copy on a device has all entries, and behind them the new ones of a pass.

        Args:
            new: those of the pass; as many of its first ones as are appended next are on the device as well.
        """
        self.n_mirrored = len(self.ids)
        self._computed = new[0]

    def reserve(self, n_tokens: int) -> None:
        """Make room for this many tokens more."""
        needed = len(self.ids) + n_tokens
        if needed > self.capacity:
            self._grow(-(-needed // BUCKET) * BUCKET)

    def truncate(self, n_tokens: int) -> None:
        """Forget everything after the first ``n_tokens``."""
        del self.ids[n_tokens:]
        if len(self.ids) < self.n_mirrored:
            self.n_mirrored = len(self.ids)
            self._computed = None

    def fork(self, n_tokens: int) -> ContextCache:
        """A copy of the first ``n_tokens``."""
        copy = ContextCache.of_shapes([(array.shape[0], array.shape[2]) for array in self.arrays])
        copy.append(self.ids[:n_tokens], [array[:, :n_tokens] for array in self.arrays])
        return copy

    def common(self, ids: Sequence[int]) -> int:
        """Length of the common start with a token sequence."""
        limit = min(len(self.ids), len(ids))
        ours, theirs = np.asarray(self.ids[:limit]), np.asarray(ids[:limit])
        different = np.flatnonzero(ours != theirs)
        return int(different[0]) if different.size else limit

    def _grow(self, capacity: int) -> None:
        used = len(self.ids)
        for i, array in enumerate(self.arrays):
            larger = np.zeros((array.shape[0], capacity, array.shape[2]), dtype=np.float32)
            larger[:, :used] = array[:, :used]
            self.arrays[i] = larger
        self.n_mirrored = 0


def _begins(whole: npt.NDArray[np.floating], part: npt.NDArray[np.floating]) -> bool:
    """Whether a part is the first columns of a whole, in the same memory."""
    return part.ctypes.data == whole.ctypes.data and part.strides == whole.strides


class CachePool:
    """The live caches, most recently used last, within a bound of memory.

    Args:
        n_arrays, n_heads, head_dim: see ``ContextCache``.
        max_bytes: memory all caches together may take; one is always kept.
    """

    def __init__(self, n_arrays: int, n_heads: int, head_dim: int, max_bytes: int) -> None:
        self._shapes: Sequence[CacheShape] = [(n_heads, head_dim)] * n_arrays
        self._max_bytes = max_bytes
        self._caches: list[ContextCache] = []

    @classmethod
    def of_shapes(cls, shapes: Sequence[CacheShape], max_bytes: int) -> CachePool:
        """A pool of caches whose arrays differ in heads and width."""
        pool = cls(0, 0, 0, max_bytes)
        pool._shapes = shapes
        return pool

    def __len__(self) -> int:
        return len(self._caches)

    def take(self, ids: Sequence[int]) -> ContextCache:
        """The cache to continue from for a context: cut to its longest common start with ``ids``.

        At least the last token is always left to encode, since its output is what is wanted.
        """
        best, common = self._reused(ids)
        if best is None:
            best = ContextCache.of_shapes(self._shapes)
        elif common < len(best.ids) * MIN_SHARE_KEPT:
            best = best.fork(common)
        else:
            self._caches.remove(best)
            best.truncate(common)
        self._caches.append(best)
        self._evict()
        return best

    def lacks(self, ids: Sequence[int]) -> int:
        """How many tokens of a context ``take`` would leave to encode."""
        return len(ids) - self._reused(ids)[1]

    def _reused(self, ids: Sequence[int]) -> tuple[ContextCache | None, int]:
        """The cache that a context continues from and how many of its tokens; None and 0 for a new one."""
        best = max(self._caches, key=lambda cache: cache.common(ids), default=None)
        common = min(best.common(ids), len(ids) - 1) if best is not None else 0
        return (best, common) if common >= MIN_REUSED else (None, 0)

    def clear(self) -> None:
        """Drop every cache."""
        self._caches.clear()

    def _evict(self) -> None:
        while len(self._caches) > 1 and sum(cache.n_bytes for cache in self._caches) > self._max_bytes:
            del self._caches[0]
