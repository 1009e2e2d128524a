"""Matrices as they are for rows that were rotated, so that a few large channels do not take all of the codes.

Rows are cut into blocks, and each block is multiplied by a Walsh-Hadamard matrix, which spreads what is large
in one channel over all of its block. The matrix that reads such rows is rotated the same way, so that the
products are what they were; the gain of a norm before it is multiplied into it. Sources: QuaRot (arXiv
2404.00456), SliceGPT (arXiv 2401.15024) for the residual stream. Sums and differences in one order: the same
bytes on every platform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

AT_ONCE = 8192
"""Rows that are rotated at once: a vocabulary's matrix would take several times its size otherwise."""

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is done to a matrix before it is stored.

    Attributes:
        gain: the base tensor whose values its columns are multiplied by first; None for none.
        columns: size of the blocks in which its last axis is rotated, a power of two; 1 for not at all.
        rows: the same of its first axis.
    """

    gain: str | None = None
    columns: int = 1
    rows: int = 1

    def of(self, matrix: FloatArray, gain: FloatArray | None) -> FloatArray:
        """The matrix as it is stored.

        Args:
            matrix: ``[n_rows, n_columns]``, or one row ``[n_columns]``.
            gain: the values of ``self.gain``, ``[n_columns]``.
        """
        if self == UNTURNED:
            return matrix
        turned = np.empty(matrix.shape, dtype=np.float32)
        rows, made = np.atleast_2d(matrix), np.atleast_2d(turned)
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            made[start : start + AT_ONCE] = rotated(part if gain is None else part * gain, self.columns)
        return turned if self.rows == 1 else np.ascontiguousarray(rotated(turned.T, self.rows).T)


UNTURNED = Turn()


def block_size(width: int, most: int) -> int:
    """The largest power of two that cuts a width into whole blocks and is not above ``most``."""
    return min(width & -width, most)


def rotated(rows: FloatArray, size: int) -> FloatArray:
    """Each block of ``size`` values along the last axis, times ``walsh_hadamard(size)``."""
    blocks = np.asarray(rows, dtype=np.float32).reshape(-1, size)
    half = 1
    while half < size:
        pairs = blocks.reshape(-1, size // (2 * half), 2, half)
        first, second = pairs[:, :, 0], pairs[:, :, 1]
        blocks = np.stack([first + second, first - second], axis=2).reshape(-1, size)
        half *= 2
    return (blocks * np.float32(1 / math.sqrt(size))).reshape(rows.shape)


def walsh_hadamard(size: int) -> FloatArray:
    """The rotation of one block, which undoes itself ``[size, size]``."""
    return rotated(np.eye(size, dtype=np.float32), size)
