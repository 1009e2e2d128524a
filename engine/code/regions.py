"""What of a text may change and what around it matters: holes, placeholders, a cursor's shape, landmarks.

Asks the syntax tree where there is one and goes by lines and indentation where there is none. Knows nothing
of models, tokens and editors; all offsets are characters.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import accumulate
from pathlib import PurePath
from typing import TYPE_CHECKING

from engine.code.brackets import ends_in_string, pieces, unmatched
from engine.code.languages import BlockStyle, Language
from engine.code.placeholders import Placeholders
from engine.code.syntax import Syntax, parse
from engine.code.text import LineIndex, indent_of, line_end, line_start, split_lines
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = [
    "DefinitionAround",
    "Shape",
    "cut",
    "end_of_statement",
    "hole_spans",
    "is_secret_path",
    "join",
    "landmarks",
    "placeholder_spans",
    "shape_at",
]

HOLE = "<hole>"

_INTERPOLATIONS = frozenset(
    {"interpolation", "template_substitution", "command_substitution", "expansion", "jsx_expression"}
)
_LITERALS = frozenset(
    {
        "char_literal",
        "character_literal",
        "rune_literal",
        "regex",
        "heredoc_body",
        "heredoc",
        "nowdoc",
        "text_block",
    }
)
_DEFINITION = re.compile(r"\s*(?:async\s+def|def|class)\b")
# Nodes whose colon opens no block.
_OTHER_COLONS = frozenset(
    {
        "pair",
        "slice",
        "lambda",
        "typed_parameter",
        "typed_default_parameter",
        "dictionary",
        "format_specifier",
    }
)
_BEFORE_DEFINITIONS = frozenset({"attribute_item", "decorator", "inner_attribute_item"})

_SECRET_NAMES = (
    *(".env*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "secrets*", "credentials", "credentials.*"),
    *(".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".git-credentials", ".htpasswd"),
)
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of place a cursor is at.

    Attributes:
        multi_line: a fill here may run over several lines.
        in_comment: inside a comment.
        in_string: inside a string literal, not inside code interpolated into one.
        empty_block: right behind what opens a block that has no body yet.
    """

    multi_line: bool = False
    in_comment: bool = False
    in_string: bool = False
    empty_block: bool = False


def hole_spans(text: str, marker: str = HOLE) -> tuple[Span, ...]:
    """Where ``marker`` stands in ``text``, in order."""
    return tuple(Span(match.start(), match.end()) for match in re.finditer(re.escape(marker), text))


def cut(text: str, spans: Iterable[Span]) -> tuple[str | None, ...]:
    """``text`` with each span a hole: ``text, None, text, …, text``; the spans are in order and disjoint."""
    segments: list[str | None] = []
    at_char = 0
    for span in spans:
        assert at_char <= span.start_char and span.end_char <= len(text), span
        segments += [text[at_char : span.start_char], None]
        at_char = span.end_char
    return (*segments, text[at_char:])


def join(segments: Sequence[str | None], fills: Iterable[str]) -> str:
    """The text of ``segments`` with its holes filled, in order; as many fills as holes."""
    rest = iter(fills)
    text = "".join(next(rest) if segment is None else segment for segment in segments)
    assert next(rest, None) is None, "more fills than holes"
    return text


def placeholder_spans(text: str, language: Language, within: Span | None = None) -> tuple[Span, ...]:
    """What users leave to be filled: ``<hole>`` anywhere, and the language's own, such as ``todo!()``.

    In order and disjoint; of nested ones the outer. Those that do not touch ``within`` may be left out.
    """
    found = list(hole_spans(text))
    syntax = parse(text, language)
    placeholders = Placeholders(syntax.root) if syntax else None
    start, end = (0, len(text)) if within is None else (max(within.start_char - 1, 0), within.end_char + 1)
    for captures in syntax.matches(start, min(end, len(text))) if syntax else ():
        nodes = captures.get("placeholder")
        if not syntax or not placeholders or not nodes or not placeholders.is_open(nodes[0]):
            continue
        if nodes[0].start_point.row == nodes[-1].start_point.row:
            found.append(_span(syntax, nodes[0], nodes[-1]))
    spans: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start_char, -span.end_char)):
        if not spans or span.start_char >= spans[-1].end_char:
            spans.append(span)
    return tuple(spans)


def shape_at(text: str, char_offset: int, language: Language) -> Shape:
    """What kind of place an offset is; the text is the user's, with nothing at the hole.

    Several lines are called for in an empty block and on a blank line with nothing behind it in its block;
    anywhere else, one.
    """
    char_offset = min(max(char_offset, 0), len(text))
    syntax = parse(text, language)
    before, behind = _line_around(text, char_offset)
    in_comment, in_string = _inside(syntax, text, char_offset, before, language)
    if behind.strip() or in_comment or in_string:
        return Shape(in_comment=in_comment, in_string=in_string)
    next_line = _next_line(text, char_offset + len(behind))
    empty_block = _opens_empty_block(text, char_offset, next_line, syntax, language)
    last_in_block = not before.strip() and _ends_block(indent_of(before), next_line, language)
    return Shape(multi_line=empty_block or last_in_block, empty_block=empty_block)


def landmarks(text: str, char_offset: int, language: Language) -> tuple[Span, ...]:
    """The lines before an offset worth keeping when a file is too long: imports and enclosing headers.

    Whole lines with their newlines, in order, disjoint, all before the offset's own line.
    """
    char_offset = min(max(char_offset, 0), len(text))
    before, behind = _line_around(text, char_offset)
    end_char = char_offset - len(before)
    syntax = parse(text, language)
    index = LineIndex(text)
    rows: set[int] = set()
    if syntax is not None:
        rows |= _import_rows(syntax, end_char)
        rows |= _header_rows(syntax, text, char_offset, before + behind, language)
    if syntax is None or _in_error(syntax, text, char_offset):
        rows |= _outer_rows(text, index, index.position(end_char)[0], indent_of(before + behind))
    return _row_spans(index, rows, end_char)


def end_of_statement(prefix: str, fill: str, language: Language) -> str:
    """The beginning of ``fill`` that ends where the block around the hole does; else all of it.

    Braces: through the line that closes the block. Indentation: up to the first line further out than the
    hole's. Cut at a line end; the newline stays only where the hole is at the start of a line.
    """
    lines = split_lines(fill)
    if len(lines) < 2 or language.block is BlockStyle.NONE:
        return fill
    if language.block is BlockStyle.BRACE:
        n_kept = _lines_to_brace(lines, language)
    else:
        n_kept = _lines_to_dedent(prefix, lines, language)
    if n_kept == len(lines):
        return fill
    kept = "".join(lines[:n_kept])
    return kept if prefix[-1:] in ("", "\n", "\r") else kept.rstrip("\r\n")


class DefinitionAround:
    """The definition around a hole, and where fills of the hole leave it; looked at once for all fills.

    Args:
        prefix: the text before the hole.
        suffix: the text behind it.
        language: of both.
    """

    def __init__(self, prefix: str, suffix: str, language: Language) -> None:
        self._prefix, self._suffix, self._language = prefix, suffix, language

    def kept(self, fill: str) -> str:
        """The beginning of a fill that ends where the definition does; else all of it.

        Braces: through the line that closes one brace more than the suffix leaves to be closed. Indentation:
        up to the first line that is no further in than the header of the definition that the fill's first
        line is in. Cut at a line end, without the blank lines before it.
        """
        lines = split_lines(fill)
        n_kept = len(lines)
        if len(lines) < 2:
            return fill
        if self._language.block is BlockStyle.BRACE:
            n_kept = _lines_to_brace(lines, self._language, self._n_open)
        elif self._language.block is BlockStyle.COLON:
            n_kept = self._lines_to_outer(lines)
        if n_kept == len(lines):
            return fill
        kept = "".join(lines[:n_kept])
        return kept.rstrip() + kept[len(kept.rstrip()) :][:1].replace("\r", "\r\n")

    def _lines_to_outer(self, lines: Sequence[str]) -> int:
        """How many lines there are before the first one outside the definition that they begin in."""
        hole_line, _ = _line_around(self._prefix, len(self._prefix))
        whole = (hole_line + lines[0]).strip()
        first = hole_line + lines[0] if whole else next(filter(str.strip, lines), "")
        header = next((indent for indent in self._header_indents if indent < indent_of(first)), None)
        if header is None:
            return len(lines)
        rows = _rows_of_code(hole_line, lines, self._language)
        return next((row for row in rows if indent_of(lines[row]) <= header), len(lines))

    @cached_property
    def _n_open(self) -> int:
        """How many braces before the hole the suffix does not close, none where there is no suffix."""
        if not self._suffix.strip():
            return 0
        n_open = sum(bracket == "{" for bracket, _ in unmatched(self._prefix, self._language).openers)
        n_closed = sum(bracket == "}" for bracket, _ in unmatched(self._suffix, self._language).closers)
        return max(n_open - n_closed, 0)

    @cached_property
    def _header_indents(self) -> list[int]:
        """How far the definitions of the lines above are indented, nearest first."""
        above = self._prefix[: len(self._prefix) - len(_line_around(self._prefix, len(self._prefix))[0])]
        return [indent_of(line) for line in reversed(above.splitlines()) if _DEFINITION.match(line)]


def is_secret_path(path: str | PurePath) -> bool:
    """Whether a path names a file never to be read or sent: ``.env*``, keys, ``secrets*`` and their like."""
    *folders, name = re.split(r"[\\/]", str(path).lower())
    return any(fnmatchcase(name, pattern) for pattern in _SECRET_NAMES) or not _SECRET_FOLDERS.isdisjoint(
        folders
    )


def _line_around(text: str, char_offset: int) -> tuple[str, str]:
    """The current line's text before and behind an offset, without its newline."""
    return text[line_start(text, char_offset) : char_offset], text[char_offset : line_end(text, char_offset)]


def _next_line(text: str, from_char: int) -> str | None:
    """The next line that is not blank after the line that ends at ``from_char``; None at the end."""
    found = re.compile(r"\s*[\r\n]([^\S\r\n]*\S[^\r\n]*)").match(text, from_char)
    return found[1] if found else None


def _inside(
    syntax: Syntax | None, text: str, char_offset: int, before: str, language: Language
) -> tuple[bool, bool]:
    """Whether an offset is inside a comment, and inside a string."""
    in_comment = in_string = False
    for node in syntax.path(char_offset - 1) if syntax and char_offset else ():
        if not node.is_named:
            continue
        kind = node.type
        if "comment" in kind:
            in_comment = _holds(syntax, node, text, char_offset, open_ended=True)
        elif kind in _INTERPOLATIONS:
            in_string = in_string and not _holds(syntax, node, text, char_offset)
        elif ("string" in kind or kind in _LITERALS) and kind != "concatenated_string":
            in_string = in_string or _holds(syntax, node, text, char_offset)
    unsure = syntax is None or syntax.root.has_error
    if unsure and not in_comment and not in_string:
        code = text[:char_offset] if "triple" in language.literals else before
        last = deque(pieces(before, language), maxlen=1)
        in_comment = bool(last) and last[0][0] == "#" and last[0][2] == len(before) > before.rfind("*/") + 2
        in_string = not in_comment and ends_in_string(code, language)
    return in_comment, in_string


def _holds(
    syntax: Syntax | None, node: Node, text: str, char_offset: int, *, open_ended: bool = False
) -> bool:
    """Whether an offset behind a node's start is still in it; a line comment goes on at its end."""
    assert syntax is not None
    end_char = syntax.utf8.byte_to_char(node.end_byte)
    if char_offset < end_char:
        return True
    return open_ended and not text.endswith(("*/", "\n", "=end"), 0, end_char)


def _opens_empty_block(
    text: str, char_offset: int, next_line: str | None, syntax: Syntax | None, language: Language
) -> bool:
    code_end = _code_end(text, char_offset, syntax)
    if not code_end:
        return False
    line, _ = _line_around(text, code_end)
    if not re.search(language.opener, line):
        return False
    if text[code_end - 1] == ":" and syntax is not None:
        path = syntax.path(code_end - 1)
        if len(path) > 1 and path[-2].type in _OTHER_COLONS:
            return False
    if next_line is None or re.match(language.closer, next_line.strip()):
        return True
    return indent_of(next_line) <= indent_of(line) and not re.match(r"\s*\{", next_line)


def _code_end(text: str, char_offset: int, syntax: Syntax | None) -> int:
    """The offset just behind the last code before an offset, white space and comments skipped."""
    end = len(text[:char_offset].rstrip())
    while end and syntax is not None:
        comment = next(
            (node for node in syntax.path(end - 1) if "comment" in node.type and node.is_named), None
        )
        if comment is None:
            break
        end = len(text[: syntax.utf8.byte_to_char(comment.start_byte)].rstrip())
    return end


def _ends_block(indent: int, next_line: str | None, language: Language) -> bool:
    """Whether nothing follows, in its block, a blank line indented so far."""
    if next_line is None:
        return True
    head = next_line.strip()
    if head[0] in ")]" or (head[0] == "}" and language.block is BlockStyle.COLON):
        return False
    return bool(re.match(language.closer, head)) or indent_of(next_line) < indent


def _import_rows(syntax: Syntax, end_char: int) -> set[int]:
    rows: set[int] = set()
    for captures in syntax.matches(0, end_char) if end_char else ():
        for node in captures.get("import", ()):
            end_row = node.end_point.row - (
                node.end_point.column == 0 and node.end_point.row > node.start_point.row
            )
            rows.update(range(node.start_point.row, end_row + 1))
    return rows


def _header_rows(syntax: Syntax, text: str, char_offset: int, line: str, language: Language) -> set[int]:
    """The rows of the headers of the definitions around an offset.

    A block that falls back by indentation ends with its last statement; a blank line behind it belongs to it
    as far as its indentation says.
    """
    rows: set[int] = set()
    byte = syntax.utf8.char_to_byte(char_offset)
    from_char = len(text[:char_offset].rstrip())
    line_indent = indent_of(line) if line.strip() or line else None
    for captures in syntax.matches(max(from_char - 1, 0), char_offset + 1):
        if "definition" not in captures:
            continue
        definition, body = captures["definition"][0], captures["body"][0]
        inside = definition.start_byte < byte < definition.end_byte
        if not inside and language.block is BlockStyle.COLON and definition.end_byte <= byte:
            inside = line_indent is None or definition.start_point.column < line_indent
        if inside:
            rows.update(range(_first_row(definition), _last_header_row(definition, body) + 1))
    return rows


def _first_row(definition: Node) -> int:
    first = definition
    while (above := first.prev_sibling) is not None and above.type in _BEFORE_DEFINITIONS:
        first = above
    return first.start_point.row


def _last_header_row(definition: Node, body: Node) -> int:
    """The row of what opens the body: a brace on whatever line, or the line before the body."""
    before_body = body.prev_sibling
    while before_body is not None and "comment" in before_body.type:
        before_body = before_body.prev_sibling
    row = before_body.end_point.row if before_body is not None else definition.start_point.row
    opens = body.child_count and not body.children[0].is_named and body.children[0].type in "{("
    return max(row, body.start_point.row) if opens else row


def _in_error(syntax: Syntax, text: str, char_offset: int) -> bool:
    """Whether the tree around an offset cannot be relied on."""
    if not syntax.root.has_error:
        return False
    ends = (char_offset, len(text[:char_offset].rstrip()) - 1)
    return any(node.is_error for end in ends if end >= 0 for node in syntax.path(end))


def _outer_rows(text: str, index: LineIndex, row: int, indent: int) -> set[int]:
    """The rows above that are ever less indented: what encloses a line, going by indentation alone."""
    rows: set[int] = set()
    if not indent:
        return rows
    for above in range(row - 1, -1, -1):
        span = index.line_span(above)
        line = text[span.start_char : span.end_char]
        if indent_of(line) < indent and re.match(r"\s*[^\s)\]}]", line):
            rows.add(above)
            indent = indent_of(line)
            if not indent:
                break
    return rows


def _row_spans(index: LineIndex, rows: Iterable[int], end_char: int) -> tuple[Span, ...]:
    spans: list[Span] = []
    for row in sorted(rows):
        span = index.line_span(row, with_newline=True)
        if span.end_char > end_char:
            break
        if spans and spans[-1].end_char == span.start_char:
            spans[-1] = Span(spans[-1].start_char, span.end_char)
        else:
            spans.append(span)
    return tuple(spans)


def _span(syntax: Syntax, first: Node, last: Node) -> Span:
    return Span(syntax.utf8.byte_to_char(first.start_byte), syntax.utf8.byte_to_char(last.end_byte))


def _lines_to_brace(lines: Sequence[str], language: Language, n_more: int = 0) -> int:
    """How many lines there are up to and with the one that closes a brace opened before them, and n more."""
    line_ends = list(accumulate(map(len, lines)))
    depth, row = n_more, 0
    for kind, start_char, _ in pieces("".join(lines), language):
        while start_char >= line_ends[row]:
            if depth < 0:
                return row + 1
            row += 1
        depth += (kind == "{") - (kind == "}")
    return row + 1 if depth < 0 else len(lines)


def _lines_to_dedent(prefix: str, lines: Sequence[str], language: Language) -> int:
    """How many lines there are before the first one further out than the hole's, its ``end`` included."""
    hole_line, _ = _line_around(prefix, len(prefix))
    opens = bool(hole_line.strip()) and bool(re.search(language.opener, hole_line))
    base = None if opens or not hole_line else indent_of(hole_line)
    if not hole_line.strip() and lines[0].strip():
        base = indent_of(hole_line + lines[0])
    for row in _rows_of_code(hole_line, lines, language):
        indent = indent_of(lines[row])
        if base is None:
            base = indent
        if indent < base:
            word = re.match(language.closer, lines[row].strip())
            if word is None:
                return row
            if re.match(r"end|fi|done|esac|\}", word[0]):
                return row + 1
    return len(lines)


def _rows_of_code(hole_line: str, lines: Sequence[str], language: Language) -> list[int]:
    """The rows after the first that begin a line of code: not blank, not inside a bracket or a string."""
    covered: set[int] = set()
    starts = [0, *accumulate(map(len, lines))][:-1]
    depth = len(unmatched(hole_line, language).openers)
    row = 0
    for kind, start_char, end_char in pieces("".join(lines), language):
        while row + 1 < len(starts) and starts[row + 1] <= start_char:
            row += 1
            if depth > 0:
                covered.add(row)
        if kind == '"':
            covered.update(
                later for later in range(row, len(starts)) if start_char < starts[later] < end_char
            )
        depth += (kind in "([{") - (kind in ")]}")
    if depth > 0:
        covered.update(range(row + 1, len(starts)))
    return [row for row in range(1, len(lines)) if lines[row].strip() and row not in covered]
