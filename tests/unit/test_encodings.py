"""Weight encodings: what is stored stands for what was given, within the format's step."""

from __future__ import annotations

import numpy as np
import pytest

from engine.weights.encodings import (
    BLOCK,
    MIDDLE,
    WHOLE_COLUMNS,
    Encoding,
    decode,
    encode,
    part_shapes,
)

STEP = {"f32": 0.0, "q8": 0.5 / 127, "d8": 0.5 / 127, "u8": 0.5 / 127, "q4": 1 / 8}


@pytest.mark.parametrize("encoding", ["f32", "q8", "q4", "d8", "u8"])
def test_decoded_values_lie_within_a_step(encoding: Encoding) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(6, 4 * BLOCK)).astype(np.float32)
    matrix[2] = 0
    parts = encode(matrix, encoding)
    for name, (shape, dtype) in part_shapes(matrix.shape, encoding).items():
        assert parts[name].shape == shape and parts[name].dtype == dtype
    scale_of = matrix if encoding in WHOLE_COLUMNS else matrix.reshape(6, -1, BLOCK)
    largest = np.abs(scale_of).max(axis=-1, keepdims=True)
    allowed = np.broadcast_to(largest * STEP[encoding], scale_of.shape).reshape(matrix.shape)
    assert (np.abs(decode(parts, encoding) - matrix) <= allowed * 1.001).all()


def test_unsigned_codes_stand_for_the_same_values() -> None:
    matrix = np.random.default_rng(2).normal(size=(5, 3 * BLOCK)).astype(np.float32)
    signed, unsigned = encode(matrix, "d8"), encode(matrix, "u8")
    assert (unsigned["codes"] == signed["codes"].astype(int) + MIDDLE).all()
    assert (decode(unsigned, "u8") == decode(signed, "d8")).all()


def test_eight_bit_blocks_are_exact_for_eight_bit_weights() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(-127, 128, (8, 2, BLOCK))
    codes[..., 0] = 127  # Q8_0 always uses its whole range
    matrix = (codes * rng.uniform(0.01, 0.1, (8, 2, 1)).astype(np.float16)).astype(np.float32).reshape(8, -1)
    stored = encode(matrix, "q8")
    assert (stored["codes"].astype(int) - 128 == codes).all()
