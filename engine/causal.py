"""The base model as a denoiser: it commits a canvas left to right, which is its greedy decoding.

Used where the artifact has no adapter, and as the reference every other mode is compared with. Tokens
that were committed are part of the context of the next pass, so each pass encodes one row only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from engine.artifact import Manifest
from engine.cache import CachePool, ContextCache, FloatArray
from engine.canvas import Canvas
from engine.denoiser import Encoded, Prediction, Provider, SpecialTokens
from engine.schedule import CommitRule
from engine.types import CancelToken, ModelInfo

CHUNK = 128
"""Rows encoded in one pass; between two passes a request can be cancelled."""


class Model(Protocol):
    """One pass of the model: ``engine.runtime.OnnxModel``, or the torch reference in ``export``."""

    @property
    def manifest(self) -> Manifest:
        """Of the artifact."""

    @property
    def provider(self) -> Provider:
        """What runs it."""

    def forward(
        self, cache: ContextCache, ids: Sequence[int], *, rows: Sequence[int], causal: bool = True
    ) -> tuple[FloatArray, list[FloatArray]]:
        """See ``engine.runtime.OnnxModel.forward``."""


class CausalDenoiser:
    """The base alone.

    Args:
        model: the loaded model.
        max_cache_bytes: memory for live context caches.
    """

    def __init__(self, model: Model, max_cache_bytes: int) -> None:
        manifest = model.manifest
        self._model = model
        self._pool = CachePool(2 * manifest.n_layers, manifest.n_kv_heads, manifest.head_dim, max_cache_bytes)
        self._cache = self._pool.take([0])
        self._context: list[int] = []
        self._last_logits: FloatArray = np.zeros(0, dtype=np.float32)
        self.canvas_slots = manifest.canvas_slots
        self.commit_rule = CommitRule(manifest.commit_threshold)
        self.special = SpecialTokens(
            manifest.special["fim_prefix"],
            manifest.special["fim_suffix"],
            manifest.special["fim_middle"],
            manifest.end_ids,
        )
        self.info = ModelInfo(
            manifest.name,
            manifest.quantization,
            model.provider.name,
            model.provider.reason,
            manifest.adapter,
            manifest.n_vocab,
        )

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Make a context the current one."""
        self._cache = self._pool.take(context)
        self._context = list(context)
        cached = len(self._cache.ids)
        return Encoded(len(context), cached, self._extend_to(self._context, cancel))

    def predict(self, canvas: Canvas, cancel: CancelToken) -> Prediction:
        """Predict the leftmost masked slot."""
        slot = canvas.n_settled
        forwards = self._extend_to([*self._context, *canvas.settled], cancel)
        return Prediction(np.array([slot], dtype=np.int64), self._last_logits[None], forwards)

    def forget(self) -> None:
        """Drop every cached context."""
        self._pool.clear()

    def close(self) -> None:
        """Release the caches; the session goes with the object."""
        self._pool.clear()

    def _extend_to(self, ids: list[int], cancel: CancelToken) -> int:
        """Encode what the cache lacks of a token sequence; its last token's logits are kept."""
        forwards = 0
        while len(self._cache.ids) < len(ids):
            cancel.check()
            rows = ids[len(self._cache.ids) :][:CHUNK]
            logits, new = self._model.forward(self._cache, rows, rows=[len(rows) - 1])
            self._cache.append(rows, new)
            self._last_logits = logits[0]
            forwards += 1
        return forwards
