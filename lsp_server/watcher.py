"""Files on disk → a call whenever one of them changes. Knows nothing of what they are for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

_SETTLED_MS = 100
_NOTICE_STOP_MS = 500


class Watcher:
    """Watches a set of files, on a thread of its own that never keeps the process alive.

    Args:
        on_change: called on that thread with the names of the files that changed.
    """

    def __init__(self, on_change: Callable[[frozenset[str]], object]) -> None:
        self._on_change = on_change
        self._files: frozenset[Path] = frozenset()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def watch(self, files: frozenset[Path]) -> None:
        """Watch these files, which need not exist, in place of those watched so far."""
        if files == self._files:
            return
        self.stop()
        self._files = files
        self._stop = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(files, self._stop), name="unmask-watcher", daemon=True
        )
        self._threads = [thread, *(old for old in self._threads if old.is_alive())]
        thread.start()

    def stop(self) -> None:
        """Watch nothing any more."""
        self._stop.set()
        self._files = frozenset()

    def close(self, timeout_s: float) -> bool:
        """Watch nothing any more; whether every thread has ended within about ``timeout_s`` seconds."""
        self.stop()
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, files: frozenset[Path], stop: threading.Event) -> None:
        import watchfiles  # noqa: PLC0415 - a native module that `initialize` need not wait for

        directories = {file.parent for file in files if file.parent.is_dir()}
        names = {file.name for file in files}
        if not directories:
            return
        try:
            for changes in watchfiles.watch(
                *directories,
                watch_filter=lambda _, path: Path(path).name in names,
                recursive=False,
                step=_SETTLED_MS,
                rust_timeout=_NOTICE_STOP_MS,
                stop_event=stop,
                raise_interrupt=False,
            ):
                if not stop.is_set():
                    self._on_change(frozenset(Path(path).name for _, path in changes))
        except (OSError, RuntimeError) as error:
            log.warning("changes of files go unnoticed: %s", error)
