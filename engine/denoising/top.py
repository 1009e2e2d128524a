"""The likeliest tokens of a place: all that decoding asks of a row of logits.

Reading whole rows of 151,936 numbers takes the host longer than a GPU takes to compute them, so a model may
give this in their place. Pure data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.denoising.unmask import hold_to, prefer_others

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

KEPT = 64
"""Tokens that are kept of a row."""

REACH = 12.0
"""Tokens whose logit is lower than the best one's by more than this (nats) are not kept."""


@dataclass(frozen=True, slots=True)
class TopTokens:
    """The likeliest tokens of one place.

    Attributes:
        tokens: best first, the lowest id among equals ``[k]``; none only where nothing that may stand there
            is among the best.
        logits: of each ``[k]``.
        norm: the logarithm of what the exponentials of all logits add up to.
        row: the whole row ``[n_vocab]``; None where it is not at hand.
    """

    tokens: IntArray
    logits: FloatArray
    norm: float
    row: FloatArray | None = None

    @classmethod
    def of(cls, row: FloatArray) -> TopTokens:
        """Those of a whole row ``[n_vocab]``."""
        best = row.max()
        return cls(*kept_of(*near_of(row, best)), float(best + np.log(np.exp(row - best).sum())), row)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def others(self) -> float:
        """What no logit of another token is above."""
        return float(self.logits[-1] if len(self) >= KEPT else self.logits[0] - REACH)

    def logit_of(self, token: int) -> float:
        """Of a token; minus infinity where it is none of these and the row is not at hand."""
        if self.row is not None:
            return float(self.row[token])
        (places,) = np.nonzero(self.tokens == token)
        return float(self.logits[places[0]]) if len(places) else -np.inf

    def chance_of(self, token: int) -> float:
        """The softmax probability of a token, see ``logit_of``."""
        return float(np.exp(self.logit_of(token) - self.norm))

    def held_to(self, allowed: IntArray) -> TopTokens:
        """What is left if only the allowed tokens may stand ``[n_allowed]``, at least one.

        Without the whole row none may be left; if one is, the best that is allowed is among them.
        """
        if self.row is not None:
            return TopTokens.of(hold_to(self.row, allowed))
        kept = np.isin(self.tokens, allowed)
        left = self.logits[kept]
        return TopTokens(self.tokens[kept], left, float(np.logaddexp.reduce(left, initial=-np.inf)))

    def preferring_others(self, avoid: IntArray, alternative: float) -> TopTokens:
        """These without the tokens to avoid, see ``prefer_others``."""
        if self.row is not None:
            others = prefer_others(self.row, avoid, alternative)
            return self if others is self.row else TopTokens.of(others)
        kept = ~np.isin(self.tokens, avoid)
        if kept[:1].any() or not kept.any() or self.chance_of(int(self.tokens[kept][0])) < alternative:
            return self
        left = float(np.log1p(-np.exp(self.logits[~kept] - self.norm).sum()))
        return TopTokens(self.tokens[kept], self.logits[kept], self.norm + left)


Logits = FloatArray | TopTokens
"""What a model says of a place: the logits of all tokens ``[n_vocab]``, or the likeliest."""

LogitRows = FloatArray | Sequence[TopTokens]
"""The same of several places ``[n]``."""


def top_of(logits: Logits) -> TopTokens:
    """The likeliest tokens of a place."""
    return logits if isinstance(logits, TopTokens) else TopTokens.of(logits)


def near_of(row: FloatArray, best: float) -> tuple[IntArray, FloatArray]:
    """The tokens of a row ``[n]`` within ``REACH`` of its highest logit, ascending, and their logits."""
    near = np.flatnonzero(row > best - REACH)
    return near, row[near]


def kept_of(tokens: IntArray, logits: FloatArray) -> tuple[IntArray, FloatArray]:
    """The likeliest ``KEPT`` of some tokens, given ascending, and their logits; best first."""
    if len(tokens) > KEPT:
        least = np.partition(logits, -KEPT)[-KEPT]
        above = np.flatnonzero(logits > least)
        top = np.append(above, np.flatnonzero(logits == least)[: KEPT - len(above)])
        tokens, logits = tokens[top], logits[top]
    order = np.lexsort((tokens, -logits))
    return tokens[order], logits[order]
