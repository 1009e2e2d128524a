"""Types that were added to a Python file to those that a type checker takes, where one is installed.

mypy reads the new text in place of the file (``--shadow-file``), so nothing is written beside it. It is run
without the project's configuration, which could name plugins, and is not looked for in the working directory:
no code of the project runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from engine.edits import TextEdit, apply, smallest_edits
from engine.errors import UsageError
from engine.languages import by_id
from engine.syntax import parse
from engine.text import Document, LineIndex, encode

MAX_ROUNDS = 4
MAX_SECONDS = 120

_COMPLAINT = re.compile(r"^(?P<file>.+?):(?P<line>\d+): error: (?P<said>.*)$", re.MULTILINE)
_FUNCTIONS = frozenset({"function_definition", "class_definition"})


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checker leaves of a new text.

    Attributes:
        text: the new text without what it complains of.
        note: what the user should know of it; None where it complains of nothing new.
    """

    text: str
    note: str | None


def checked(file: Path, document: Document, new: str) -> Checked:
    """Take out of a new text the changes that make the checker complain where it did not before.

    Args:
        file: the file on the disk, still as it was read.
        document: what was read from it.
        new: its text with types.

    Raises:
        UsageError: there is no checker, or it did not run.
    """
    command = _command()
    with tempfile.TemporaryDirectory(prefix="unmask-types-") as folder:
        before = Counter(said for _, said in _complaints(command, file, document, document.text, folder))
        edits = list(smallest_edits(document.text, new))
        n_edits = len(edits)
        for _ in range(MAX_ROUNDS):
            text = apply(document.text, edits)
            if not edits:
                break
            lines = _new(_complaints(command, file, document, text, folder), before)
            if not lines:
                break
            edits = _without(text, edits, lines)
        else:
            edits, text = [], document.text
    left_out = n_edits - len(edits)
    note = f"{left_out} of {n_edits} changes are left out: mypy complains of them" if left_out else None
    return Checked(text, note)


def _command() -> list[str]:
    """How mypy is started.

    Raises:
        UsageError: it is not installed.
    """
    if find_spec("mypy") is not None:
        return [sys.executable, "-I", "-m", "mypy"]
    found = shutil.which("mypy")
    if found is None or Path(found).resolve().parent == Path.cwd().resolve():
        raise UsageError("--check needs mypy", "Install it, or leave --check out.")
    return [found]


def _complaints(
    command: Sequence[str], file: Path, document: Document, text: str, folder: str
) -> list[tuple[int, str]]:
    """Lines, from 0, and messages of what the checker finds wrong with a text in place of a file."""
    shadow = Path(folder) / "shadow.py"
    shadow.write_bytes(encode(document, text))
    options = (
        *("--config-file", "", "--no-error-summary", "--no-color-output", "--no-pretty"),
        *("--follow-imports", "silent", "--ignore-missing-imports", "--check-untyped-defs"),
        *("--cache-dir", str(Path(folder) / "cache"), "--shadow-file", str(file), str(shadow)),
    )
    try:
        done = subprocess.run(
            [*command, *options, str(file)],
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"mypy did not run ({error})", "Leave --check out.") from error
    if done.returncode not in (0, 1):
        said = (done.stdout + done.stderr).strip().splitlines()
        raise UsageError(f"mypy did not run ({said[-1] if said else done.returncode})", "Leave --check out.")
    name = os.path.normcase(file.name)
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


def _without(text: str, edits: Sequence[TextEdit], lines: Sequence[int]) -> list[TextEdit]:
    """The edits without those on some lines of the new text, or else in the signatures around them."""
    index = LineIndex(text)
    starts: list[int] = []
    shift = 0
    for edit in edits:
        starts.append(index.position(edit.span.start_char + shift)[0])
        shift += len(edit.new_text) - (edit.span.end_char - edit.span.start_char)
    kept = [edit for edit, line in zip(edits, starts, strict=True) if line not in lines]
    if len(kept) < len(edits):
        return kept
    around = {row for line in lines for row in _signature_rows(text, index, line)}
    kept = [edit for edit, line in zip(edits, starts, strict=True) if line not in around]
    return kept if len(kept) < len(edits) else []


def _signature_rows(text: str, index: LineIndex, line: int) -> range:
    """The rows of the signature of the innermost definition around a line."""
    syntax = parse(text, by_id("python"))
    span = index.line_span(line)
    code = text[span.start_char : span.end_char]
    path = () if syntax is None else syntax.path(span.start_char + len(code) - len(code.lstrip()))
    for node in reversed(path):
        body = node.child_by_field_name("body")
        if node.type in _FUNCTIONS and body is not None:
            return range(node.start_point.row, body.start_point.row + 1)
    return range(0)
