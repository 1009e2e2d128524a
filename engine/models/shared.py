"""One loaded model for several requests at a time: passes that come while one runs are run as one, if it can.

Whoever comes first runs what has come by then, its own pass among it; nobody waits for company. Knows nothing
of requests: each has a denoiser and caches of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.denoising.cache import ContextCache, Entries, FloatArray
from engine.denoising.rows import Rows
from engine.denoising.top import LogitRows
from engine.models.canvas_denoiser import Model
from engine.models.replayed import ROWS, Pass, ReplayedModel

MOST_ROWS = ROWS[-1]
"""Rows of several passes that are run as one; a pass that has more runs alone."""

Result = tuple[LogitRows, Entries]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A pass, and what came of it."""

    wanted: Pass
    result: Result | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.error is not None


class SharedModel:
    """``engine.models.canvas_denoiser.Model`` for threads, each with caches of its own.

    Args:
        model: what runs the passes; several as one if it is a ``ReplayedModel``.
    """

    def __init__(self, model: Model) -> None:
        self.manifest, self.provider = model.manifest, model.provider
        self._model = model
        self._most = MOST_ROWS if isinstance(model, ReplayedModel) else 0
        self._queue: deque[_Waiting] = deque()
        self._queue_lock, self._turn = threading.Lock(), threading.Lock()

    def forward(self, cache: ContextCache, rows: Rows, wanted: Sequence[int]) -> tuple[FloatArray, Entries]:
        """One pass; see ``engine.models.runtime.OnnxModel.forward``."""
        logits, new = self._shared(Pass(cache, rows, wanted))
        return np.asarray(logits), new

    def forward_top(self, cache: ContextCache, rows: Rows, wanted: Sequence[int]) -> Result:
        """The same, where the likeliest tokens of each row will do."""
        return self._shared(Pass(cache, rows, wanted, whole=False))

    def _shared(self, wanted: Pass) -> Result:
        """A pass, run by whoever comes first."""
        own = _Waiting(wanted)
        with self._queue_lock:
            self._queue.append(own)
        while not own.is_done:
            with self._turn:
                if not own.is_done:
                    self._run(self._next())
        if own.error is not None:
            raise own.error
        assert own.result is not None
        return own.result

    def _next(self) -> list[_Waiting]:
        """The passes that have waited longest, as many as run as one."""
        with self._queue_lock:
            taken = [self._queue.popleft()]
            n_rows = len(taken[0].wanted.rows)
            while self._queue and n_rows + len(self._queue[0].wanted.rows) <= self._most:
                taken.append(self._queue.popleft())
                n_rows += len(taken[-1].wanted.rows)
            return taken

    def _run(self, taken: Sequence[_Waiting]) -> None:
        passes = [one.wanted for one in taken]
        try:
            results = self._together(passes)
        except Exception as error:  # each of them learns of it
            for one in taken:
                one.error = error
        else:
            for one, result in zip(taken, results, strict=True):
                one.result = result

    def _together(self, passes: Sequence[Pass]) -> list[Result]:
        if isinstance(self._model, ReplayedModel):
            return self._model.forward_together(passes)
        return [
            (self._model.forward if each.whole else self._model.forward_top)(
                each.cache, each.rows, each.wanted
            )
            for each in passes
        ]
