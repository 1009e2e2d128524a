"""How weights are stored: float32 matrices to the bytes ONNX Runtime's kernels read, and back.

``q8`` and ``q4`` are the block formats of `com.microsoft.MatMulNBits` and `GatherBlockQuantized`: 32
values along the last axis share a float32 scale; codes are unsigned with the zero point in the middle.
``d8`` is int8, transposed, with a scale for every output, for products with rows of activations that are
quantized as they come. ``u8`` is the same with codes around 128, for processors whose products of signed
bytes overflow.
``f16`` halves the file; it is computed in float32, but for models in ``g16``, which are for GPUs: there all
is float16, vectors as well, and is computed so.
Pure numpy, the same bytes on every platform: IEEE multiplication, division and rounding to even only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

Encoding = Literal["f32", "f16", "q8", "q4", "d8", "u8"]

Quantization = Encoding | Literal["g16"]
"""How a model as a whole is stored."""

FOR_GPUS: Quantization = "g16"
"""That of the graphs of ``export.gpu_graph``."""

WHOLE_COLUMNS: frozenset[Encoding] = frozenset({"d8", "u8"})
"""Those whose products are of integers over all columns."""

BLOCK = 32

MIDDLE = 128
"""Code of a zero where codes are unsigned bytes."""

AT_ONCE = 8192
"""Rows that are encoded at once: a vocabulary's matrix would take several times its size otherwise."""

FloatArray = npt.NDArray[np.float32]


def encode(matrix: FloatArray, encoding: Encoding) -> dict[str, npt.NDArray[np.generic]]:
    """The stored parts of a tensor, by part name: ``data``, or ``codes`` and ``scales``.

    Args:
        matrix: any shape for ``f32``; ``[n_rows, n_columns]`` for the others, with ``n_columns`` a
            multiple of 32 for the block formats.
    """
    return _ENCODERS[encoding](matrix)


def part_shapes(shape: tuple[int, ...], encoding: Encoding) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and numpy type of each stored part of a tensor of this shape."""
    if encoding in ("f32", "f16"):
        return {"data": (shape, "float32" if encoding == "f32" else "float16")}
    n_rows, n_columns = shape
    if encoding in WHOLE_COLUMNS:
        return {
            "codes": ((n_columns, n_rows), "int8" if encoding == "d8" else "uint8"),
            "scales": ((n_rows,), "float32"),
        }
    n_blocks, code_bytes = n_columns // BLOCK, BLOCK * (8 if encoding == "q8" else 4) // 8
    return {"codes": ((n_rows, n_blocks, code_bytes), "uint8"), "scales": ((n_rows, n_blocks), "float32")}


def decode(parts: dict[str, npt.NDArray[np.generic]], encoding: Encoding) -> FloatArray:
    """The float32 values that stored parts stand for."""
    if encoding in ("f32", "f16"):
        return parts["data"].astype(np.float32)
    if encoding in WHOLE_COLUMNS:
        scales = np.asarray(parts["scales"], dtype=np.float32)
        signed = parts["codes"].astype(np.float32) - (MIDDLE if encoding == "u8" else 0)
        return np.ascontiguousarray((signed * scales).T)
    codes = np.asarray(parts["codes"], dtype=np.uint8)
    if encoding == "q4":
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:-1], BLOCK)
    zero = MIDDLE if encoding == "q8" else 8
    values = (codes.astype(np.float32) - zero) * np.asarray(parts["scales"], dtype=np.float32)[..., None]
    return values.reshape(values.shape[0], -1)


def joined(tensors: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, FloatArray]:
    """The tensors of a file in float32; a matrix may be there in q8: ``NAME/codes`` and ``NAME/scales``."""
    whole = {name: array.astype(np.float32) for name, array in tensors.items() if "/" not in name}
    for key, codes in tensors.items():
        name, _, part = key.partition("/")
        if part == "codes":
            whole[name] = decode({"codes": codes, "scales": tensors[f"{name}/scales"]}, "q8")
    return whole


def _f32(matrix: FloatArray) -> dict[str, npt.NDArray[np.generic]]:
    return {"data": np.ascontiguousarray(matrix, dtype="<f4")}


def _f16(matrix: FloatArray) -> dict[str, npt.NDArray[np.generic]]:
    return {"data": np.ascontiguousarray(matrix, dtype="<f2")}


def _d8(matrix: FloatArray) -> dict[str, npt.NDArray[np.generic]]:
    n_rows, n_columns = matrix.shape
    codes = np.empty((n_columns, n_rows), dtype=np.int8)
    scales = np.empty(n_rows, dtype=np.float32)
    for start in range(0, n_rows, AT_ONCE):
        rows = np.asarray(matrix[start : start + AT_ONCE], dtype=np.float32)
        scale = (np.abs(rows).max(axis=-1) / np.float32(127)).astype(np.float32)
        codes[:, start : start + AT_ONCE] = np.rint(rows / _divisor(scale)).astype(np.int8).T
        scales[start : start + AT_ONCE] = scale
    return {"codes": codes, "scales": scales}


def _u8(matrix: FloatArray) -> dict[str, npt.NDArray[np.generic]]:
    signed = _d8(matrix)
    return signed | {"codes": signed["codes"].view(np.uint8) ^ np.uint8(MIDDLE)}


def _q8(matrix: FloatArray) -> dict[str, npt.NDArray[np.generic]]:
    blocks = _blocks(matrix)
    scales = (np.abs(blocks).max(axis=-1) / np.float32(127)).astype(np.float32)
    codes = np.rint(blocks / _divisor(scales)) + np.float32(MIDDLE)
    return {"codes": codes.astype(np.uint8), "scales": scales}


def _q4(matrix: FloatArray) -> dict[str, npt.NDArray[np.generic]]:
    blocks = _blocks(matrix)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=-1)[..., None], axis=-1)[..., 0]
    scales = (largest / np.float32(-8)).astype(
        np.float32
    )  # the largest value gets the code that reaches furthest
    codes = np.clip(np.rint(blocks / _divisor(scales)) + np.float32(8), 0, 15).astype(np.uint8)
    return {"codes": codes[..., 0::2] | (codes[..., 1::2] << 4), "scales": scales}


def _blocks(matrix: FloatArray) -> FloatArray:  # [n_rows, n_blocks, 32]
    assert matrix.ndim == 2 and matrix.shape[1] % BLOCK == 0, matrix.shape
    return np.ascontiguousarray(matrix, dtype=np.float32).reshape(matrix.shape[0], -1, BLOCK)


def _divisor(scales: FloatArray) -> FloatArray:
    """Scales as divisors; a block of zeros has scale 0 and is divided by 1."""
    return np.where(scales == 0, np.float32(1), scales)[..., None]


_ENCODERS: dict[Encoding, Callable[[FloatArray], dict[str, npt.NDArray[np.generic]]]] = {
    "f32": _f32,
    "f16": _f16,
    "q8": _q8,
    "q4": _q4,
    "d8": _d8,
    "u8": _u8,
}
