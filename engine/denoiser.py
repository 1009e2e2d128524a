"""The seam between the denoising loop and a model.

A denoiser holds one context at a time and predicts the masked slots of a canvas that follows it.
What kind of model answers (the base alone, the base with a canvas adapter, a fake) is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.canvas import Canvas
from engine.schedule import CommitRule
from engine.types import CancelToken, ModelInfo


@dataclass(frozen=True, slots=True)
class Provider:
    """What runs a model (an execution provider of ONNX Runtime, or the reference) and why it was chosen."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids the layout and the loop need, from the manifest.

    Attributes:
        fim_prefix, fim_suffix, fim_middle: the infilling markers.
        end: ids that end a fill.
    """

    fim_prefix: int
    fim_suffix: int
    fim_middle: int
    end: frozenset[int]


@dataclass(frozen=True, slots=True)
class Encoded:
    """What it took to make a context the current one.

    Attributes:
        context_tokens: its length.
        cached_tokens: how many were found in a cache and not encoded again.
        forwards: passes it took.
    """

    context_tokens: int
    cached_tokens: int
    forwards: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one step says about masked slots.

    Attributes:
        slots: indices of the predicted slots, ascending, all of them masked. Shape ``[n]``, n >= 1.
        logits: one row per slot. Shape ``[n, n_vocab]``, float32.
        forwards: passes it took (0 where an earlier pass had the answer already).
    """

    slots: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    forwards: int


class Denoiser(Protocol):
    """A model that fills canvases. One thread at a time."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""

    @property
    def special(self) -> SpecialTokens:
        """The ids the layout needs."""

    @property
    def commit_rule(self) -> CommitRule:
        """The rule this model is decoded with by default."""

    @property
    def canvas_slots(self) -> int:
        """Slots a new canvas has; a canvas that does not end is extended by as many."""

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Make a context (token ids, at least one) the current one, reusing what is cached.

        Raises:
            Cancelled: between two passes, if asked to stop.
        """

    def predict(self, canvas: Canvas, cancel: CancelToken) -> Prediction:
        """Predict masked slots of a canvas right after the current context; at least one is masked.

        Raises:
            Cancelled: before a pass, if asked to stop.
        """

    def forget(self) -> None:
        """Drop every cached context."""

    def close(self) -> None:
        """Release the model; nothing else may be called afterwards."""
