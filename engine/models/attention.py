"""What a pass of an open diffusion checkpoint computes anew and what it finds cached, by who sees whom.

Three kinds of attention, one interface: full (every token sees every other, so caches are approximate),
block-causal (finished blocks never change, so caches are exact) and a causal context under a canvas that
sees itself in both directions (exact too). Knows positions and caches; nothing of schedules and text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from engine.denoising.cache import CachePool, ContextCache, Entries, FloatArray
from engine.denoising.canvas import MASKED
from engine.denoising.denoiser import Encoded, Provider, Scores
from engine.denoising.diffusion import Diffusion
from engine.denoising.rows import Rows
from engine.denoising.unmask import IntArray
from engine.models.artifact import Manifest
from engine.types import CancelToken

CHUNK = 128
"""Rows encoded in one pass; between two passes a request can be cancelled."""

STRIDE = 4
"""A text is read in so many passes, every such token masked in each: what each says given the others."""


class Model(Protocol):
    """One pass of the model: ``engine.models.runtime.OnnxModel``."""

    @property
    def manifest(self) -> Manifest:
        """Of the artifact."""

    @property
    def provider(self) -> Provider:
        """What runs it."""

    def forward(
        self,
        cache: ContextCache,
        rows: Rows,
        wanted: Sequence[int],
        *,
        previous: FloatArray | None = None,
    ) -> tuple[FloatArray, Entries]:
        """See ``engine.models.runtime.OnnxModel.forward``."""


class Attention(Protocol):
    """Who sees whom, and what is cached of it."""

    @property
    def n_context(self) -> int:
        """Tokens of the current context before the canvas."""

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """See ``engine.denoising.denoiser.Reader.encode``."""

    def score(
        self,
        settled: Sequence[int],
        slots: IntArray,
        cancel: CancelToken,
        *,
        fresh: bool,
        previous: FloatArray | None,
    ) -> Scores:
        """See ``engine.denoising.denoiser.SlotDenoiser.score``."""

    def foregone(self, settled: Sequence[int], cancel: CancelToken) -> Scores | None:
        """See ``engine.denoising.denoiser.SlotDenoiser.foregone``."""

    def explain(self, before: Sequence[int], tokens: Sequence[int], cancel: CancelToken) -> Scores:
        """Logits for each token of a text, by a pass that does not see it ``[n, n_vocab]``."""

    def forget(self) -> None:
        """Drop every cached context."""


def attention_of(kind: Diffusion, model: Model, max_cache_bytes: int) -> Attention:
    """The attention that a family's values ask for."""
    if kind.attention == "full":
        return FullAttention(kind, model)
    pool = CachePool.of_shapes(model.manifest.cache_shapes, max_cache_bytes)
    return (BlockCausal if kind.attention == "block_causal" else CausalContext)(kind, model, pool)


class FullAttention:
    """Everything sees everything. Between two fresh passes the text around the canvas may stay as it was."""

    def __init__(self, kind: Diffusion, model: Model) -> None:
        self._kind, self._model = kind, model
        self._empty = ContextCache.of_shapes(model.manifest.cache_shapes)
        self._around = ContextCache.of_shapes(model.manifest.cache_shapes)
        self._left: list[int] = []
        self._right: list[int] = []
        self._computed_for: tuple[object, ...] = ()

    @property
    def n_context(self) -> int:
        """Tokens before the canvas."""
        return len(self._left)

    @property
    def is_in_place(self) -> bool:
        """Whether text follows the canvas."""
        return bool(self._right)

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Take a context; nothing of it can be computed without the canvas."""
        ids = list(context)
        at = ids.index(MASKED) if MASKED in ids else len(ids)
        self._left, self._right = ids[:at], ids[at + 1 :]
        self._computed_for = ()
        return Encoded(len(self._left) + len(self._right), 0, 0)

    def score(
        self,
        settled: Sequence[int],
        slots: IntArray,
        cancel: CancelToken,
        *,
        fresh: bool,
        previous: FloatArray | None,
    ) -> Scores:
        """Everything anew, or the window alone between what an earlier pass left of its surroundings."""
        cancel.check()
        left = [*self._left, *settled]
        first = max(len(left) - self._kind.shift, 0)  # the row that speaks for the first slot
        window = [*left[first:], *_masked(slots, self._kind)]
        wanted = [max(row, 0) for row in range(len(left) - first - self._kind.shift, len(window))]
        wanted = wanted[: len(slots)]
        key = (tuple(left), len(slots))
        if not fresh and key == self._computed_for:
            n_around = len(self._around.ids)
            offsets = np.arange(first, first + len(window)) - n_around
            rows = Rows.together(window, offsets)
            logits, _ = self._model.forward(self._around, rows, wanted)
            return Scores(logits, 1, len(rows))
        ids = [*left[:first], *window, *self._right]
        rows = Rows.together(ids, np.arange(len(ids)))
        logits, new = self._model.forward(self._empty, rows, [first + row for row in wanted])
        behind = first + len(window)
        self._around.truncate(0)
        self._around.append(left[:first], [entries[:, :first] for entries in new])
        self._around.append(self._right, [entries[:, behind:] for entries in new])
        self._computed_for = key
        return Scores(logits, 1, len(rows))

    def foregone(self, settled: Sequence[int], cancel: CancelToken) -> Scores | None:
        """Nothing: every slot has its say in every other."""
        return None

    def explain(self, before: Sequence[int], tokens: Sequence[int], cancel: CancelToken) -> Scores:
        """Every token given the whole text around it, some of the other tokens masked with it."""
        return _strided(self, before, tokens, cancel)

    def forget(self) -> None:
        """Drop what approximate passes would use."""
        self._computed_for = ()


class _Cached:
    """A context before the canvas, encoded once and kept."""

    def __init__(self, kind: Diffusion, model: Model, pool: CachePool) -> None:
        self._kind, self._model, self._pool = kind, model, pool
        self._cache = pool.take([0])
        self._context: list[int] = []

    @property
    def n_context(self) -> int:
        """Tokens before the canvas."""
        return len(self._context)

    def forget(self) -> None:
        """Drop every cached context."""
        self._pool.clear()
        self._cache, self._context = self._pool.take([0]), []


class BlockCausal(_Cached):
    """A token sees its own block and the ones before it; blocks are counted from the start of the context."""

    def __init__(self, kind: Diffusion, model: Model, pool: CachePool) -> None:
        super().__init__(kind, model, pool)
        self._last: tuple[int, FloatArray] | None = None  # a whole number of blocks, and what it says next

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Encode the whole blocks of a context."""
        self._cache = self._pool.take(context)
        self._context, self._last = list(context), None
        self._cache.truncate(self._whole(len(self._cache.ids)))
        cached = len(self._cache.ids)
        return Encoded(len(context), cached, self._extend(self._context, cancel))

    def score(
        self,
        settled: Sequence[int],
        slots: IntArray,
        cancel: CancelToken,
        *,
        fresh: bool,
        previous: FloatArray | None,
    ) -> Scores:
        """The current block: settled tokens of it and the window, seeing each other and all before."""
        ids = [*self._context, *settled]
        forwards = self._extend(ids, cancel)
        cancel.check()
        tail = ids[len(self._cache.ids) :]
        rows = Rows.together([*tail, *_masked(slots, self._kind)])
        start = len(tail) - self._kind.shift
        wanted = range(max(start, 0), start + len(slots))
        logits, _ = self._model.forward(self._cache, rows, list(wanted))
        if start < 0:  # the block before speaks for the first slot
            assert self._last is not None
            logits = np.concatenate([self._last[1], logits])
        return Scores(logits, forwards + 1, len(rows))

    def foregone(self, settled: Sequence[int], cancel: CancelToken) -> Scores | None:
        """The first slot of a block, where outputs speak for the next token: the block before decides it."""
        ids = [*self._context, *settled]
        if not self._kind.shift or not ids or len(ids) % self._kind.block:
            return None
        forwards = self._extend(ids, cancel)
        assert self._last is not None
        return Scores(self._last[1], forwards, 0)

    def explain(self, before: Sequence[int], tokens: Sequence[int], cancel: CancelToken) -> Scores:
        """Every token given what is before it and the rest of its block."""
        parts: list[Scores] = []
        done = 0
        while done < len(tokens):
            at = self.n_context + len(before) + done
            n = self._kind.block - at % self._kind.block
            parts.append(_strided(self, [*before, *tokens[:done]], tokens[done : done + n], cancel, n))
            done += n
        return _joined(parts)

    def forget(self) -> None:
        """Drop every cached context."""
        super().forget()
        self._last = None

    def _whole(self, n_tokens: int) -> int:
        return n_tokens // self._kind.block * self._kind.block

    def _extend(self, ids: list[int], cancel: CancelToken) -> int:
        """Make the cache hold the whole blocks of these tokens and no more; the passes it took."""
        n_whole = self._whole(len(ids))
        common = self._whole(min(self._cache.common(ids), n_whole))
        needs_last = self._kind.shift and n_whole == len(ids) and n_whole > 0
        if needs_last and common == n_whole and (self._last is None or self._last[0] != n_whole):
            common -= self._kind.block
        if common < len(self._cache.ids):
            self._cache.truncate(common)
        forwards = 0
        step = max(CHUNK // self._kind.block, 1) * self._kind.block
        while len(self._cache.ids) < n_whole:
            cancel.check()
            start = len(self._cache.ids)
            piece = ids[start : min(start + step, n_whole)]
            rows = Rows.in_blocks(piece, self._kind.block)
            logits, new = self._model.forward(self._cache, rows, [len(piece) - 1])
            self._cache.append(piece, new)
            self._last = (len(self._cache.ids), logits)
            forwards += 1
        return forwards


class CausalContext(_Cached):
    """The context is causal and cached; the canvas sees all of it and itself, and leaves nothing behind."""

    def encode(self, context: Sequence[int], cancel: CancelToken) -> Encoded:
        """Encode a context, all of it."""
        self._cache, self._context = self._pool.take(context), list(context)
        cached = len(self._cache.ids)
        return Encoded(len(context), cached, self._extend(self._context, cancel))

    def score(
        self,
        settled: Sequence[int],
        slots: IntArray,
        cancel: CancelToken,
        *,
        fresh: bool,
        previous: FloatArray | None,
    ) -> Scores:
        """The window alone, behind context and settled tokens."""
        forwards = self._extend([*self._context, *settled], cancel)
        cancel.check()
        rows = Rows.together(_masked(slots, self._kind), gated=True)
        logits, _ = self._model.forward(self._cache, rows, range(len(rows)), previous=previous)
        return Scores(logits, forwards + 1, len(rows))

    def foregone(self, settled: Sequence[int], cancel: CancelToken) -> Scores | None:
        """Nothing: every slot has its say in every other."""
        return None

    def explain(self, before: Sequence[int], tokens: Sequence[int], cancel: CancelToken) -> Scores:
        """Every token by the causal context, which was trained to predict the next one."""
        ids = [*self._context, *before, *tokens]
        n_before = len(ids) - len(tokens)
        self._cache.truncate(min(self._cache.common(ids), n_before - 1))
        parts = []
        while len(self._cache.ids) < len(ids) - 1:
            cancel.check()
            start = len(self._cache.ids)
            piece = ids[start : len(ids) - 1][:CHUNK]
            wanted = range(max(n_before - 1 - start, 0), len(piece))
            logits, new = self._model.forward(self._cache, Rows.causal(piece), wanted)
            self._cache.append(piece, new)
            parts.append(Scores(logits, 1, len(wanted)))
        return _joined(parts)

    def _extend(self, ids: list[int], cancel: CancelToken) -> int:
        common = self._cache.common(ids)
        if common < len(self._cache.ids):
            self._cache.truncate(common)
        forwards = 0
        while len(self._cache.ids) < len(ids):
            cancel.check()
            piece = ids[len(self._cache.ids) :][:CHUNK]
            _, new = self._model.forward(self._cache, Rows.causal(piece), [])
            self._cache.append(piece, new)
            forwards += 1
        return forwards


def _masked(slots: Sequence[int] | IntArray, kind: Diffusion) -> list[int]:
    """A window as the model is to see it."""
    mask = MASKED if kind.mask is None else kind.mask
    return [mask if slot == MASKED else int(slot) for slot in slots]


def _strided(
    attention: Attention, before: Sequence[int], tokens: Sequence[int], cancel: CancelToken, n_slots: int = 0
) -> Scores:
    """Logits for each token of one window, in passes that mask every fourth of them.

    Args:
        attention: scores.
        before: tokens of the canvas before the window.
        tokens: the window's, at least one.
        cancel: polled before every pass.
        n_slots: slots of the window, those behind the tokens open; 0 for as many as there are tokens.
    """
    window = np.full(max(n_slots, len(tokens)), MASKED, dtype=np.int64)
    window[: len(tokens)] = tokens
    rows: list[FloatArray] = [np.zeros(0, dtype=np.float32)] * len(tokens)
    n_passes = min(STRIDE, len(tokens))
    n_rows = 0
    for group in range(n_passes):
        asked = window.copy()
        asked[group : len(tokens) : STRIDE] = MASKED
        scores = attention.score(before, asked, cancel, fresh=True, previous=None)
        n_rows += scores.rows
        for slot in range(group, len(tokens), STRIDE):
            rows[slot] = scores.logits[slot]
    return Scores(np.stack(rows), n_passes, n_rows)


def _joined(parts: Sequence[Scores]) -> Scores:
    return Scores(
        np.concatenate([part.logits for part in parts]),
        sum(part.forwards for part in parts),
        sum(part.rows for part in parts),
    )
