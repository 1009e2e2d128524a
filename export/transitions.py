"""A corpus to the table of which tokens follow which, for ``engine.transitions``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from engine.tokens import TokenCodec
from export.data import SourceFile

IntArray = npt.NDArray[np.int64]

TRANSITIONS_FILE = "transitions.safetensors"

MIN_COUNT = 3
"""A pair seen less often is left out."""
MAX_FOLLOWERS = 64
"""The most followers of a token, the most frequent ones."""


def write_transitions(
    files: Sequence[SourceFile], codec: TokenCodec, vocabulary: IntArray, path: Path
) -> None:
    """Count what follows what in some files, and write the table.

    Args:
        files: of the corpus's training split.
        codec: the base's tokenizer.
        vocabulary: the tokens that may be drafted, ascending ``[V]``.
        path: a safetensors file.
    """
    n = len(vocabulary)
    index = np.full(max(codec.n_vocab, int(vocabulary[-1]) + 1), -1, dtype=np.int64)
    index[vocabulary] = np.arange(n)
    counts = np.zeros(n, dtype=np.int64)
    pairs: list[IntArray] = []
    for file in files:
        known = index[np.array(codec.encode(file.text), dtype=np.int64)]
        counts += np.bincount(known[known >= 0], minlength=n)
        both = (known[:-1] >= 0) & (known[1:] >= 0)
        pairs.append(known[:-1][both] * n + known[1:][both])
    keys, pair_counts = np.unique(np.concatenate(pairs), return_counts=True)
    kept = pair_counts >= MIN_COUNT
    keys, pair_counts = keys[kept], pair_counts[kept]
    order = np.lexsort((-pair_counts, keys // n))
    firsts = keys[order] // n
    rank = np.arange(len(order)) - np.searchsorted(firsts, firsts)
    order = np.sort(order[rank < MAX_FOLLOWERS])
    keys, pair_counts = keys[order], pair_counts[order]
    save_file(
        {
            "vocabulary": vocabulary.astype(np.int32),
            "counts": counts.astype(np.int32),
            "starts": np.searchsorted(keys // n, np.arange(n + 1)).astype(np.int32),
            "followers": (keys % n).astype(np.int32),
            "pair_counts": np.minimum(pair_counts, 2**31 - 1).astype(np.int32),
        },
        path,
    )
