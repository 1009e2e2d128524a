"""The canvas: the tokens being filled in, each committed or still masked.

Pure data. Knows neither the model nor the text around it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

MASKED = -1
"""What a slot holds while nothing is committed to it."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """Slots right after the context, in reading order.

    Attributes:
        tokens: token id of each slot, or ``MASKED``. Shape ``[n_slots]``.
        confidence: probability each token was committed with, 0 while masked. Shape ``[n_slots]``.
    """

    tokens: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]

    @classmethod
    def masked(cls, n_slots: int) -> Canvas:
        """A canvas of masks alone."""
        return cls(np.full(n_slots, MASKED, dtype=np.int64), np.zeros(n_slots, dtype=np.float32))

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return len(self.tokens)

    @property
    def open_slots(self) -> npt.NDArray[np.int64]:
        """Indices of the masked slots, ascending. Shape ``[n_open]``."""
        return np.flatnonzero(self.tokens == MASKED)

    @property
    def n_settled(self) -> int:
        """Length of the run of committed slots at the start."""
        is_open = self.tokens == MASKED
        return int(is_open.argmax()) if is_open.any() else self.n_slots

    @property
    def settled(self) -> list[int]:
        """The tokens of that run."""
        return [int(token) for token in self.tokens[: self.n_settled]]

    def commit(
        self,
        slots: npt.NDArray[np.int64],
        tokens: npt.NDArray[np.int64],
        confidence: npt.NDArray[np.float32],
    ) -> Canvas:
        """A canvas with these masked slots filled; committed slots are never overwritten."""
        assert (self.tokens[slots] == MASKED).all(), "only masked positions may change"
        new_tokens, new_confidence = self.tokens.copy(), self.confidence.copy()
        new_tokens[slots] = tokens
        new_confidence[slots] = confidence
        return replace(self, tokens=new_tokens, confidence=new_confidence)

    def extend(self, n_slots: int) -> Canvas:
        """A canvas with this many masks more at its end."""
        more = Canvas.masked(n_slots)
        return Canvas(
            np.concatenate([self.tokens, more.tokens]), np.concatenate([self.confidence, more.confidence])
        )
