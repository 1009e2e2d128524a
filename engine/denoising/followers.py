"""What followed what in a corpus, and how often: counts in the compact form in which they ship. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

UNKNOWN = -1
"""Index of a token that the table does not know."""

COUNT_STEPS = 8
"""Counts are kept as logarithms, in this many steps a doubling: within 5 % of what they are."""

_TIMES = np.exp2(np.arange(256, dtype=np.float32) / COUNT_STEPS)


@dataclass(frozen=True, slots=True)
class Followers:
    """What follows each of some histories in the corpus.

    Attributes:
        starts: where the followers of each history start ``[n_histories + 1]``.
        tokens: index of each follower in the vocabulary, ascending within a history ``[n]``.
        counts: how often it followed, in ``COUNT_STEPS`` a doubling ``[n]``.
    """

    starts: IntArray
    tokens: npt.NDArray[np.uint16]
    counts: npt.NDArray[np.uint8]

    def totals(self) -> FloatArray:
        """How often each history was followed ``[n_histories]``."""
        sums = np.concatenate([[0.0], np.cumsum(_TIMES[self.counts], dtype=np.float64)])
        return np.diff(sums[self.starts]).astype(np.float32)

    def times(self, history: int, tokens: npt.NDArray[np.uint16]) -> FloatArray:
        """How often each of some tokens followed a history, 0 where it did not ``[n]``."""
        start, end = self.starts[history], self.starts[history + 1]
        if start == end:
            return np.zeros(len(tokens), dtype=np.float32)
        own = self.tokens[start:end]
        places = np.minimum(np.searchsorted(own, tokens), len(own) - 1)
        return np.where(own[places] == tokens, _TIMES[self.counts[start + places]], np.float32(0))

    def likeliest(self, history: int, most: int) -> npt.NDArray[np.uint16]:
        """The tokens that followed a history most often, in no order; no more than so many."""
        span = slice(self.starts[history], self.starts[history + 1])
        own, counts = self.tokens[span], self.counts[span]
        return own if len(own) <= most else own[np.argpartition(counts, -most)[-most:]]

    def number(self, history: int, token: int) -> int:
        """A history and its follower, as a history of the next order; ``UNKNOWN`` if it never followed."""
        start, end = self.starts[history], self.starts[history + 1]
        number = int(start + np.searchsorted(self.tokens[start:end], np.uint16(token)))
        return number if number < end and self.tokens[number] == token else UNKNOWN

    def sound(self, n_histories: int, n_tokens: int) -> bool:
        """Whether the parts fit together."""
        n = len(self.tokens)
        inner = np.ones(max(n - 1, 0), dtype=np.bool_)  # between two followers of one history
        if len(self.starts) == n_histories + 1 and self.starts[-1] == n == len(self.counts):
            bounds = self.starts[(self.starts > 0) & (self.starts < n)]
            inner[bounds - 1] = False
            ascends = np.diff(self.tokens.astype(np.int64)) > 0
            return bool(ascends[inner].all()) and (n == 0 or int(self.tokens.max()) < n_tokens)
        return False
