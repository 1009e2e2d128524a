"""A graph for GPUs at a few fixed sizes: captured once on CUDA, replayed from then on.

Starting its kernels one by one is most of what a small pass costs on a GPU; a CUDA graph starts them all at
once, if sizes and addresses are those of the capture. So rows and context are padded to a few sizes, each
with buffers of its own on the device. A row sees the columns it is told to, so several contexts lie in one
buffer, their columns in any order, and the rows of several requests run in one pass. What lies where is told
by its tokens. Knows the inputs of ``export.gpu_graph``; ONNX Runtime is behind ``Session``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from engine.denoising.cache import ContextCache, Entries, FloatArray
from engine.denoising.denoiser import Provider
from engine.denoising.rows import Rows
from engine.denoising.top import KEPT, LogitRows, TopTokens, top_of
from engine.models.artifact import Manifest

ROWS = (8, 16, 32, 64, 128)
"""Numbers of rows of a pass; beyond the last, multiples of it."""

FEWEST_COLUMNS = 512
"""The smallest buffer of a context; larger ones have twice as many columns each."""

ROOM = 4
"""How many times the columns that a pass of several requests needs its buffers have: others are between two
passes, and what a draft had too much lies there until all is moved together."""

SHARE_FREE = 4
"""One column in so many is left free when all is moved together, or it would be moved again soon."""

INVISIBLE = np.float16(-1e4)
"""Added to a score that must not count. Not infinite: a row that sees nothing would become no number."""

MOST_APART = 0.01
"""How far logits of one pass run twice may be apart, relative to their length."""

HalfArray = npt.NDArray[np.float16]


class Buffer(Protocol):
    """An array in a device's memory."""

    def update_inplace(self, values: npt.NDArray[np.generic]) -> None:
        """Copy values of the same shape and type there."""


class Session(Protocol):
    """A loaded graph and its device: ``engine.models.runtime.FixedSession``."""

    @property
    def manifest(self) -> Manifest:
        """Of the artifact."""

    @property
    def provider(self) -> Provider:
        """What runs it."""

    @property
    def is_adapted(self) -> bool:
        """Whether rows have a gate."""

    def buffer(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Buffer:
        """A new array of zeros on the device."""

    def read(self, buffer: Buffer) -> npt.NDArray[np.generic]:
        """A copy of what lies there."""

    @property
    def captures(self) -> bool:
        """Whether passes are captured and replayed."""

    def run(self, number: int, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer]) -> None:
        """One pass over buffers, captured the first time where that is possible.

        Args:
            number: from 1, another one for other buffers.
            inputs, outputs: by name in the graph; the same ones for the same number.

        Raises:
            BackendError: it failed.
        """

    def capture(self, wanted: bool) -> None:
        """Capture and replay passes from now on, or start their kernels one by one."""


@dataclass(slots=True)
class _Place:
    """The buffers of passes of one size.

    Attributes:
        number: of the size, from 1.
        inputs, outputs: by name in the graph, those of the context among them.
    """

    number: int
    inputs: dict[str, Buffer]
    outputs: dict[str, Buffer]


@dataclass(frozen=True, slots=True)
class Pass:
    """What one request wants computed.

    Attributes:
        cache: the context; read only.
        rows: the new rows.
        wanted: which rows' logits are wanted.
        whole: whether all of them are, or the likeliest tokens.
    """

    cache: ContextCache
    rows: Rows
    wanted: Sequence[int]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Lying:
    """A context on the device: its tokens, and the column of each token's entries."""

    ids: list[int]
    columns: list[int]

    def holds(self, cache: ContextCache) -> bool:
        """Whether all of a cache is there."""
        return self.ids[: len(cache.ids)] == cache.ids


@dataclass(slots=True)
class _Resident:
    """The buffers of a size on the device, and the contexts in them.

    Attributes:
        arrays: keys and values, layer by layer ``[1, n_columns, n_kv_heads * head_dim]``, float16.
        mirror: what lies there, to send it anew from; other threads' caches change meanwhile
            ``[2 * n_layers, n_columns, n_kv_heads * head_dim]``.
        lying: where the contexts lie.
    """

    arrays: list[Buffer]
    mirror: HalfArray
    lying: WeakKeyDictionary[ContextCache, _Lying] = field(default_factory=WeakKeyDictionary)

    @property
    def n_columns(self) -> int:
        """Of each buffer."""
        return int(self.mirror.shape[1])

    @property
    def n_used(self) -> int:
        """Columns up to the last one that a context has."""
        return 1 + max((max(lying.columns) for lying in self.lying.values() if lying.columns), default=-1)

    def find(self, cache: ContextCache) -> _Lying | None:
        """A context by its tokens, no more of it; None where it is not there."""
        own, n = self.lying.get(cache), len(cache.ids)
        known = (lying for lying in [own, *self.lying.values()] if lying and lying.holds(cache))
        found = next(known, None) if n else _Lying([], [])
        return found and _Lying(found.ids[:n], found.columns[:n])

    def lay_out(self, caches: Sequence[ContextCache], n_free: int) -> None:
        """Have caches lie there and so many columns free behind all contexts, sent anew where need be.

        Args:
            caches: those of a pass, which fit; others stay while there is more room than that.
            n_free: columns.
        """
        found = {cache: self.find(cache) for cache in caches}
        self.lying.update({cache: lying for cache, lying in found.items() if lying})
        if all(found.values()) and self.n_used + n_free <= self.n_columns:
            return
        others = {
            cache: lying for cache, lying in self.lying.items() if cache not in found and lying.holds(cache)
        }
        self.lying, mirror, at = WeakKeyDictionary(), np.zeros_like(self.mirror), 0
        for cache, lying in {**found, **others}.items():
            ids = list(cache.ids) if lying is None else lying.ids
            end = at + len(ids)
            if cache in others and end + n_free > self.n_columns - self.n_columns // SHARE_FREE:
                continue
            if lying is None:
                for layer, array in zip(mirror, cache.arrays, strict=True):
                    layer[at:end] = _side_by_side(array[:, : len(ids)])
            else:
                mirror[:, at:end] = self.mirror[:, lying.columns]
            self.lying[cache] = _Lying(ids, list(range(at, end)))
            at = end
        self.mirror = mirror
        for buffer, values in zip(self.arrays, mirror, strict=True):
            buffer.update_inplace(values[None])


class ReplayedModel:
    """``engine.models.canvas_denoiser.Model`` at fixed sizes.

    Args:
        session: the loaded graph.
    """

    def __init__(self, session: Session) -> None:
        self.manifest, self.provider = session.manifest, session.provider
        self._session = session
        self._places: dict[tuple[int, int, int], _Place] = {}
        self._residents: dict[int, _Resident] = {}
        self._least_columns = FEWEST_COLUMNS

    def check(self) -> None:
        """Give capturing up unless a replayed pass says what one started kernel by kernel does."""
        if not self._session.captures:
            return
        first, second = Rows.causal(range(1, 7)), Rows.causal(range(11, 17))
        replayed = [self._said(rows) for rows in (first, second, first)]
        self._session.capture(False)
        plain = [self._said(rows) for rows in (first, second, first)]
        if all(_agree(ours, theirs) for ours, theirs in zip(replayed, plain, strict=True)):
            self._session.capture(True)
            reason = f"{self.provider.reason}; passes are captured and replayed"
            self.provider = replace(self.provider, reason=reason)

    def _said(self, rows: Rows) -> FloatArray:
        """Logits of rows behind nothing, and those of the likeliest tokens of each."""
        m = self.manifest
        said = []
        for forward in (self.forward, self.forward_top):
            cache = ContextCache(2 * m.n_layers, m.n_kv_heads, m.head_dim)
            said += [top_of(logits) for logits in forward(cache, rows, range(len(rows)))[0]]
        return np.concatenate([top.logits if top.row is None else top.row for top in said])

    def forward(self, cache: ContextCache, rows: Rows, wanted: Sequence[int]) -> tuple[FloatArray, Entries]:
        """One pass over rows that follow a cache.

        Args:
            cache: the context; read only.
            rows: the new rows, ``n_new`` of them.
            wanted: which rows' logits are wanted.

        Returns:
            logits ``[len(wanted), n_vocab]``, and the new cache entries, one ``[n_heads, n_new, head_dim]``
            per cache array.

        Raises:
            BackendError: the run failed (out of memory, a lost device).
        """
        ((logits, new),) = self.forward_together([Pass(cache, rows, wanted)])
        return np.asarray(logits), new

    def forward_top(
        self, cache: ContextCache, rows: Rows, wanted: Sequence[int]
    ) -> tuple[LogitRows, Entries]:
        """The same with the likeliest tokens of each row, which alone leave the device."""
        (result,) = self.forward_together([Pass(cache, rows, wanted, whole=False)])
        return result

    def forward_together(self, passes: Sequence[Pass]) -> list[tuple[LogitRows, Entries]]:
        """The passes of several requests as one; results as those of ``forward``, in order.

        Args:
            passes: one at least, each over a cache of its own.

        Raises:
            BackendError: the run failed.
        """
        n_rows = rows_for(sum(len(each.rows) for each in passes))
        n_wanted = sum(len(each.wanted) for each in passes)
        n_wanted = 1 if n_wanted <= 1 else rows_for(n_wanted)
        n_needed = n_rows + sum(len(each.cache.ids) for each in passes)
        if len(passes) > 1:  # the same buffers whoever takes part next
            self._least_columns = max(self._least_columns, columns_for(ROOM * n_needed))
        n_columns = columns_for(n_needed)
        resident = self._resident(max(n_columns, self._least_columns))
        resident.lay_out([each.cache for each in passes], n_rows)
        places = [resident.lying[each.cache].columns for each in passes]
        first = resident.n_used
        place = self._place(n_rows, resident, n_wanted)
        for name, values in padded(passes, places, first, n_rows, resident.n_columns, n_wanted).items():
            if name in place.inputs:
                place.inputs[name].update_inplace(values)
        self._session.run(place.number, place.inputs, place.outputs)
        whole = self._read(place, "logits") if any(each.whole for each in passes) else None
        tops = [] if all(each.whole for each in passes) else self._tops(place)
        new = np.asarray(self._session.read(place.outputs["new"]), dtype=np.float16)
        resident.mirror[:, first : first + n_rows] = new
        entries = self._by_head(new)
        results: list[tuple[LogitRows, Entries]] = []
        row, score = 0, 0
        for each, columns in zip(passes, places, strict=True):
            n_new, n_scores, n_kept = len(each.rows), len(each.wanted), n_in_line(each.rows)
            resident.lying[each.cache] = _Lying(
                [*each.cache.ids, *map(int, each.rows.ids[:n_kept])],
                [*columns, *range(first + row, first + row + n_kept)],
            )
            own = [array[:, row : row + n_new] for array in entries]
            said = slice(score, score + n_scores)
            results.append((whole[said] if each.whole and whole is not None else tops[said], own))
            row, score = row + n_new, score + n_scores
        return results

    def _resident(self, n_columns: int) -> _Resident:
        """The buffers of so many columns, made once."""
        if n_columns not in self._residents:
            n_arrays, width = 2 * self.manifest.n_layers, self.manifest.n_kv_heads * self.manifest.head_dim
            arrays = [self._session.buffer((1, n_columns, width), np.float16) for _ in range(n_arrays)]
            mirror = np.zeros((n_arrays, n_columns, width), dtype=np.float16)
            self._residents[n_columns] = _Resident(arrays, mirror)
        return self._residents[n_columns]

    def _place(self, n_rows: int, resident: _Resident, n_wanted: int) -> _Place:
        """The buffers of a size, made once."""
        size = (n_rows, resident.n_columns, n_wanted)
        if size not in self._places:
            self._places[size] = self._new_place(n_rows, resident, n_wanted)
        return self._places[size]

    def _new_place(self, n_rows: int, resident: _Resident, n_wanted: int) -> _Place:
        m, buffer = self.manifest, self._session.buffer
        n_kept = min(KEPT, m.n_vocab)
        inputs = {
            "ids": buffer((n_rows,), np.int64),
            "positions": buffer((n_rows,), np.int64),
            "first": buffer((1,), np.int64),
            "bias": buffer((n_rows, resident.n_columns), np.float16),
            "logit_rows": buffer((n_wanted,), np.int64),
        }
        if self._session.is_adapted:
            inputs["gate"] = buffer((n_rows, 1), np.float16)
        outputs = {
            "logits": buffer((n_wanted, m.n_vocab), np.float32),
            "top_tokens": buffer((n_wanted, n_kept), np.int64),
            "top_logits": buffer((n_wanted, n_kept), np.float32),
            "norms": buffer((n_wanted,), np.float32),
            "new": buffer((2 * m.n_layers, n_rows, m.n_kv_heads * m.head_dim), np.float16),
        }
        for at, array in enumerate(resident.arrays):
            name = f"{'kv'[at % 2]}_{at // 2}"
            inputs[f"past_{name}"] = outputs[f"all_{name}"] = array
        return _Place(len(self._places) + 1, inputs, outputs)

    def _read(self, place: _Place, name: str) -> FloatArray:
        """An output of the last pass of a size."""
        return np.asarray(self._session.read(place.outputs[name]), dtype=np.float32)

    def _tops(self, place: _Place) -> list[TopTokens]:
        """The likeliest tokens of every row that the last pass of a size was asked for."""
        tokens = np.asarray(self._session.read(place.outputs["top_tokens"]), dtype=np.int64)
        norms = self._read(place, "norms").tolist()
        return list(map(TopTokens, tokens, self._read(place, "top_logits"), norms))

    def _by_head(self, new: HalfArray) -> Entries:
        """New entries as caches keep them, but for their type: most of them are not kept."""
        m = self.manifest
        entries = new.reshape(2 * m.n_layers, -1, m.n_kv_heads, m.head_dim)
        return list(entries.swapaxes(1, 2))


def _agree(ours: FloatArray, theirs: FloatArray) -> bool:
    """Whether two runs of one pass differ by no more than the order of additions can explain."""
    return bool(
        np.isfinite(ours).all() and np.linalg.norm(ours - theirs) < MOST_APART * np.linalg.norm(theirs)
    )


def rows_for(n_new: int) -> int:
    """The number of rows that a pass of so many is padded to."""
    return next((n for n in ROWS if n >= n_new), -(-n_new // ROWS[-1]) * ROWS[-1])


def columns_for(n_tokens: int) -> int:
    """The columns of the smallest buffer with room for so many tokens."""
    columns = FEWEST_COLUMNS
    while columns < n_tokens:
        columns *= 2
    return columns


def padded(
    passes: Sequence[Pass],
    places: Sequence[Sequence[int]],
    first: int,
    n_rows: int,
    n_columns: int,
    n_wanted: int,
) -> dict[str, npt.NDArray[np.generic]]:
    """The inputs of a pass, filled up to its size with rows that see themselves alone and that nobody sees.

    Args:
        passes: what is computed, one behind the other.
        places: the columns of the context of each.
        first: the column of the first row; the others follow.
        n_rows, n_columns, n_wanted: the size.
    """
    ids, positions = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    bias = np.full((n_rows, n_columns), INVISIBLE, dtype=np.float16)
    bias[np.arange(n_rows), first + np.arange(n_rows)] = 0
    gate = np.zeros((n_rows, 1), dtype=np.float16)
    logit_rows = np.zeros(n_wanted, dtype=np.int64)
    row, score = 0, 0
    for each, columns in zip(passes, places, strict=True):
        n_new, n_scores = len(each.rows), len(each.wanted)
        own, new = slice(row, row + n_new), slice(first + row, first + row + n_new)
        ids[own], positions[own] = each.rows.ids, len(columns) + each.rows.offsets
        bias[own, np.asarray(columns, dtype=np.intp)] = 0
        bias[own, new][each.rows.sees] = 0
        gate[own, 0] = each.rows.gated
        logit_rows[score : score + n_scores] = row + np.asarray(each.wanted, dtype=np.int64)
        row, score = row + n_new, score + n_scores
    return {
        "ids": ids,
        "positions": positions,
        "first": np.array([first], dtype=np.int64),
        "bias": bias,
        "gate": gate,
        "logit_rows": logit_rows,
    }


def n_in_line(rows: Rows) -> int:
    """How many of the first rows are of the base and each follow the one before, as in a cache."""
    n_new = len(rows)
    whole_line = (rows.sees == np.tri(n_new, dtype=np.bool_)).all(axis=1)
    in_line = whole_line & (rows.offsets == np.arange(n_new)) & ~rows.gated
    return n_new if in_line.all() else int(in_line.argmin())


def _side_by_side(array: FloatArray) -> HalfArray:
    """Entries ``[n_heads, n, head_dim]`` as a device has them ``[n, n_heads * head_dim]``."""
    n_heads, n, width = array.shape
    return array.swapaxes(0, 1).reshape(n, n_heads * width).astype(np.float16)
