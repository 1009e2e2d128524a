"""A corpus to the table of which tokens follow which, for ``engine.denoising.transitions``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from engine.denoising.followers import COUNT_STEPS, UNKNOWN
from engine.denoising.tokens import TokenCodec
from export.data import SourceFile

IntArray = npt.NDArray[np.int64]

TRANSITIONS_FILE = "transitions.safetensors"

MIN_PAIRS, MIN_TRIPLES = 5, 8
"""A pair, and a triple, that was seen less often is left out."""


def write_transitions(
    files: Iterable[SourceFile], codec: TokenCodec, vocabulary: IntArray, path: Path
) -> None:
    """Count what follows what in some files, and write the table.

    Args:
        files: of the corpus's training split.
        codec: the base's tokenizer.
        vocabulary: the tokens that may be drafted, ascending ``[V]``, at most 65,536.
        path: a safetensors file.
    """
    n = len(vocabulary)
    index = np.full(max(codec.n_vocab, int(vocabulary[-1]) + 1), UNKNOWN, dtype=np.int64)
    index[vocabulary] = np.arange(n)
    apart = np.array([UNKNOWN], dtype=np.int64)
    text = [apart]
    for file in files:
        text += [index[np.array(codec.encode(file.text), dtype=np.int64)], apart]
    known = np.concatenate(text)
    pairs, pair_counts = _runs(known, 2, n, MIN_PAIRS)
    triples, triple_counts = _runs(known, 3, n, MIN_TRIPLES)
    save_file(
        {
            "vocabulary": vocabulary.astype(np.int32),
            "counts": np.bincount(known[known != UNKNOWN], minlength=n).astype(np.int32),
            "pair_sizes": np.bincount(pairs // n, minlength=n).astype(np.uint16),
            "pair_followers": (pairs % n).astype(np.uint16),
            "pair_counts": _steps(pair_counts),
            # A pair is seen at least as often as what it begins, so each of these is there.
            "triple_sizes": np.bincount(np.searchsorted(pairs, triples // n), minlength=len(pairs)).astype(
                np.uint16
            ),
            "triple_followers": (triples % n).astype(np.uint16),
            "triple_counts": _steps(triple_counts),
        },
        path,
    )


def _runs(known: IntArray, length: int, n: int, least: int) -> tuple[IntArray, IntArray]:
    """The runs of known tokens that were seen so often, ascending, as numbers of base ``n``, with counts."""
    n_runs = max(len(known) - length + 1, 0)
    windows = [known[i : i + n_runs] for i in range(length)]
    whole = np.all([window != UNKNOWN for window in windows], axis=0)
    numbers = np.zeros(int(whole.sum()), dtype=np.int64)
    for window in windows:
        numbers = numbers * n + window[whole]
    runs, counts = np.unique(numbers, return_counts=True)
    return runs[counts >= least], counts[counts >= least]


def _steps(counts: IntArray) -> npt.NDArray[np.uint8]:
    """Counts as logarithms, see ``COUNT_STEPS``."""
    return np.minimum(np.round(COUNT_STEPS * np.log2(counts)), 255).astype(np.uint8)
