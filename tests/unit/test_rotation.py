"""Rotations of matrices: undone by themselves, harmless to products, and what is large becomes small."""

from __future__ import annotations

import numpy as np
import pytest

from engine.weights import rotation
from engine.weights.rotation import UNTURNED, Turn, block_size, rotated, walsh_hadamard

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(5, 96)).astype(np.float32)
MATRIX = RNG.normal(size=(7, 96)).astype(np.float32)


def test_a_block_is_a_power_of_two_that_cuts_the_width_into_wholes() -> None:
    assert [block_size(width, 128) for width in (896, 1536, 96, 7)] == [128, 128, 32, 1]
    assert block_size(4864, 64) == 64


def test_a_rotation_is_orthogonal_and_undoes_itself() -> None:
    matrix = walsh_hadamard(32)
    assert np.allclose(matrix @ matrix, np.eye(32), atol=1e-6) and (matrix == matrix.T).all()
    assert np.allclose(rotated(rotated(ROWS, 32), 32), ROWS, atol=1e-5)
    assert np.allclose(rotated(ROWS, 32)[:, 32:64], ROWS[:, 32:64] @ matrix, atol=1e-5)
    assert (rotated(np.array([[1, 2, 3, 4]], np.float32), 4) == [[5, -1, -2, 0]]).all()


def test_what_is_large_in_one_channel_is_spread() -> None:
    rows = np.zeros((1, 64), dtype=np.float32)
    rows[0, 9] = 80
    assert np.abs(rotated(rows, 64)).max() == 10


def test_products_are_what_they_were() -> None:
    gain = RNG.uniform(0.5, 2, 96).astype(np.float32)
    stored = Turn("gain", columns=32).of(MATRIX, gain)
    assert np.allclose(rotated(ROWS, 32) @ stored.T, (ROWS * gain) @ MATRIX.T, atol=1e-4)
    written = Turn(rows=32).of(np.ascontiguousarray(MATRIX.T), None)
    assert np.allclose(rotated((ROWS[:, :7] @ MATRIX), 32), ROWS[:, :7] @ written.T, atol=1e-4)


def test_a_single_row_and_many_rows_are_turned_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Turn(columns=32, rows=1).of(MATRIX, None)
    assert (Turn(columns=32).of(MATRIX[2], None) == whole[2]).all()
    monkeypatch.setattr(rotation, "AT_ONCE", 3)
    assert (Turn(columns=32).of(MATRIX, None) == whole).all()
    assert UNTURNED.of(MATRIX, None) is MATRIX
