"""Brackets of a piece of code, outside strings and comments: a rough, fast reading without a parser.

Works on any piece of a text, broken or cut anywhere, where a parser needs the whole. It does not know regular
expression literals, here documents and string interpolation; what must be right is asked of ``syntax``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from engine.code.languages import Language

_LITERALS = {
    "triple": r'"""[\s\S]*?(?:"""|\Z)|' + r"'''[\s\S]*?(?:'''|\Z)",
    "double": r'"(?:\\.|[^"\\\r\n])*"?',
    "single": r"'(?:\\.|[^'\\\r\n])*'?",
    "long_double": r'"(?:\\[\s\S]|[^"\\])*"?',
    "long_single": r"'(?:\\[\s\S]|[^'\\])*'?",
    "raw_single": r"'[^']*'?",
    "char": r"'(?:\\[^']+|[^'\\\r\n])'",
    "rust_raw": r'\br(?P<hashes>#*)"[\s\S]*?(?:"(?P=hashes)|\Z)',
    "backtick": r"`(?:\\[\s\S]|[^`\\])*`?",
    "raw_backtick": r"`[^`]*`?",
}
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Brackets without a partner, each with its offset in characters, in reading order."""

    closers: tuple[tuple[str, int], ...]
    openers: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.closers) + len(self.openers)


def pieces(code: str, language: Language) -> Iterator[tuple[str, int, int]]:
    """The brackets, strings and comments of ``code`` with start and end offsets in characters.

    A bracket is itself; a string is ``"`` and a comment is ``#``, whatever they look like.
    """
    for match in _scanner(language).finditer(code):
        kind = match.lastgroup
        yield {"comment": "#", "string": '"'}.get(kind or "", match[0]), match.start(), match.end()


def unmatched(code: str, language: Language) -> Unmatched:
    """The brackets of ``code`` that have no partner in it."""
    closers: list[tuple[str, int]] = []
    openers: list[tuple[str, int]] = []
    for kind, start_char, _ in pieces(code, language):
        if kind in _PAIRS:
            if openers and openers[-1][0] == _PAIRS[kind]:
                openers.pop()
            else:
                closers.append((kind, start_char))
        elif kind in "([{":
            openers.append((kind, start_char))
    return Unmatched(tuple(closers), tuple(openers))


def outside_strings(code: str, quotes: str) -> Iterator[tuple[int, str]]:
    """The characters of any language's code outside strings, each with its offset.

    A string ends at the quote that began it, unless a backslash stands before that one.
    """
    quote, escaped = "", False
    for at_char, char in enumerate(code):
        if not quote and char not in quotes:
            yield at_char, char
        elif escaped:
            escaped = False
        elif not quote:
            quote = char
        elif char == quote:
            quote = ""
        else:
            escaped = char == "\\"


def ends_in_string(line: str, language: Language) -> bool:
    """Whether a string literal begun in ``line`` is still open at its end."""
    last = None
    for kind, start_char, end_char in pieces(line, language):
        last = (kind, start_char, end_char)
    if last is None or last[0] != '"' or last[2] != len(line):
        return False
    literal = line[last[1] :]
    quote = literal[:3] if literal[:3] in ('"""', "'''") and "triple" in language.literals else literal[0]
    return len(literal) < 2 * len(quote) or not literal.endswith(quote) or _escaped_end(literal)


def _escaped_end(literal: str) -> bool:
    body = literal[:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


@cache
def _scanner(language: Language) -> re.Pattern[str]:
    comments = []
    if language.line_comment == "#":
        comments.append(r"(?<![^\s;({\[])#[^\r\n]*" if language.id == "shellscript" else r"#[^\r\n]*")
    elif language.line_comment:
        comments += [re.escape(language.line_comment) + r"[^\r\n]*", r"/\*[\s\S]*?(?:\*/|\Z)"]
        if language.id == "php":
            comments.append(r"#(?!\[)[^\r\n]*")
    strings = [_LITERALS[name] for name in language.literals]
    parts = [f"(?P<comment>{'|'.join(comments)})"] if comments else []
    parts += [f"(?P<string>{'|'.join(strings)})"] if strings else []
    return re.compile("|".join([*parts, r"[()\[\]{}]"]))
