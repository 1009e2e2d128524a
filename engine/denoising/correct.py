"""A finished canvas to one whose doubtful tokens were masked again and filled anew.

The base reads the canvas once. A token that it finds much less likely than another is in doubt; what
decides is not that alone but the text behind it: an alternative takes the slot only if it makes token and
following text together clearly more likely. Knows nothing of text, files and models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.denoising.denoiser import Reader
from engine.types import CancelToken


@dataclass(frozen=True, slots=True)
class CorrectionRule:
    """When a token is masked again, and when another takes its place.

    Attributes:
        doubt: nats by which the best token of a slot must beat the one that stands there.
        gain: nats by which token and following text together must become more likely.
        ahead: how many following tokens are looked at.
        most: the most slots that are tried, most doubtful first.
    """

    doubt: float = 3.0
    gain: float = 7.0
    ahead: int = 8
    most: int = 24


def correct(
    denoiser: Reader, canvas: Sequence[int], tail: Sequence[int], rule: CorrectionRule, cancel: CancelToken
) -> list[int]:
    """Correct a canvas right after the denoiser's current context.

    Args:
        denoiser: holds the context.
        canvas: its tokens; their number stays the same.
        tail: known tokens behind it, looked at and never changed.
        rule: see ``CorrectionRule``.
        cancel: polled at every pass.

    Raises:
        Cancelled: asked to stop.
    """
    tokens, n_slots = [*canvas, *tail[: rule.ahead]], len(canvas)
    tried: set[int] = set()
    reading = denoiser.read(tokens, cancel)
    for _ in range(rule.most):
        doubt = reading.top_log_probs[:n_slots, 0] - reading.log_probs[:n_slots]
        doubt[sorted(tried)] = -np.inf
        slot = int(doubt.argmax())
        if doubt[slot] < rule.doubt:
            break
        tried.add(slot)
        better = _better_token(denoiser, tokens, slot, reading.top_tokens[slot], rule, cancel)
        if better is not None:
            tokens[slot] = better
            reading = denoiser.read(tokens, cancel)
            tried = {known for known in tried if known <= slot}  # what follows now reads differently
    return tokens[:n_slots]


def _better_token(
    denoiser: Reader,
    tokens: Sequence[int],
    slot: int,
    candidates: Sequence[int],
    rule: CorrectionRule,
    cancel: CancelToken,
) -> int | None:
    """The candidate that explains the slot and what follows best, if it is worth the change."""
    following = tokens[slot + 1 : slot + 1 + rule.ahead]
    others = [int(token) for token in candidates if token != tokens[slot]]
    branches = [[token, *following] for token in (tokens[slot], *others)]
    likely = [float(scores.sum()) for scores in denoiser.compare(tokens[:slot], branches, cancel)]
    best = int(np.argmax(likely))
    return branches[best][0] if likely[best] - likely[0] >= rule.gain else None
