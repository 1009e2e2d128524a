"""Functions of a text that are neither short nor long, for sets that ask for one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.code import syntax
from engine.code.languages import Language
from engine.code.text import line_start
from engine.types import Span

MIN_LINES, MAX_LINES = 5, 40
MAX_CHARS = 1500


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method that begins its line.

    Attributes:
        span: its whole lines up to its end, indentation included.
        body: its body, brackets included where there are any.
    """

    span: Span
    body: Span


def functions_of(text: str, language: Language) -> Iterator[Function]:
    """The functions and methods of moderate size, as they come in the text."""
    parsed = syntax.parse(text, language)
    for captures in parsed.matches(0, len(text)) if parsed else ():
        if parsed is None or "definition" not in captures:
            continue
        node, body = captures["definition"][0], captures["body"][0]
        to_char = parsed.utf8.byte_to_char
        n_lines = node.end_point.row - node.start_point.row + 1
        start = line_start(text, to_char(node.start_byte))
        end = to_char(node.end_byte)
        if (
            MIN_LINES <= n_lines <= MAX_LINES
            and end - start <= MAX_CHARS
            and not text[start : to_char(node.start_byte)].strip()
            and ("function" in node.type or "method" in node.type)
        ):
            yield Function(Span(start, end), Span(to_char(body.start_byte), to_char(body.end_byte)))
