"""Progress of fetching and preparing a model, on stderr: a bar in a terminal, a line a stage elsewhere.

Knows nothing of models; shows nothing at all while nothing is reported.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from engine.types import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


CHECKING = "verify"
"""The stage every start has: an artifact's hashes are checked; it is not worth a bar."""


class FirstUse:
    """A progress listener for the time it is entered.

    Says once what is happening, then one bar a stage.

    Args:
        what: that.
        why: said with it the first time; nothing is said where it is empty.
    """

    def __init__(
        self, what: str = "first use", why: str = "fetching and preparing the model; this happens once"
    ) -> None:
        self._what, self._why = what, why
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """Show how far a stage is."""
        if progress.stage == CHECKING:
            return
        if not self._tasks and self._why:
            print(f"{self._what}: {self._why}", file=sys.stderr, flush=True)
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._begin(progress)
        task = self._tasks[progress.stage]
        if task is not None and self._bars is not None:
            self._bars.update(task, completed=progress.done, total=progress.total)

    def _begin(self, progress: Progress) -> TaskID | None:
        if not sys.stderr.isatty():
            size = "" if progress.total is None else f" ({_size(progress.total)})"
            print(f"{self._what}: {progress.stage}{size}", file=sys.stderr, flush=True)
            return None
        if self._bars is None:
            self._bars = _bars()
            self._bars.start()
        return self._bars.add_task(progress.stage, total=progress.total)


def _size(total: int) -> str:
    return f"{total / 1e6:,.0f} MB" if total >= 1_000_000 else str(total)


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=False,
    )
