"""An open diffusion checkpoint as a denoiser that scores every slot of a window at once.

What a family does differently stands in its manifest (``engine.denoising.diffusion``) and is done by its
attention (``engine.models.attention``); here it gets the interface that the rest of the engine works with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.denoising.canvas import MASKED
from engine.denoising.denoiser import (
    Encoded,
    PlainTokens,
    Reading,
    Scores,
    SpecialTokens,
    log_probs_of,
    reading_of,
)
from engine.denoising.unmask import IntArray
from engine.errors import ArtifactError
from engine.models.attention import FullAttention, Model, attention_of
from engine.types import CancelToken, ModelInfo

FloatArray = npt.NDArray[np.float32]

LENGTHS = (2, 4, 8, 16, 32, 64)
"""Lengths of a canvas that are tried where text stands behind it and the model cannot ask for another."""


class DiffusionDenoiser:
    """A diffusion checkpoint and its caches.

    Args:
        model: the loaded model.
        max_cache_bytes: memory for live context caches, where attention allows any.

    Raises:
        ArtifactError: the manifest says nothing of diffusion.
    """

    def __init__(self, model: Model, max_cache_bytes: int) -> None:
        manifest = model.manifest
        if manifest.diffusion is None:
            raise ArtifactError(f"{manifest.name} is no diffusion checkpoint", "Export it again.")
        kind = manifest.diffusion
        self.diffusion, self.rule = kind, kind.rule
        self.length: int | None = None
        self._model = model
        self._attention = attention_of(kind, model, max_cache_bytes)
        self.special: SpecialTokens | PlainTokens
        if kind.placing == "suffix_prefix":
            self.special = manifest.markers
        else:
            self.special = PlainTokens(
                kind.opening, kind.closing, manifest.end_ids, sees_suffix=kind.placing == "in_place"
            )
        self.info = ModelInfo(
            manifest.name,
            manifest.quantization,
            model.provider.name,
            model.provider.reason,
            None,
            manifest.n_vocab,
        )

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Make a context the current one."""
        self.length = None
        return self._attention.encode(context, cancel)

    def encoding_ms(self, context: Sequence[int]) -> float:
        """Nothing that is known beforehand."""
        return 0.0

    def offset(self, n_settled: int) -> int:
        """Where the slot behind so many tokens of the canvas stands."""
        return self._attention.n_context + n_settled

    def ends_with_window(self) -> bool:
        """Whether text follows the canvas."""
        return isinstance(self._attention, FullAttention) and self._attention.is_in_place

    def windows(self, n_settled: int, room: int) -> tuple[int, ...]:
        """The block's rest, a whole canvas of noise, a first length, or those that must be searched."""
        if self.diffusion.block:
            return (self.diffusion.block - self.offset(n_settled) % self.diffusion.block,)
        if self.diffusion.noise == "uniform":
            return (self.diffusion.window,)
        if not self.ends_with_window() or self.diffusion.expand is not None:
            return (min(self.diffusion.window, room),)
        if self.length is not None:
            return (min(max(self.length - n_settled, 1), room),)
        return tuple(length for length in LENGTHS if length <= room) or (room,)

    def foregone(self, settled: Sequence[int], cancel: CancelToken) -> Scores | None:
        """What is known of the first slot before a window is looked at."""
        return self._attention.foregone(settled, cancel)

    def score(
        self,
        settled: Sequence[int],
        slots: IntArray,
        cancel: CancelToken,
        *,
        fresh: bool = True,
        previous: FloatArray | None = None,
    ) -> Scores:
        """Score every slot of a window in one pass, and in those before it that the caches need."""
        return self._attention.score(settled, slots, cancel, fresh=fresh, previous=previous)

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        """Score a canvas, each token by passes that do not see it."""
        assert MASKED not in canvas
        scores = self._attention.explain((), canvas, cancel)
        return reading_of(scores.logits, canvas, scores.forwards, scores.rows)

    def compare(
        self, before: Sequence[int], branches: Sequence[Sequence[int]], cancel: CancelToken
    ) -> list[FloatArray]:
        """Score branches one after the other."""
        return [
            log_probs_of(self._attention.explain(before, branch, cancel).logits, branch)
            for branch in branches
        ]

    def forget(self) -> None:
        """Drop every cached context."""
        self._attention.forget()

    def close(self) -> None:
        """Release the caches; the session goes with the object."""
        self._attention.forget()
