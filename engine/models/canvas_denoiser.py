"""Base and canvas adapter as one denoiser: verifies a draft and drafts again in the same pass.

Rows of settled and proposed tokens are the base's own, so what is cached is the base's own; masks behind
them run through the adapter. Without an adapter it commits one token a pass, which is the base's greedy
decoding and the reference every other mode is compared with.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, takewhile
from typing import Protocol

import numpy as np

from engine.denoising.ahead import Ahead
from engine.denoising.cache import CachePool, ContextCache, Entries, FloatArray
from engine.denoising.canvas import Canvas
from engine.denoising.denoiser import (
    Encoded,
    IntArray,
    Prediction,
    Provider,
    Reading,
    log_probs_of,
    reading_of,
)
from engine.denoising.draft import NO_DRAFT, Draft
from engine.denoising.rows import Rows
from engine.denoising.top import LogitRows
from engine.denoising.transitions import Transitions
from engine.models.artifact import Manifest
from engine.types import CancelToken, ModelInfo
from engine.weights.encodings import FOR_GPUS

CHUNK = 128
"""Rows encoded in one pass; between two passes a request can be cancelled."""

MS_PER_TOKEN = 3.0
"""What encoding a token of context takes until it was measured, in milliseconds: two cores."""

CUDA_ROW_WORTH = 0.06
"""``DecodeRule.row_worth`` on CUDA for graphs that are not replayed, where no masks are computed: on an H200
(results log) a pass of eight rows takes 8 to 14 ms, one with masks 20 ms more, as their adapter is hundreds
of kernels started one by one, and every further row 0.6 ms."""


class Model(Protocol):
    """One pass of the model: ``OnnxModel``, ``ReplayedModel``, or the torch reference in ``export``."""

    @property
    def manifest(self) -> Manifest:
        """Of the artifact."""

    @property
    def provider(self) -> Provider:
        """What runs it."""

    def forward(self, cache: ContextCache, rows: Rows, wanted: Sequence[int]) -> tuple[FloatArray, Entries]:
        """See ``engine.models.runtime.OnnxModel.forward``; the entries are good until the next pass."""

    def forward_top(
        self, cache: ContextCache, rows: Rows, wanted: Sequence[int]
    ) -> tuple[LogitRows, Entries]:
        """The same, where the likeliest tokens of each row will do."""


class CanvasDenoiser:
    """The base, with the adapter its artifact has.

    Args:
        model: the loaded model.
        max_cache_bytes: memory for live context caches.
        transitions: what makes one run of drafted slots; without it each slot speaks for itself.
    """

    def __init__(self, model: Model, max_cache_bytes: int, transitions: Transitions | None = None) -> None:
        manifest = model.manifest
        self._transitions = transitions
        self._model = model
        self._pool = CachePool(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim, max_cache_bytes)
        self._cache = self._pool.take([0])
        self._context: list[int] = []
        self._last_read: tuple[Sequence[int], Sequence[int], Reading] | None = None
        self._ms_per_token = 0.0 if model.provider.on_gpu else MS_PER_TOKEN
        self.canvas_slots = manifest.canvas_slots
        self.rule = manifest.decode
        if model.provider.on_gpu and manifest.quantization != FOR_GPUS:
            self.rule = replace(self.rule, agreement=(), row_worth=min(self.rule.row_worth, CUDA_ROW_WORTH))
        self.special = manifest.markers
        self.info = ModelInfo(
            manifest.name,
            manifest.quantization,
            model.provider.name,
            model.provider.reason,
            manifest.adapter.name if manifest.adapter else None,
            manifest.n_vocab,
        )

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Make a context the current one; its last chunk is encoded by the first prediction."""
        self._cache = self._pool.take(context)
        self._context = list(context)
        cached = len(self._cache.ids)
        return Encoded(len(context), cached, self._encode_whole_chunks(self._context, cancel))

    def encoding_ms(self, context: Sequence[int]) -> float:
        """What the cache lacks of a context, at the pace of the last passes."""
        return self._pool.lacks(context) * self._ms_per_token

    def predict(self, canvas: Canvas, masks: Sequence[int], cancel: CancelToken) -> Prediction:
        """Verify and draft in one pass."""
        ids = [*self._context, *canvas.settled]
        self._cache.truncate(min(self._cache.common(ids), len(ids) - 1))
        forwards = self._encode_whole_chunks(ids, cancel) + 1
        cancel.check()
        tail, draft = ids[len(self._cache.ids) :], canvas.draft
        n_tail, n_scored = len(tail), len(draft) + 1
        assert len(masks) == n_scored, "one number of masks for each place at which agreement may end"
        rows = Rows.drafting(
            [*tail, *draft.tokens],
            [(n_tail + i, n) for i, n in enumerate(masks) if n],
            [*range(-1, n_tail - 1), *(n_tail + parent for parent in draft.parents)],
        )
        logits, new = self._model.forward_top(self._cache, rows, range(n_tail - 1, len(rows)))
        # Branches are not kept: a row of theirs is not the same to the bit as it will be in its own place.
        kept = n_tail + draft.n_run
        self._cache.append([*tail, *draft.tokens[: draft.n_run]], [entries[:, :kept] for entries in new])
        ends = np.cumsum([n_scored, *masks])
        drafts = tuple(self._drafts(logits[start:end]) for start, end in pairwise(ends))
        return Prediction(logits[:n_scored], drafts, forwards, len(logits), partial(self._whole, ids))

    def _drafts(self, logits: LogitRows) -> LogitRows:
        """What was said of slots, no more than is drafted from: it is looked at in several passes."""
        if self._transitions is None or not isinstance(logits, np.ndarray):
            return logits
        return [self._transitions.shortlist(row) for row in logits]

    def _whole(self, ids: Sequence[int]) -> FloatArray:
        """All logits of what follows tokens that were just computed ``[n_vocab]``, in a pass of its own."""
        self._cache.truncate(len(ids) - 1)
        (logits,), new = self._model.forward(self._cache, Rows.causal(ids[-1:]), [0])
        self._cache.append(ids[-1:], new)
        return np.asarray(logits)

    def draft(self, ahead: Ahead, settled: Sequence[int], worth: float) -> Draft:
        """What slots and transitions together speak for."""
        if self._transitions is None:
            return ahead.alone()
        return self._transitions.draft(ahead, [*self._context, *settled], worth)

    def guess(self, settled: Sequence[int], worth: float, allowed: IntArray | None) -> Draft:
        """What transitions alone speak for."""
        if self._transitions is None:
            return NO_DRAFT
        return self._transitions.guess([*self._context, *settled], worth, allowed)

    def read(self, canvas: Sequence[int], cancel: CancelToken) -> Reading:
        """Score a canvas in causal passes, from where it differs from the one read last."""
        ids = [*self._context, *canvas]
        parts = self._read_last(canvas)
        n_read = sum(len(part.log_probs) for part in parts)
        before = len(self._context) - 1 + n_read  # the last of these says what comes next
        self._cache.truncate(min(self._cache.common(ids), before))
        while len(self._cache.ids) < len(ids) - 1:
            cancel.check()
            first = len(self._cache.ids)
            piece = ids[first : len(ids) - 1][:CHUNK]
            wanted = range(min(max(before - first, 0), len(piece)), len(piece))
            logits, new = self._model.forward(self._cache, Rows.causal(piece), wanted)
            self._cache.append(piece, new)
            parts.append(reading_of(logits, [ids[first + row + 1] for row in wanted], 1, len(wanted)))
        reading = Reading(
            np.concatenate([part.log_probs for part in parts]),
            np.concatenate([part.top_tokens for part in parts]),
            np.concatenate([part.top_log_probs for part in parts]),
            forwards=sum(part.forwards for part in parts),
            rows=len(canvas) - n_read,
        )
        self._last_read = (self._context, list(canvas), reading)
        return reading

    def _read_last(self, canvas: Sequence[int]) -> list[Reading]:
        """What was read last of this context and the beginning of this canvas, if anything was."""
        if self._last_read is None or self._last_read[0] != self._context:
            return []
        _, tokens, last = self._last_read
        same = takewhile(lambda pair: pair[0] == pair[1], zip(canvas, tokens, strict=False))
        n = len(list(same))
        return [Reading(last.log_probs[:n], last.top_tokens[:n], last.top_log_probs[:n], 0, 0)]

    def compare(
        self, before: Sequence[int], branches: Sequence[Sequence[int]], cancel: CancelToken
    ) -> list[FloatArray]:
        """Score branches in one pass."""
        ids = [*self._context, *before]
        self._cache.truncate(min(self._cache.common(ids), len(ids) - 1))
        self._encode_whole_chunks(ids, cancel)
        cancel.check()
        tail = ids[len(self._cache.ids) :]
        rows = Rows.branching(tail, [branch[:-1] for branch in branches])
        logits, new = self._model.forward(self._cache, rows, range(len(tail) - 1, len(rows)))
        self._cache.append(tail, [entries[:, : len(tail)] for entries in new])
        scores, at = [], 1
        for branch in branches:
            own = np.concatenate([logits[:1], logits[at : at + len(branch) - 1]])
            scores.append(log_probs_of(own, branch))
            at += len(branch) - 1
        return scores

    def forget(self) -> None:
        """Drop every cached context."""
        self._pool.clear()
        self._last_read = None

    def close(self) -> None:
        """Release the caches; the session goes with the object."""
        self._pool.clear()

    def _encode_whole_chunks(self, ids: list[int], cancel: CancelToken) -> int:
        """Encode what the cache lacks of a token sequence, all but its last chunk; the passes it took."""
        forwards = 0
        while len(ids) - len(self._cache.ids) > CHUNK:
            cancel.check()
            piece = ids[len(self._cache.ids) :][:CHUNK]
            started = time.perf_counter()
            _, new = self._model.forward_top(self._cache, Rows.causal(piece), [])
            self._cache.append(piece, new)
            ms_per_token = (time.perf_counter() - started) * 1000.0 / len(piece)
            self._ms_per_token = (self._ms_per_token + ms_per_token) / 2  # the last pass counts half
            forwards += 1
        return forwards
