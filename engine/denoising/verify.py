"""What the base says of a draft: which of its tokens stand, and what follows them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.denoising.schedule import DecodeRule

FloatArray = npt.NDArray[np.float32]

CLOSE_CALL = 0.5
"""Nats between a row's two best tokens below which they may change places.

A row of a branch adds its attention up in another order than it would by itself; with 8-bit activations that
moved the difference by up to 0.12 (see the results log). Rows of the run are the same to the bit.
"""


def stands(logits: FloatArray, drafted: int, chosen: int, rule: DecodeRule) -> bool:
    """Whether a drafted token may stand where the base would have chosen another.

    Args:
        logits: the base's, for this place ``[n_vocab]``.
        drafted: the draft's token.
        chosen: the base's own choice.
        rule: how much less probable the draft's token may be.
    """
    if drafted == chosen:
        return True
    if rule.plausible >= 1.0:
        return False
    return bool(np.exp(logits[drafted] - logits[chosen]) >= rule.plausible)


def is_close(logits: FloatArray) -> bool:
    """Whether the two best tokens of one row of logits ``[n_vocab]`` are a ``CLOSE_CALL``."""
    best = int(logits.argmax())
    second = max(logits[:best].max(initial=-np.inf), logits[best + 1 :].max(initial=-np.inf))
    return bool(logits[best] - second < CLOSE_CALL)


def chances_of(logits: FloatArray, tokens: Sequence[int] | npt.NDArray[np.int64]) -> list[float]:
    """Softmax probabilities of some tokens in one row of logits ``[n_vocab]``."""
    if not len(tokens):
        return []
    top = logits.max()
    whole = np.exp(logits - top).sum()
    return [float(np.exp(logits[token] - top) / whole) for token in tokens]
