"""The seam between the denoising loop and a model.

A denoiser holds one context at a time, scores what a canvas behind it proposes, and drafts what could
follow. What kind of model answers (the base alone, the base with a canvas adapter, a fake) is not known
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.canvas import Canvas
from engine.draft import Draft
from engine.schedule import DecodeRule
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
        forwards: passes it took; its last rows may be left to the first prediction.
    """

    context_tokens: int
    cached_tokens: int
    forwards: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one pass says of a canvas with n settled tokens and a draft of k nodes.

    Attributes:
        logits: row 0 is the base's for slot n, row i + 1 its for the slot behind node i of the draft, if that
            stands. Shape ``[k + 1, n_vocab]``, float32.
        drafts: the adapter's for the slots after those, in the same order. Shapes ``[masks[i], n_vocab]``,
            float32.
        forwards: passes it took.
        rows: rows computed in them, rows of the context left out.
    """

    logits: npt.NDArray[np.float32]
    drafts: tuple[npt.NDArray[np.float32], ...]
    forwards: int
    rows: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the base says of a finished canvas, each token given the context and what is left of it.

    Attributes:
        log_probs: of each token of the canvas ``[n]``, float32.
        top_tokens: the most probable tokens of each slot, best first ``[n, TOP]``.
        top_log_probs: their log-probabilities ``[n, TOP]``, float32.
        forwards: passes it took.
        rows: rows computed in them, those of the context left out.
    """

    log_probs: npt.NDArray[np.float32]
    top_tokens: npt.NDArray[np.int64]
    top_log_probs: npt.NDArray[np.float32]
    forwards: int
    rows: int


TOP = 6
"""How many of the most probable tokens a reading tells."""


class Denoiser(Protocol):
    """A model that fills canvases. One thread at a time."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""

    @property
    def special(self) -> SpecialTokens:
        """The ids the layout needs."""

    @property
    def rule(self) -> DecodeRule:
        """How this model is decoded by default."""

    @property
    def canvas_slots(self) -> int:
        """Slots a new canvas has; a canvas that does not end is extended by as many."""

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Make a context (token ids, at least one) the current one, reusing what is cached.

        Raises:
            Cancelled: between two passes, if asked to stop.
        """

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        """Verify what a canvas right after the current context proposes, and draft what follows.

        Args:
            canvas: its settled tokens only ever grow while a context is the current one.
            masks: behind the settled tokens and behind each node of the draft, how many slots to draft after
                the next one ``[k + 1]``; all 0 where the model cannot draft.
            cancel: polled before every pass.

        Raises:
            Cancelled: before a pass, if asked to stop.
        """

    def draft(self, logits: npt.NDArray[np.float32], settled: Sequence[int], worth: float) -> Draft:
        """What drafted slots behind the settled tokens of a canvas speak for.

        Args:
            logits: an entry of ``Prediction.drafts`` ``[n, n_vocab]``.
            settled: the tokens before them, the context left out.
            worth: how likely a branch beside the run must be to stand.

        Returns:
            a run of ``n`` tokens, and the branches of that worth.
        """

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        """Score the tokens of a finished canvas, at least one, right after the current context.

        Raises:
            Cancelled: before a pass, if asked to stop.
        """

    def compare(
        self, before: Sequence[int], branches: Sequence[Sequence[int]], cancel: CancelToken
    ) -> list[npt.NDArray[np.float32]]:
        """Score several ways to go on after the current context and some tokens of a canvas.

        Args:
            before: the tokens that all of them follow.
            branches: the tokens of each, at least one.
            cancel: polled before every pass.

        Returns:
            per branch, the log-probabilities of its tokens ``[len(branch)]``.

        Raises:
            Cancelled: before a pass, if asked to stop.
        """

    def forget(self) -> None:
        """Drop every cached context."""

    def close(self) -> None:
        """Release the model; nothing else may be called afterwards."""
