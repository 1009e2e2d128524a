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
        self._names: dict[Path, set[str]] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def watch(self, files: frozenset[Path]) -> None:
        """Watch these files, which need not exist, in place of those watched so far."""
        names = _watchable(files)
        if names == self._names:
            return
        self.stop()
        self._names = names
        self._stop = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(names, self._stop), name="unmask-watcher", daemon=True
        )
        self._threads = [thread, *(old for old in self._threads if old.is_alive())]
        thread.start()

    def stop(self) -> None:
        """Watch nothing any more."""
        self._stop.set()
        self._names = {}

    def close(self, timeout_s: float) -> bool:
        """Watch nothing any more; whether every thread has ended within about ``timeout_s`` seconds."""
        self.stop()
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, names: dict[Path, set[str]], stop: threading.Event) -> None:
        import watchfiles  # noqa: PLC0415 - a native module that `initialize` need not wait for

        wanted = {directory / name for directory in names for name in names[directory]}
        if not wanted:
            return
        try:
            for changes in watchfiles.watch(
                *names,
                watch_filter=lambda _, path: Path(path) in wanted,
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


def _watchable(files: frozenset[Path]) -> dict[Path, set[str]]:
    """The directories in which files can be seen to come and go, and the names to look for in each.

    Of a file whose directory is missing, that is the first missing directory above it.
    """
    names: dict[Path, set[str]] = {}
    for file in files:
        seen = file
        while not seen.parent.is_dir() and seen.parent != seen:
            seen = seen.parent
        if seen.parent.is_dir():
            names.setdefault(seen.parent, set()).add(seen.name)
    return names
