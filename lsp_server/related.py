"""A file in a folder to what other files of the folder offer it, on the disk or open in the editor.

Never read are files outside the folder, secrets, what the settings exclude, what git ignores, and what is
large or in no language that is parsed. Outlines are kept until a file changes. Used by one thread at a time,
but for ``forget``.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from engine.errors import TextError
from engine.types import Related
from lsp_server import analysis
from lsp_server.ignored import FILE_NAME as GIT_IGNORE
from lsp_server.ignored import Ignored

if TYPE_CHECKING:
    from engine.code.outline import Entry

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 400_000
MAX_REMEMBERED = 400

Excludes = Callable[[PurePosixPath], bool]


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a file.

    Attributes:
        root: the folder that nothing is read outside of.
        excludes: whether a path relative to it is not to be read.
        opened: the text and the language of open documents, by their path relative to it.
        recent: paths of files that were edited lately, the latest first.
    """

    root: Path
    excludes: Excludes
    opened: Mapping[PurePosixPath, tuple[str, str]] = field(default_factory=dict)
    recent: Iterable[PurePosixPath] = ()


class RelatedFiles:
    """The outlines of files, remembered.

    Args:
        watch: told which files the answers depend on, whenever there are more; None where nobody watches.
    """

    def __init__(self, watch: Callable[[frozenset[Path]], object] | None = None) -> None:
        self._watch = watch
        self._on_disk: OrderedDict[Path, tuple[Entry, ...] | None] = OrderedDict()
        self._opened: OrderedDict[Path, tuple[str, tuple[Entry, ...]]] = OrderedDict()
        self._ignored: dict[Path, Ignored] = {}
        self._watched: frozenset[Path] = frozenset()
        self._lock = threading.Lock()
        self._n_forgotten = 0

    def of(self, path: PurePosixPath, text: str, language: str, around: Around) -> tuple[Related, ...]:
        """What other files offer to one.

        Args:
            path: of the file, relative to the root.
            text: of the file.
            language: LSP language identifier of the file.
            around: what may be read.
        """
        found = analysis.related_files(
            text, path, language, lambda place: self._outline(place, around), tuple(around.recent)
        )
        if self._watch is not None:
            with self._lock:
                ignore_files = [ignored.files() for ignored in self._ignored.values()]
                files = frozenset(self._on_disk).union(*ignore_files)
            if files != self._watched:
                self._watched = files
                self._watch(files)
        return found

    def forget(self, names: frozenset[str]) -> None:
        """Files of these names have changed on the disk. On any thread."""
        with self._lock:
            self._n_forgotten += 1
            if GIT_IGNORE in names or "exclude" in names or "ignore" in names:
                self._ignored = {}
            for path in [path for path in self._on_disk if path.name in names]:
                del self._on_disk[path]

    def _outline(self, place: PurePosixPath, around: Around) -> tuple[Entry, ...] | None:
        if analysis.is_secret(str(place)) or around.excludes(place) or not analysis.is_parsed(str(place)):
            return None
        file = around.root / place
        if place in around.opened:
            return (
                None if self._is_ignored(place, around.root) else self._of_open(file, *around.opened[place])
            )
        with self._lock:
            n_forgotten = self._n_forgotten
            if file in self._on_disk:
                self._on_disk.move_to_end(file)
                return self._on_disk[file]
        if not os.path.isfile(file) or self._is_ignored(place, around.root):  # noqa: PTH113 - never raises
            return None  # not remembered: it may come into being
        entries = self._read(file, around.root)
        with self._lock:
            if n_forgotten == self._n_forgotten:  # else it may have changed while it was read
                self._on_disk[file] = entries
            while len(self._on_disk) > MAX_REMEMBERED:
                self._on_disk.popitem(last=False)
        return entries

    def _is_ignored(self, place: PurePosixPath, root: Path) -> bool:
        with self._lock:
            ignored = self._ignored.setdefault(root, Ignored(root))
        return ignored(place)

    def _of_open(self, file: Path, text: str, language: str) -> tuple[Entry, ...]:
        known = self._opened.get(file)
        if known is None or known[0] != text:
            known = (text, analysis.outline(text, language))
            self._opened[file] = known
        self._opened.move_to_end(file)
        while len(self._opened) > MAX_REMEMBERED:
            self._opened.popitem(last=False)
        return known[1]

    def _read(self, file: Path, root: Path) -> tuple[Entry, ...] | None:
        """The outline of a file; None where it leads out of the root, or cannot be read."""
        try:
            if not file.resolve().is_relative_to(root.resolve()) or analysis.is_secret(str(file.resolve())):
                return None
            if file.stat().st_size > MAX_FILE_BYTES:
                return None
            text = analysis.decoded(file.read_bytes(), file.name)
        except (OSError, RuntimeError, TextError) as error:  # a loop of links is a RuntimeError
            log.debug("%s is not read: %s", file, error)
            return None
        return analysis.outline(text, analysis.language_of("", str(file)))
