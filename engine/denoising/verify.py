"""What the base says of a draft: which of its tokens stand, and what follows them. Pure functions."""

from __future__ import annotations

import math

from engine.denoising.schedule import DecodeRule
from engine.denoising.top import TopTokens

CLOSE_CALL = 0.5
"""Nats between a row's two best tokens below which they may change places.

A row of a branch adds its attention up in another order than it would by itself; with 8-bit activations that
moved the difference by up to 0.12 (see the results log). Rows of the run are the same to the bit.
"""


def stands(top: TopTokens, drafted: int, chosen: int, rule: DecodeRule) -> bool:
    """Whether a drafted token may stand where the base would have chosen another.

    Args:
        top: what the base says of this place.
        drafted: the draft's token.
        chosen: the base's own choice.
        rule: how much less probable the draft's token may be.
    """
    if drafted == chosen:
        return True
    if rule.plausible >= 1.0:
        return False
    return math.exp(top.logit_of(drafted) - top.logit_of(chosen)) >= rule.plausible


def is_close(top: TopTokens) -> bool:
    """Whether the two best tokens of a place are a ``CLOSE_CALL``."""
    return len(top) > 1 and bool(top.logits[0] - top.logits[1] < CLOSE_CALL)
