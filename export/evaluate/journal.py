"""The answers of a run as JSON Lines: written one by one as they come, and read where a run goes on.

A line says which run it is of, so that the answers of one model are never added to those of another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from engine.denoising.schedule import Decoding
from engine.errors import UsageError
from export.evaluate.answers import Answer

Given = dict[Decoding, dict[str, Answer]]
"""By mode and name of the case, what was answered."""

Run = Mapping[str, Any]
"""What answers depend on besides the case and the mode: the model, and how it was asked."""


def read(path: Path, run: Run) -> Given:
    """The answers that a file has.

    A last line that was cut short, by a process that was killed, is taken out of the file.

    Args:
        path: the file.
        run: the run that goes on; lines that do not say what they are of are taken for its own.

    Raises:
        UsageError: it cannot be read, or a line is no answer, or is of another run.
    """
    given: Given = {}
    try:
        text = path.read_bytes().decode("utf-8", "replace")
        *lines, last = text.split("\n")
        if last and _is_json(last):
            lines.append(last)
        if last:
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be resumed ({error})", "Leave --resume out to begin anew."
        ) from error
    for number, line in enumerate(lines, 1):
        try:
            kept = json.loads(line)
            of = kept.get("of", run)
            given.setdefault(kept["mode"], {})[kept["case"]] = Answer.from_json(kept)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path} cannot be resumed: line {number} is no answer ({error})", "Take the line out."
            ) from error
        if of != dict(run):
            other = ", ".join(f"{name} {of.get(name)}" for name in run if of.get(name) != run[name])
            raise UsageError(f"{path} is of another run ({other})", "Name another file of answers.")
    return given


def write(file: TextIO, mode: Decoding, answer: Answer, run: Run) -> None:
    """Add an answer to a file."""
    print(json.dumps({"mode": mode, "of": dict(run), **answer.as_json()}), file=file, flush=True)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
