r"""Filled holes as a unified diff: exact and in linear time, because what changed is known.

Lines end with ``\n`` alone here, as `patch` and `git apply` see them, whatever else is in the text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from engine.code.regions import cut, join
from engine.types import Span

CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class _Change:
    """Lines ``[old_start, old_end)`` that became lines ``[new_start, new_end)``."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def unified_diff(old: str, spans: Sequence[Span], fills: Sequence[str], name: str) -> Iterator[str]:
    """The lines of the diff between a text and that text with each span replaced; none if nothing changed.

    Args:
        old: the text.
        spans: what was replaced, in order and disjoint.
        fills: what with, one for each span.
        name: the file's name for the header.
    """
    new = join(cut(old, spans), fills)
    old_lines, new_lines = _lines(old), _lines(new)
    changes = [
        finer
        for change in _changes(old, new, spans, fills)
        for finer in _refined(change, old_lines, new_lines)
    ]
    if changes:
        # As git writes it: a tab ends a name with spaces, which others would cut there.
        told = name.lstrip("/") + ("\t" if " " in name else "")
        yield f"--- a/{told}\n"
        yield f"+++ b/{told}\n"
    for hunk in _hunks(changes):
        first, last = hunk[0], hunk[-1]
        lead = min(CONTEXT_LINES, first.old_start)
        trail = min(CONTEXT_LINES, len(old_lines) - last.old_end)
        old_range = _range(first.old_start - lead, last.old_end + trail)
        new_range = _range(first.new_start - lead, last.new_end + trail)
        yield f"@@ -{old_range} +{new_range} @@\n"
        at = first.old_start - lead
        for change in hunk:
            yield from _marked(" ", old_lines[at : change.old_start])
            yield from _marked("-", old_lines[change.old_start : change.old_end])
            yield from _marked("+", new_lines[change.new_start : change.new_end])
            at = change.old_end
        yield from _marked(" ", old_lines[at : at + trail])


def created(new: str, name: str) -> Iterator[str]:
    """The lines of the diff that makes a new file of a text."""
    lines = _lines(new)
    if lines:
        yield "--- /dev/null\n"
        yield f"+++ b/{name}\n"
        yield f"@@ -0,0 +{_range(0, len(lines))} @@\n"
        yield from _marked("+", lines)


def _lines(text: str) -> list[str]:
    pieces = text.split("\n")
    return [f"{piece}\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def _changes(old: str, new: str, spans: Sequence[Span], fills: Sequence[str]) -> list[_Change]:
    """The lines each span is on, before and after; spans that share a line are one change."""
    old_ends, new_ends = _newlines(old), _newlines(new)
    changes: list[_Change] = []
    shift_chars = 0
    for span, fill in zip(spans, fills, strict=True):
        new_start_char = span.start_char + shift_chars
        new_end_char = new_start_char + len(fill)
        shift_chars = new_end_char - span.end_char
        change = _Change(
            bisect_left(old_ends, span.start_char),
            bisect_left(old_ends, span.end_char) + 1,
            bisect_left(new_ends, new_start_char),
            bisect_left(new_ends, new_end_char) + 1,
        )
        if changes and change.old_start < changes[-1].old_end:
            before = changes.pop()
            change = _Change(before.old_start, change.old_end, before.new_start, change.new_end)
        changes.append(change)
    return changes


def _newlines(text: str) -> list[int]:
    return [at for at, char in enumerate(text) if char == "\n"]


def _refined(change: _Change, old_lines: list[str], new_lines: list[str]) -> Iterator[_Change]:
    """The parts of a change where lines differ."""
    before = old_lines[change.old_start : change.old_end]
    after = new_lines[change.new_start : change.new_end]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            yield _Change(
                change.old_start + i1, change.old_start + i2, change.new_start + j1, change.new_start + j2
            )


def _hunks(changes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Changes whose lines of context would touch, together."""
    hunk: list[_Change] = []
    for change in changes:
        if hunk and change.old_start - hunk[-1].old_end > 2 * CONTEXT_LINES:
            yield hunk
            hunk = []
        hunk.append(change)
    if hunk:
        yield hunk


def _range(start: int, end: int) -> str:
    """Lines ``[start, end)`` as a hunk's header gives them: from 1, an empty range by the line before."""
    n_lines = end - start
    if n_lines == 1:
        return str(start + 1)
    return f"{start + 1 if n_lines else start},{n_lines}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"
