"""Where the hole of a text is: what the user said (a position, a range of lines) → a span in characters.

Counts lines and columns from 1, as people do. Knows nothing of files or models.
"""

from __future__ import annotations

import re

from engine.code.text import LineIndex
from engine.errors import PositionError, UsageError
from engine.types import Span


def at(text: str, position: str) -> Span:
    """The empty span at ``LINE:COL``, both counted from 1, the column in characters.

    Raises:
        UsageError: ``position`` is not of that form.
        PositionError: it is outside the text; the message names the valid range.
    """
    match = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", position)
    if match is None:
        raise UsageError(f"--at takes LINE:COL, not {position!r}", "Give two numbers from 1, such as 12:9.")
    offset_char = LineIndex(text).offset(int(match[1]) - 1, int(match[2]) - 1)
    return Span(offset_char, offset_char)


def lines(text: str, numbers: str) -> Span:
    """What stands on lines ``A-B`` (or ``A``), counted from 1, both included.

    The indentation of the first line and the newline of the last stay.

    Raises:
        UsageError: ``numbers`` is not of that form.
        PositionError: there are no such lines; the message names the valid range.
    """
    match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", numbers)
    if match is None:
        raise UsageError(f"--lines takes A-B, not {numbers!r}", "Give line numbers from 1, such as 3-5.")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise PositionError(f"--lines {numbers} ends before it starts", "Give the smaller number first.")
    index = LineIndex(text)
    opening, closing = index.line_span(first - 1), index.line_span(last - 1)
    line = text[opening.start_char : opening.end_char]
    indent_chars = len(line) - len(line.lstrip(" \t"))
    return Span(opening.start_char + indent_chars, closing.end_char)
