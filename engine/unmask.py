"""What a slot's logits say: the best token and how sure the model is of it. Pure functions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def best_tokens(logits: FloatArray) -> tuple[IntArray, FloatArray]:
    """Most likely token of each row and its probability.

    Args:
        logits: ``[n_rows, n_vocab]``.

    Returns:
        tokens ``[n_rows]`` (the lowest id among equals) and their softmax probabilities ``[n_rows]``.
    """
    tokens = logits.argmax(axis=-1)
    top = logits.max(axis=-1, keepdims=True)
    confidence = 1.0 / np.exp(logits - top).sum(axis=-1)
    return tokens.astype(np.int64), confidence.astype(np.float32)


def hold_to(logits: FloatArray, allowed: IntArray) -> FloatArray:
    """One row of logits in which only the allowed tokens remain.

    Args:
        logits: ``[n_vocab]``.
        allowed: token ids ``[n_allowed]``, at least one.

    Returns:
        ``[n_vocab]``, minus infinity everywhere else.
    """
    assert allowed.size
    held = np.full_like(logits, -np.inf)
    held[allowed] = logits[allowed]
    return held
