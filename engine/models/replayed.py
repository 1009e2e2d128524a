"""A graph for GPUs at a few fixed sizes: captured once on CUDA, replayed from then on.

Starting its kernels one by one is most of what a small pass costs on a GPU; a CUDA graph starts them all at
once, if sizes and addresses are those of the capture. So rows and context are padded to a few sizes, each
with buffers of its own on the device, and what is in the context's buffers is told by its tokens. Knows the
inputs of ``export.gpu_graph``; ONNX Runtime is behind ``Session``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.denoising.cache import ContextCache, FloatArray
from engine.denoising.denoiser import Provider
from engine.denoising.rows import Rows
from engine.models.artifact import Manifest

ROWS = (8, 16, 32, 64, 128)
"""Numbers of rows of a pass; beyond the last, multiples of it."""

FEWEST_COLUMNS = 512
"""The smallest buffer of a context; larger ones have twice as many columns each."""

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


@dataclass(slots=True)
class _Resident:
    """The buffers of a context on the device.

    Attributes:
        arrays: keys and values, layer by layer ``[1, n_columns, n_kv_heads * head_dim]``, float16.
        ids: the tokens whose entries lie there, from the first column on.
    """

    arrays: list[Buffer]
    ids: list[int] = field(default_factory=list)


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
        """Logits of rows behind nothing."""
        m = self.manifest
        return self.forward(ContextCache(2 * m.n_layers, m.n_kv_heads, m.head_dim), rows, range(len(rows)))[0]

    def forward(
        self, cache: ContextCache, rows: Rows, wanted: Sequence[int]
    ) -> tuple[FloatArray, list[FloatArray]]:
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
        n_past, n_new = len(cache.ids), len(rows)
        n_rows = rows_for(n_new)
        n_columns = columns_for(n_past + n_rows)
        n_wanted = 1 if len(wanted) <= 1 else rows_for(len(wanted))
        resident = self._resident(cache, n_columns)
        place = self._place(n_rows, n_columns, n_wanted)
        for name, values in padded(rows, wanted, n_past, n_rows, n_columns, n_wanted).items():
            if name in place.inputs:
                place.inputs[name].update_inplace(values)
        self._session.run(place.number, place.inputs, place.outputs)
        resident.ids += (int(token) for token in rows.ids[: n_in_line(rows)])
        logits = np.asarray(self._session.read(place.outputs["logits"]), dtype=np.float32)
        return logits[: len(wanted)], self._entries(place.outputs["new"], n_new)

    def _resident(self, cache: ContextCache, n_columns: int) -> _Resident:
        """The buffers of so many columns, with all of a cache in them."""
        resident = self._residents.get(n_columns)
        if resident is None:
            shape = (1, n_columns, self.manifest.n_kv_heads * self.manifest.head_dim)
            arrays = [self._session.buffer(shape, np.float16) for _ in range(2 * self.manifest.n_layers)]
            resident = self._residents[n_columns] = _Resident(arrays)
        if resident.ids[: len(cache.ids)] != cache.ids:
            for buffer, array in zip(resident.arrays, cache.arrays, strict=True):
                buffer.update_inplace(_side_by_side(array[:, : len(cache.ids)], n_columns))
        resident.ids = list(cache.ids)
        return resident

    def _place(self, n_rows: int, n_columns: int, n_wanted: int) -> _Place:
        """The buffers of a size, made once."""
        size = (n_rows, n_columns, n_wanted)
        if size not in self._places:
            self._places[size] = self._new_place(*size)
        return self._places[size]

    def _new_place(self, n_rows: int, n_columns: int, n_wanted: int) -> _Place:
        m, buffer = self.manifest, self._session.buffer
        inputs = {
            "ids": buffer((n_rows,), np.int64),
            "positions": buffer((n_rows,), np.int64),
            "first": buffer((1,), np.int64),
            "bias": buffer((n_rows, n_columns), np.float16),
            "logit_rows": buffer((n_wanted,), np.int64),
        }
        if self._session.is_adapted:
            inputs["gate"] = buffer((n_rows, 1), np.float16)
        outputs = {
            "logits": buffer((n_wanted, m.n_vocab), np.float32),
            "new": buffer((2 * m.n_layers, n_rows, m.n_kv_heads * m.head_dim), np.float16),
        }
        for at, array in enumerate(self._residents[n_columns].arrays):
            name = f"{'kv'[at % 2]}_{at // 2}"
            inputs[f"past_{name}"] = outputs[f"all_{name}"] = array
        return _Place(len(self._places) + 1, inputs, outputs)

    def _entries(self, new: Buffer, n_new: int) -> list[FloatArray]:
        """New entries as caches keep them."""
        m = self.manifest
        entries = self._session.read(new)[:, :n_new].astype(np.float32)
        by_head = entries.reshape(2 * m.n_layers, n_new, m.n_kv_heads, m.head_dim).swapaxes(1, 2)
        return list(by_head)


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
    rows: Rows, wanted: Sequence[int], n_past: int, n_rows: int, n_columns: int, n_wanted: int
) -> dict[str, npt.NDArray[np.generic]]:
    """The inputs of a pass, filled up to its size with rows that see themselves alone and that nobody sees.

    Args:
        rows: the new rows.
        wanted: which rows' logits are wanted, at most ``n_wanted``.
        n_past: tokens of the context.
        n_rows, n_columns, n_wanted: the size.
    """
    n_new = len(rows)
    ids, positions = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    ids[:n_new], positions[:n_new] = rows.ids, n_past + rows.offsets
    bias = np.full((n_rows, n_columns), INVISIBLE, dtype=np.float16)
    bias[:n_new, :n_past] = 0
    bias[:n_new, n_past : n_past + n_new][rows.sees] = 0
    bias[np.arange(n_rows), n_past + np.arange(n_rows)] = 0
    gate = np.zeros((n_rows, 1), dtype=np.float16)
    gate[:n_new, 0] = rows.gated
    logit_rows = np.zeros(n_wanted, dtype=np.int64)
    logit_rows[: len(wanted)] = wanted
    first = np.array([n_past], dtype=np.int64)
    return {
        "ids": ids,
        "positions": positions,
        "first": first,
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


def _side_by_side(array: FloatArray, n_columns: int) -> HalfArray:
    """Entries ``[n_heads, n, head_dim]`` as a device has them ``[1, n_columns, n_heads * head_dim]``."""
    n_heads, n, width = array.shape
    wide = np.zeros((1, n_columns, n_heads * width), dtype=np.float16)
    wide[0, :n] = array.swapaxes(0, 1).reshape(n, n_heads * width)
    return wide
