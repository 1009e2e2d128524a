"""Files that come, change, and lie where there is no directory yet."""

from __future__ import annotations

import queue
import time
from pathlib import Path

import pytest

from lsp_server.watcher import Watcher


def told_after(told: queue.Queue[frozenset[str]], change: Path, text: str) -> frozenset[str]:
    """What a watcher tells of a file that is written until it does: it may not watch yet."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        change.write_text(text)
        try:
            return told.get(timeout=0.5)
        except queue.Empty:
            continue
    raise TimeoutError(change)


def test_a_file_in_a_directory_that_is_made_later_is_seen(tmp_path: Path) -> None:
    told: queue.Queue[frozenset[str]] = queue.Queue()
    watcher = Watcher(told.put)
    file = tmp_path / "config" / "unmask" / "unmask.toml"
    try:
        watcher.watch(frozenset({file}))
        deadline = time.monotonic() + 20
        while told.empty() and time.monotonic() < deadline:
            file.parent.parent.mkdir(exist_ok=True)
            time.sleep(0.3)
            if told.empty():
                file.parent.parent.rmdir()
        assert told.get(timeout=1) == {"config"}
        file.parent.mkdir()
        watcher.watch(frozenset({file}))
        assert told_after(told, file, "x = 1") == {"unmask.toml"}
    finally:
        assert watcher.close(5)


@pytest.mark.parametrize("other", ["other.toml", "unmask.toml.swp"])
def test_other_files_are_not_told_of(tmp_path: Path, other: str) -> None:
    told: queue.Queue[frozenset[str]] = queue.Queue()
    watcher = Watcher(told.put)
    file = tmp_path / "unmask.toml"
    try:
        watcher.watch(frozenset({file}))
        assert told_after(told, file, "x = 1") == {"unmask.toml"}
        (tmp_path / other).write_text("x")
        with pytest.raises(queue.Empty):
            told.get(timeout=1)
    finally:
        assert watcher.close(5)
