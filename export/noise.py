"""What a canvas shows while it is being learned: masks, right tokens and wrong ones. Pure functions.

Two kinds of canvas are mixed. A *draft* is masks alone, right after text the base has read: what the
first pass of every fill sees. A *revision* shows part of its tokens, some of them wrong, so that the
adapter learns to look to both sides and to mistrust what it sees (masked diffusion with uniform noise,
arXiv 2107.03006 and 2512.15596).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MASKED = -1

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NoiseRule:
    """How canvases are noised.

    Attributes:
        revision_share: share of canvases that are revisions.
        wrong_share: share of a revision's visible tokens that are replaced by wrong ones.
    """

    revision_share: float = 0.15
    wrong_share: float = 0.15


def noised(tokens: IntArray, pool: IntArray, rule: NoiseRule, rng: np.random.Generator) -> IntArray:
    """What canvases show in place of their true tokens.

    Args:
        tokens: true tokens ``[n_canvases, n_slots]``.
        pool: where wrong tokens are drawn from ``[n_pool]``.
        rule: how much of what.
        rng: the source of chance.

    Returns:
        ``[n_canvases, n_slots]``: a token, or ``MASKED``. The masked share of a revision is uniform
        between none and all.
    """
    n_canvases, n_slots = tokens.shape
    revised = rng.random((n_canvases, 1)) < rule.revision_share
    visible = revised & (rng.random((n_canvases, n_slots)) >= rng.random((n_canvases, 1)))
    wrong = visible & (rng.random((n_canvases, n_slots)) < rule.wrong_share)
    shown = np.where(visible, tokens, MASKED)
    return np.where(wrong, rng.choice(pool, size=tokens.shape), shown)
