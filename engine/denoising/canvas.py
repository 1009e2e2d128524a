"""The canvas: the tokens being filled in. Each is settled, proposed, or still masked.

Pure data. Knows neither the model nor the text around it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.denoising.draft import NO_DRAFT, Draft

MASKED = -1
"""What a slot holds while nothing is in it."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """Slots right after the context, in reading order.

    Attributes:
        tokens: token id of each slot, or ``MASKED``. Shape ``[n_slots]``.
        confidence: probability of each token, 0 while masked. Shape ``[n_slots]``.
        n_settled: length of the run at the start that no longer changes; what stands behind it is
            proposed, and is verified or masked again.
        draft: what is proposed, with the branches that no slot shows.
    """

    tokens: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]
    n_settled: int = 0
    draft: Draft = NO_DRAFT

    @classmethod
    def masked(cls, n_slots: int) -> Canvas:
        """A canvas of masks alone."""
        return cls(np.full(n_slots, MASKED, dtype=np.int64), np.zeros(n_slots, dtype=np.float32))

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return len(self.tokens)

    @property
    def n_open(self) -> int:
        """Number of slots that are not settled."""
        return self.n_slots - self.n_settled

    @property
    def settled(self) -> list[int]:
        """The settled tokens."""
        return [int(token) for token in self.tokens[: self.n_settled]]

    @property
    def proposed(self) -> list[int]:
        """The run of proposed tokens behind the settled ones."""
        run = self.tokens[self.n_settled :]
        masked = np.flatnonzero(run == MASKED)
        return [int(token) for token in run[: masked[0] if masked.size else len(run)]]

    def settle(self, token: int, confidence: float) -> Canvas:
        """A canvas whose first open slot holds this token for good; another proposal there is overruled."""
        assert self.n_open, "only open slots may change"
        tokens, kept = self.tokens.copy(), self.confidence.copy()
        tokens[self.n_settled], kept[self.n_settled] = token, confidence
        return Canvas(tokens, kept, self.n_settled + 1)

    def propose(self, draft: Draft) -> Canvas:
        """A canvas that proposes a draft, its run in the slots behind the settled ones, the rest masked."""
        depths = draft.depths
        draft = draft.where(lambda node: depths[node] < self.n_open)
        n = draft.n_run
        tokens, confidence = self.tokens.copy(), self.confidence.copy()
        tokens[self.n_settled :], confidence[self.n_settled :] = MASKED, 0.0
        tokens[self.n_settled : self.n_settled + n] = draft.tokens[:n]
        confidence[self.n_settled : self.n_settled + n] = draft.chances[:n]
        return replace(self, tokens=tokens, confidence=confidence, draft=draft)

    def extend(self, n_slots: int) -> Canvas:
        """A canvas with this many masks more at its end."""
        more = Canvas.masked(n_slots)
        return replace(
            self,
            tokens=np.concatenate([self.tokens, more.tokens]),
            confidence=np.concatenate([self.confidence, more.confidence]),
        )
