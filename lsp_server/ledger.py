"""What became of suggestions → a small file on this machine, for ``unmask stats`` and for nobody else.

Counts by language, and nothing of anybody's code. Several servers may share the file: each adds what it
counted under a lock, and the file is replaced whole. Knows nothing of LSP.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from engine.errors import UsageError
from engine.weights.home import home

log = logging.getLogger(__name__)

FILE_VARIABLE = "UNMASK_STATS_FILE"
"""Names another file, for tests and for people who keep theirs elsewhere."""

SCHEMA = 1
MOST_LANGUAGES = 64
OTHERS = "(others)"
"""Where languages beyond that number are counted."""

COLUMNS = ("shown", "accepted", "partly accepted", "rejected", "accepted chars")
_LOCK_SECONDS = 0.2

Counts = dict[str, Counter[str]]
"""Per language: per entry of ``COLUMNS``, how many."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What a ledger holds.

    Attributes:
        since: the day it was begun.
        counts: by language.
    """

    since: str
    counts: Counts = field(default_factory=dict)


def file(environ: Mapping[str, str]) -> Path | None:
    """Where the ledger is: in the user's state directory; None where the user has no home."""
    named = environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    if home() is None and not environ.get("XDG_STATE_HOME"):
        return None
    return platformdirs.user_state_path("unmask") / "suggestions.json"


def read(path: Path) -> Entries:
    """What a ledger holds; a new one where there is no file, or none that can be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["schema"] == SCHEMA:
            counts = {
                str(language): Counter({name: int(row.get(name, 0)) for name in COLUMNS})
                for language, row in told["languages"].items()
            }
            return Entries(date.fromisoformat(told["since"]).isoformat(), counts)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        log.warning("%s cannot be read (%s); counting begins anew", path, error)
    return Entries(date.today().isoformat())


def reset(path: Path) -> None:
    """Begin anew.

    Raises:
        UsageError: the file cannot be removed.
    """
    try:
        with FileLock(f"{path}.lock", timeout=_LOCK_SECONDS):
            path.unlink(missing_ok=True)
    except (OSError, Timeout) as error:
        if path.exists():
            raise UsageError(f"{path} cannot be removed ({error})", "Try again, or remove it.") from error


class Ledger:
    """What one server has counted and not written yet.

    Args:
        path: of the file, which is made on first use; None where nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._new: Counts = {}

    def note(self, language: str, column: str, count: int = 1) -> None:
        """Count something."""
        assert column in COLUMNS, column
        self._new.setdefault(language or "plaintext", Counter())[column] += count

    def write(self) -> None:
        """Add what is new to the file. Where another server holds it, or it cannot be written, that waits."""
        if self._path is None or not self._new:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=_LOCK_SECONDS):
                held = read(self._path)
                for language, counts in self._new.items():
                    known = language in held.counts or len(held.counts) < MOST_LANGUAGES
                    held.counts.setdefault(language if known else OTHERS, Counter()).update(counts)
                _replace(self._path, held)
        except (OSError, Timeout) as error:
            log.info("the counts of suggestions were not written: %s", error)
        else:
            self._new = {}


def _replace(path: Path, held: Entries) -> None:
    told = {
        "schema": SCHEMA,
        "since": held.since,
        "languages": {language: dict(held.counts[language]) for language in sorted(held.counts)},
    }
    written = path.with_suffix(f".{os.getpid()}.part")
    written.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    written.replace(path)
