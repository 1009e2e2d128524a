"""Types that were added to a Python text to those that a type checker takes, where one is installed.

mypy reads the new text in place of its file (``--shadow-file``), so nothing is written beside it; a text that
is in no file yet is a module by itself. It is run without the project's configuration, which could name
plugins, and is not looked for in the working directory: no code of the project runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from engine.code import languages
from engine.code.edits import TextEdit, apply, smallest_edits
from engine.code.text import LineIndex
from engine.errors import UsageError
from engine.tasks.imports import without_idle
from engine.types import EditResult

Encoder = Callable[[str], bytes]
"""A text as the bytes of its file."""

MAX_RUNS = 24
MAX_SECONDS = 120

_COMPLAINT = re.compile(r"^(?P<file>.+?):(?P<line>\d+): error: (?P<said>.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checker leaves of a new text.

    Attributes:
        text: the new text without what it complains of.
        note: what the user should know of it; None where it complains of nothing new.
    """

    text: str
    note: str | None

    def of(self, result: EditResult, text: str) -> EditResult:
        """A result without what was taken out of it; ``text`` is the text without any types."""
        notes = [note for note in (result.reason, self.note) if note]
        return replace(
            result,
            status="refused" if self.text == text else "ok",
            text=self.text,
            reason="; ".join(notes) or None,
        )


def is_installed() -> bool:
    """Whether there is a checker."""
    return _command() is not None


def checked(text: str, new: str, file: Path | None = None, *, encoded: Encoder = str.encode) -> Checked:
    """Take out of a new text the changes that make the checker complain where it did not before.

    Args:
        text: the text without the types.
        new: the same with them.
        file: what the text is of; None, or one that is not there, where it is in no file yet.
        encoded: makes the file's bytes of a text.

    Raises:
        UsageError: there is no checker, or it did not run.
    """
    command = _command()
    if command is None:
        raise UsageError("--check needs mypy", "Install it, or leave --check out.")
    with tempfile.TemporaryDirectory(prefix="unmask-types-") as folder:
        if file is None or not file.is_file():
            file = Path(folder) / "module.py"
            file.write_bytes(encoded(text))
        checker = _Checker(command, file, Path(folder), encoded)
        before = Counter(said for _, said in checker.complaints(text))
        edits = list(smallest_edits(text, new))

        def blamed(tried: Sequence[TextEdit]) -> list[int] | None:
            """Lines, from 0, of what is complained of anew; None where nothing is."""
            return _new(checker.complaints(apply(text, tried)), before) or None

        kept = _without_complaint(text, edits, blamed)
    left_out = len(edits) - len(kept)
    note = f"{left_out} of {len(edits)} changes are left out: mypy complains of them" if left_out else None
    return Checked(without_idle(text, apply(text, kept), languages.by_id("python")), note)


def _command() -> list[str] | None:
    """How mypy is started; None where it is not installed."""
    if find_spec("mypy") is not None:
        return [sys.executable, "-I", "-m", "mypy"]
    found = shutil.which("mypy")
    if found is None or Path(found).resolve().parent == Path.cwd().resolve():
        return None
    return [found]


@dataclass(frozen=True, slots=True)
class _Checker:
    """mypy, a file, and a folder to write to."""

    command: Sequence[str]
    file: Path
    folder: Path
    encoded: Encoder

    def complaints(self, text: str) -> list[tuple[int, str]]:
        """Lines, from 0, and messages of what is wrong with a text in place of the file."""
        shadow = self.folder / "shadow.py"
        shadow.write_bytes(self.encoded(text))
        options = (
            *("--config-file", "", "--no-error-summary", "--no-color-output", "--no-pretty"),
            *("--follow-imports", "silent", "--ignore-missing-imports", "--check-untyped-defs"),
            *("--cache-dir", str(self.folder / "cache"), "--shadow-file", str(self.file), str(shadow)),
        )
        try:
            done = subprocess.run(
                [*self.command, *options, str(self.file)],
                capture_output=True,
                text=True,
                timeout=MAX_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"mypy did not run ({error})", "Leave --check out.") from error
        if done.returncode not in (0, 1):
            said = (done.stdout + done.stderr).strip().splitlines()
            raise UsageError(
                f"mypy did not run ({said[-1] if said else done.returncode})", "Leave --check out."
            )
        name = os.path.normcase(self.file.name)
        return [
            (int(match["line"]) - 1, match["said"])
            for match in _COMPLAINT.finditer(done.stdout)
            if os.path.normcase(Path(match["file"]).name) == name
        ]


def _new(complaints: Sequence[tuple[int, str]], before: Counter[str]) -> list[int]:
    """The lines of complaints that there were not before."""
    left = Counter(before)
    lines: list[int] = []
    for line, said in complaints:
        if left[said]:
            left[said] -= 1
        else:
            lines.append(line)
    return lines


def _without_complaint(
    text: str, edits: Sequence[TextEdit], blamed: Callable[[Sequence[TextEdit]], list[int] | None]
) -> list[TextEdit]:
    """As many of the edits as go together without a complaint, in order.

    A part that is complained of is parted: edits on the lines that were named come last, and else each half
    is tried by itself. What was not tried after ``MAX_RUNS`` is left out.
    """
    kept: list[TextEdit] = []
    waiting = [list(edits)]
    for _ in range(MAX_RUNS):
        if not waiting:
            break
        part = waiting.pop(0)
        tried = sorted([*kept, *part], key=lambda edit: edit.span.start_char)
        lines = blamed(tried) if part else None
        if lines is None:
            kept = tried
        elif len(part) > 1:
            on_lines = _on_lines(text, tried, lines)
            named = [edit for edit in part if edit in on_lines]
            others = [edit for edit in part if edit not in on_lines]
            middle = len(part) // 2
            halves = [others, named] if named and others else [part[:middle], part[middle:]]
            waiting = [*halves, *waiting]
    return kept


def _on_lines(text: str, edits: Sequence[TextEdit], lines: Sequence[int]) -> list[TextEdit]:
    """The edits that begin on some lines of the new text."""
    index = LineIndex(apply(text, edits))
    found: list[TextEdit] = []
    shift = 0
    for edit in edits:
        if index.position(edit.span.start_char + shift)[0] in lines:
            found.append(edit)
        shift += len(edit.new_text) - (edit.span.end_char - edit.span.start_char)
    return found
