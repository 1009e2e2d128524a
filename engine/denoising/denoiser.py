"""The seam between the denoising loops and a model.

A denoiser holds one context at a time. One kind scores what a canvas behind it proposes and drafts what
could follow (``Denoiser``); another scores every slot of a canvas in one pass (``SlotDenoiser``). What kind
of model answers (the base alone, the base with a canvas adapter, an open diffusion checkpoint, a fake) is
not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.denoising.ahead import Ahead
from engine.denoising.canvas import Canvas
from engine.denoising.commit import CommitRule
from engine.denoising.diffusion import Diffusion
from engine.denoising.draft import Draft
from engine.denoising.schedule import DecodeRule
from engine.denoising.top import LogitRows
from engine.types import CancelToken, ModelInfo

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Provider:
    """What runs a model (an execution provider of ONNX Runtime, or the reference) and why it was chosen."""

    name: str
    reason: str

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU."""
        return self.name == "CUDAExecutionProvider"


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
class PlainTokens:
    """What stands around a text for models that know no infilling markers.

    Attributes:
        opening, closing: ids before and behind the text.
        end: ids that end a fill.
        sees_suffix: whether the canvas stands between prefix and suffix, or behind the prefix alone.
    """

    opening: tuple[int, ...]
    closing: tuple[int, ...]
    end: frozenset[int]
    sees_suffix: bool


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
            stands ``[k + 1]``.
        drafts: the adapter's for the slots after those, in the same order, ``masks[i]`` rows each.
        forwards: passes it took.
        rows: rows computed in them, rows of the context left out.
        whole: gives the whole of row 0 ``[n_vocab]``, if ``logits`` are the likeliest tokens alone; until the
            next call of the denoiser.
    """

    logits: LogitRows
    drafts: tuple[LogitRows, ...]
    forwards: int
    rows: int
    whole: Callable[[], FloatArray] | None = None


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

    log_probs: FloatArray
    top_tokens: npt.NDArray[np.int64]
    top_log_probs: FloatArray
    forwards: int
    rows: int


TOP = 6
"""How many of the most probable tokens a reading tells."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What one pass says of every slot of a canvas.

    Attributes:
        logits: ``[n_slots, n_vocab]``, float32.
        forwards: passes it took.
        rows: rows computed in them, those of the context left out where it was cached.
    """

    logits: FloatArray
    forwards: int
    rows: int


class Reader(Protocol):
    """A model that holds a context and can say how likely a text behind it is. One thread at a time."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""

    @property
    def special(self) -> SpecialTokens | PlainTokens:
        """The ids the layout needs."""

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Make a context the current one, reusing what is cached.

        Args:
            context: token ids, at least one. One ``MASKED`` among them is where the canvas stands; without
                one it stands behind them.
            cancel: polled between two passes.

        Raises:
            Cancelled: between two passes, if asked to stop.
        """

    def encoding_ms(self, context: Sequence[int]) -> float:
        """How long encoding a context would take, as far as can be told, in milliseconds.

        What is cached takes none. 0 where contexts cost nothing of their own, or nothing is known.
        """

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        """Score the tokens of a finished canvas, at least one, in the current context.

        Raises:
            Cancelled: before a pass, if asked to stop.
        """

    def compare(
        self, before: Sequence[int], branches: Sequence[Sequence[int]], cancel: CancelToken
    ) -> list[FloatArray]:
        """Score several ways to go on in the current context behind some tokens of a canvas.

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


class Denoiser(Reader, Protocol):
    """A model that verifies and drafts: canvases are filled from left to right."""

    @property
    def special(self) -> SpecialTokens:
        """The ids the layout needs."""

    @property
    def rule(self) -> DecodeRule:
        """How this model is decoded by default."""

    @property
    def canvas_slots(self) -> int:
        """Slots a new canvas has; a canvas that does not end is extended by as many."""

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

    def draft(self, ahead: Ahead, settled: Sequence[int], worth: float) -> Draft:
        """What slots behind the settled tokens of a canvas speak for.

        Args:
            ahead: ``n`` slots, at least one.
            settled: the tokens before them, the context left out.
            worth: how likely a token must be to stand, with all before it, to be proposed.

        Returns:
            a run of up to ``n`` tokens, one at least, and the branches of that worth.
        """

    def guess(self, settled: Sequence[int], worth: float, allowed: IntArray | None) -> Draft:
        """What could follow the settled tokens of a canvas where no slot was drafted; often nothing.

        Args:
            settled, worth: see ``draft``.
            allowed: the tokens that may come first ``[n]``; None for all.
        """


class SlotDenoiser(Reader, Protocol):
    """A model that scores all slots at once: canvases are filled in any order, a window at a time.

    Attributes:
        length: slots of the canvas in the current context, once that is known; None after ``encode``.
    """

    length: int | None

    @property
    def rule(self) -> CommitRule:
        """How this model is decoded by default."""

    @property
    def diffusion(self) -> Diffusion:
        """What kind of model it is."""

    def windows(self, n_settled: int, room: int) -> tuple[int, ...]:
        """How many slots the next window may have, shortest first; of several, the best must be searched.

        Args:
            n_settled: tokens of the canvas before it.
            room: how many more are allowed, at least one; a model with blocks may go beyond.
        """

    def offset(self, n_settled: int) -> int:
        """Where in the whole text the slot behind so many tokens of the canvas stands, in tokens."""

    def ends_with_window(self) -> bool:
        """Whether text follows the canvas, so that it ends with its first window."""

    def foregone(self, settled: Sequence[int], cancel: CancelToken) -> Scores | None:
        """What the text before a window says of its first slot whatever stands in the others, if it does.

        Raises:
            Cancelled: before a pass, if asked to stop.
        """

    def score(
        self,
        settled: Sequence[int],
        slots: npt.NDArray[np.int64],
        cancel: CancelToken,
        *,
        fresh: bool = True,
        previous: FloatArray | None = None,
    ) -> Scores:
        """Score every slot of a window.

        Args:
            settled: tokens of the canvas before it.
            slots: what stands in the window, ``MASKED`` where nothing does ``[n_slots]``.
            cancel: polled before every pass.
            fresh: whether all is to be computed anew; else approximate caches may serve.
            previous: logits of the pass before, for models that look at them ``[n_slots, n_vocab]``.

        Raises:
            Cancelled: before a pass, if asked to stop.
        """


AnyDenoiser = Denoiser | SlotDenoiser


def reading_of(logits: FloatArray, tokens: Sequence[int], forwards: int, rows: int) -> Reading:
    """What rows of logits ``[n, n_vocab]`` say of tokens ``[n]``, and the work they took."""
    norm = _norms(logits)
    top = np.argpartition(logits, -TOP, axis=-1)[:, -TOP:]
    values = np.take_along_axis(logits, top, axis=-1)
    order = np.argsort(-values, axis=-1, kind="stable")
    top, values = np.take_along_axis(top, order, axis=-1), np.take_along_axis(values, order, axis=-1)
    own = logits[np.arange(len(logits)), np.asarray(tokens, dtype=np.int64)]
    return Reading(own - norm, top.astype(np.int64), values - norm[:, None], forwards, rows)


def log_probs_of(logits: FloatArray, tokens: Sequence[int]) -> FloatArray:
    """Of tokens ``[n]``, by rows of logits ``[n, n_vocab]``."""
    own: FloatArray = logits[np.arange(len(logits)), np.asarray(tokens, dtype=np.int64)]
    return own - _norms(logits)


def _norms(logits: FloatArray) -> FloatArray:
    """The logarithm of what each row's exponentials add up to ``[n]``."""
    highest = logits.max(axis=-1, initial=-np.inf)
    norms: FloatArray = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=-1))
    return norms
