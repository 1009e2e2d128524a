"""The rows of one pass: which tokens and masks are computed together, and what each may see.

A pass verifies and drafts at once. Its first rows are read by the base alone, causally: tokens that are
settled but not encoded yet, then the draft in doubt, a branch of it unseen by the others. Behind them stand
masks in groups, one group for each place to which the draft may turn out right; a mask sees the rows its
group follows and the masks before it, so that what it says does not depend on how many come after, and runs
through the canvas adapter. Pure data (the layout is that of arXiv 2507.11851).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.denoising.canvas import MASKED

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
    def drafting(
        cls, ids: Sequence[int], groups: Sequence[tuple[int, int]], parents: Sequence[int] | None = None
    ) -> Rows:
        """Causal rows of the base and groups of masks behind them.

        Args:
            ids: tokens of the causal rows.
            groups: per group, the number (from 1) of the causal row it follows, 0 for the cache, and its
                number of masks.
            parents: the row that each causal row follows, an earlier one, or -1 for the cache; by default
                the row before it.
        """
        n_causal = len(ids)
        n_rows = n_causal + sum(n_masks for _, n_masks in groups)
        all_ids = np.full(n_rows, MASKED, dtype=np.int64)
        all_ids[:n_causal] = ids
        offsets = np.arange(n_rows)
        sees = np.zeros((n_rows, n_rows), dtype=np.bool_)
        sees[:n_causal, :n_causal] = np.tri(n_causal, dtype=np.bool_)
        for row, parent in enumerate(parents or ()):
            after = parent >= 0
            sees[row, :row] = sees[parent, :row] if after else False
            offsets[row] = offsets[parent] + 1 if after else 0
        at = n_causal
        for follows, n_masks in groups:
            group = slice(at, at + n_masks)
            offsets[group] = np.arange(n_masks)
            if follows:
                offsets[group] += offsets[follows - 1] + 1
                sees[group, :n_causal] = sees[follows - 1, :n_causal]
            sees[group, group] = np.tri(n_masks, dtype=np.bool_)
            at += n_masks
        return cls(all_ids, offsets, sees, np.arange(n_rows) >= n_causal)

    @classmethod
    def branching(cls, ids: Sequence[int], branches: Sequence[Sequence[int]]) -> Rows:
        """Causal rows of the base, and several ways to go on from the last of them, unseen by one another."""
        tokens, parents = list(ids), list(range(-1, len(ids) - 1))
        for branch in branches:
            for place, token in enumerate(branch):
                parents.append(len(tokens) - 1 if place else len(ids) - 1)
                tokens.append(token)
        return cls.drafting(tokens, [], parents)

    @classmethod
    def together(cls, ids: Sequence[int], offsets: IntArray | None = None, *, gated: bool = False) -> Rows:
        """Rows that all see one another, at given positions or one after the other."""
        n_rows = len(ids)
        places = np.arange(n_rows) if offsets is None else offsets
        sees = np.ones((n_rows, n_rows), dtype=np.bool_)
        return cls(np.array(ids, dtype=np.int64), places, sees, np.full(n_rows, gated))

    @classmethod
    def in_blocks(cls, ids: Sequence[int], block: int) -> Rows:
        """Rows from the start of a block on, each seeing its own block and the ones before it."""
        numbers = np.arange(len(ids)) // block
        sees = numbers[:, None] >= numbers[None, :]
        return cls(
            np.array(ids, dtype=np.int64), np.arange(len(ids)), sees, np.zeros(len(ids), dtype=np.bool_)
        )
