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
    if not len(logits):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
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


def prefer_others(logits: FloatArray, avoid: IntArray, alternative: float) -> FloatArray:
    """A row without the tokens to avoid, if one of them is the best and another is probable enough.

    Args:
        logits: ``[n_vocab]``.
        avoid: token ids ``[n_avoid]``.
        alternative: probability the best other token must have.

    Returns:
        ``[n_vocab]``: the same row, or one without the tokens to avoid.
    """
    if not np.isin(logits.argmax(), avoid):
        return logits
    others = logits.copy()
    others[avoid] = -np.inf
    if np.isneginf(others.max()):  # nothing else is allowed here
        return logits
    top = logits.max()
    probability = np.exp(others.max() - top) / np.exp(logits - top).sum()
    return others if probability >= alternative else logits
