"""A model that says what comes next, as a denoiser that drafts nothing: other runtimes behind our loop.

Layout, healing, stopping rules and settling are the engine's own then, so that peers answer the same
contexts by the same rules and only their passes differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.denoising.ahead import Ahead
from engine.denoising.canvas import Canvas
from engine.denoising.denoiser import Encoded, Prediction, Reading, SpecialTokens
from engine.denoising.draft import NO_DRAFT, Draft
from engine.denoising.schedule import DecodeRule
from engine.errors import UsageError
from engine.types import CancelToken, ModelInfo

FloatArray = npt.NDArray[np.float32]

COPYING = DecodeRule(row_worth=0.25)
"""Proposes what stands in the text already where the last tokens agree (prompt lookup), and drafts nothing
else; decoded left to right, not even that."""


class NextToken(Protocol):
    """A runtime that keeps the keys and values of one text."""

    def logits(self, ids: Sequence[int], n_known: int, n_wanted: int) -> FloatArray:
        """Compute a text whose first ``n_known`` tokens were computed last time.

        Returns:
            what the last ``n_wanted`` tokens say of their next ones ``[n_wanted, n_vocab]``.
        """

    def close(self) -> None:
        """Release the model."""


class GreedyDenoiser:
    """One token a pass, or as many as a copy agrees with.

    Args:
        model: what computes.
        info: what it is.
        special: ids of the vocabulary, which is that of our own model.
        canvas_slots: slots of a new canvas.
    """

    rule = COPYING

    def __init__(self, model: NextToken, info: ModelInfo, special: SpecialTokens, canvas_slots: int) -> None:
        self._model = model
        self.info, self.special, self.canvas_slots = info, special, canvas_slots
        self._known: list[int] = []
        self._context: list[int] = []

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Take a context; what the model lacks of it is computed by the first prediction."""
        self._context = list(context)
        return Encoded(len(context), min(_common(self._known, self._context), len(context) - 1), 0)

    def encoding_ms(self, context: Sequence[int]) -> float:
        """Nothing that is known beforehand."""
        return 0.0

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        """Verify what is proposed."""
        cancel.check()
        draft = canvas.draft
        assert draft.n_run == len(draft), "one text at a time"
        ids = [*self._context, *canvas.settled, *draft.tokens]
        n_wanted = len(draft) + 1
        logits = self._model.logits(ids, min(_common(self._known, ids), len(ids) - n_wanted), n_wanted)
        self._known = ids
        return Prediction(logits, tuple(logits[:0] for _ in masks), 1, n_wanted)

    def draft(self, ahead: Ahead, settled: Sequence[int], worth: float) -> Draft:
        """Nothing."""
        return NO_DRAFT

    def guess(self, settled: Sequence[int], worth: float, allowed: npt.NDArray[np.int64] | None) -> Draft:
        """Nothing."""
        return NO_DRAFT

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        """Not what it is here for.

        Raises:
            UsageError: always.
        """
        raise _only_decodes(self.info.name)

    def compare(
        self, before: Sequence[int], branches: Sequence[Sequence[int]], cancel: CancelToken
    ) -> list[FloatArray]:
        """See ``read``."""
        raise _only_decodes(self.info.name)

    def forget(self) -> None:
        """Drop what is known."""
        self._known = []

    def close(self) -> None:
        """Release the model."""
        self._model.close()


def _only_decodes(name: str) -> UsageError:
    return UsageError(f"{name} is here to decode, not to score", "Ask it for fills and rewrites only.")


def _common(old: Sequence[int], new: Sequence[int]) -> int:
    """Length of the common start."""
    return next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
