"""How a text is indented, and lines whose indentation cannot be right where it makes the blocks.

Pure functions of text. Grammars for editors forgive what is wrong: tree-sitter's Python takes a block that is
missing, or that nothing opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from engine.code.brackets import pieces
from engine.code.languages import BlockStyle, Language
from engine.code.text import indent_of, line_start, split_lines

_BLANK = re.compile(r"[ \t]*")


def indent_at(text: str, at_char: int) -> str:
    """The white space in front of the line of an offset."""
    found = _BLANK.match(text, line_start(text, max(at_char, 0)))
    return found[0] if found is not None else ""


def step_of(text: str) -> str:
    """What one level of indentation is in a text: the smallest there is, four spaces where there is none."""
    return min(_indents(text), key=len, default="    ")


def _indents(text: str) -> Iterator[str]:
    for line in split_lines(text):
        blank = line[: len(line) - len(line.lstrip(" \t"))]
        is_code = line.strip() and not line.lstrip().startswith("*")
        if is_code and blank and (blank[0] == "\t" or len(blank) > 1):
            yield "\t" if blank[0] == "\t" else blank


def indentation_faults(text: str, language: Language) -> int:
    """How many lines are further in than they may be, not as far in as they must be, or at no known level."""
    if language.block is not BlockStyle.COLON:
        return 0
    faults = 0
    levels, opened = [0], False
    for indent, opens in _code_lines(text, language):
        if opened and indent <= levels[-1]:
            faults += 1  # nothing is in the block
        elif indent > levels[-1]:
            faults += not opened
            levels.append(indent)
        while indent < levels[-1]:
            levels.pop()
        if indent != levels[-1]:
            faults += 1
            levels.append(indent)
        opened = opens
    return faults + opened


def _code_lines(text: str, language: Language) -> list[tuple[int, bool]]:
    """Each line that begins a line of code: its indentation, and whether it opens a block."""
    lines = split_lines(text)
    starts = [0, *accumulate(map(len, lines))]
    inside = [False] * len(lines)  # whether a line begins within a bracket or a string
    bare = list(text)  # the text without comments
    depth = row = 0
    for kind, start_char, end_char in pieces(text, language):
        while starts[row + 1] <= start_char:
            row += 1
            inside[row] = depth > 0
        if kind == "#":
            bare[start_char:end_char] = " " * (end_char - start_char)
        elif kind == '"':
            while starts[row + 1] < end_char:
                row += 1
                inside[row] = True
        else:
            depth = max(depth + (1 if kind in "([{" else -1), 0)
    for later in range(row + 1, len(lines)):
        inside[later] = depth > 0
    found: list[tuple[int, bool]] = []
    joined = False
    for at, line in enumerate(lines):
        code = "".join(bare[starts[at] : starts[at + 1]]).rstrip()
        if code and not inside[at] and not joined:
            found.append((indent_of(line), code.endswith(":")))
        elif code and found:  # the rest of a line of code that goes over several lines
            found[-1] = (found[-1][0], code.endswith(":"))
        joined = code.endswith("\\")
    return found
