"""The rows of one pass: which tokens and masks are computed together, and what each may see.

A pass verifies and drafts at once. Its first rows are read by the base alone, causally: tokens that are
settled but not encoded yet, then the draft in doubt. Behind them stand masks in groups, one group for
each length to which the draft may turn out right; a group sees the rows it follows and itself, in both
directions, and runs through the canvas adapter. Pure data (the layout is that of arXiv 2507.11851).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.canvas import MASKED

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """New rows after a context cache.

    Attributes:
        ids: token of each row, or ``MASKED`` ``[n]``.
        offsets: position of each row, counted from the end of the cache ``[n]``.
        sees: whether row s sees row t ``[n, n]``; every row sees the whole cache.
        gated: whether a row runs through the canvas adapter ``[n]``.
    """

    ids: IntArray
    offsets: IntArray
    sees: BoolArray
    gated: BoolArray

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def causal(cls, ids: Sequence[int]) -> Rows:
        """Rows of the base alone, each seeing the ones before it."""
        return cls.drafting(ids, [])

    @classmethod
    def drafting(cls, ids: Sequence[int], groups: Sequence[tuple[int, int]]) -> Rows:
        """Causal rows of the base and groups of masks behind them.

        Args:
            ids: tokens of the causal rows.
            groups: per group, how many of the causal rows it follows, and its number of masks.
        """
        n_causal = len(ids)
        n_rows = n_causal + sum(n_masks for _, n_masks in groups)
        all_ids = np.full(n_rows, MASKED, dtype=np.int64)
        all_ids[:n_causal] = ids
        offsets = np.arange(n_rows)
        sees = np.zeros((n_rows, n_rows), dtype=np.bool_)
        sees[:n_causal, :n_causal] = np.tri(n_causal, dtype=np.bool_)
        at = n_causal
        for n_before, n_masks in groups:
            group = slice(at, at + n_masks)
            offsets[group] = n_before + np.arange(n_masks)
            sees[group, :n_before] = True
            sees[group, group] = True
            at += n_masks
        return cls(all_ids, offsets, sees, np.arange(n_rows) >= n_causal)

    @classmethod
    def branching(cls, ids: Sequence[int], branches: Sequence[Sequence[int]]) -> Rows:
        """Causal rows of the base, and several ways to go on from the last of them, unseen by one another."""
        n_rows = len(ids) + sum(map(len, branches))
        sees = np.zeros((n_rows, n_rows), dtype=np.bool_)
        sees[:, : len(ids)] = np.tri(n_rows, len(ids), dtype=np.bool_)
        offsets = np.arange(n_rows)
        at = len(ids)
        for branch in branches:
            own = slice(at, at + len(branch))
            sees[own, own] = np.tri(len(branch), dtype=np.bool_)
            offsets[own] = len(ids) + np.arange(len(branch))
            at += len(branch)
        flat = [*ids, *(token for branch in branches for token in branch)]
        return cls(np.array(flat, dtype=np.int64), offsets, sees, np.zeros(n_rows, dtype=np.bool_))
