"""A text to its syntax tree, bounded and remembered: the one place that runs a parser.

``Trials`` answers the same of many small edits of one text, by parsing only what an edit touches.

Knows nothing of holes and fills. Texts too large or too odd to parse have no tree; broken code never raises.
"""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from engine.code.languages import Language, grammar_of
from engine.code.text import Utf8
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node, Query, Tree

MAX_CHARS = 1_000_000
MAX_SECONDS = 0.5
# Error recovery is quadratic and worse on one endless line of rubbish; lines people write are shorter.
MAX_LINE_CHARS = 5_000

_TOO_LONG_LINE = re.compile(rf"[^\r\n]{{{MAX_LINE_CHARS + 1}}}")
_READ_BYTES = 1 << 16
_REMEMBERED = 6
RETRY_SECONDS = 5.0
"""A text that was not parsed in time is tried again after so long, and not at every question about it."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """A parsed text: its tree, counted in bytes, and the way between bytes and characters."""

    tree: Tree
    utf8: Utf8
    language: Language

    @property
    def root(self) -> Node:
        """The whole text's node."""
        return self.tree.root_node

    def path(self, char_offset: int) -> tuple[Node, ...]:
        """The nodes that hold the character at an offset, from the root down."""
        byte = self.utf8.char_to_byte(char_offset)
        cursor = self.tree.walk()
        nodes: list[Node] = []
        while cursor.node is not None and cursor.node.start_byte <= byte < cursor.node.end_byte:
            nodes.append(cursor.node)
            if cursor.goto_first_child_for_byte(byte) is None:
                break
        return tuple(nodes)

    def matches(self, start_char: int, end_char: int) -> list[dict[str, list[Node]]]:
        """The captures of every match of the language's query that touches a range, by capture name."""
        import tree_sitter  # noqa: PLC0415 - loaded when a text is first parsed

        query = _query(self.language)
        if query is None:
            return []
        cursor = tree_sitter.QueryCursor(query)
        cursor.set_byte_range(self.utf8.char_to_byte(start_char), self.utf8.char_to_byte(end_char))
        return [captures for _, captures in cursor.matches(self.root)]


def parse(text: str, language: Language) -> Syntax | None:
    """The syntax of a text; the last few are remembered.

    Returns:
        None where the language has no grammar, and where the text is over ``MAX_CHARS``, has a line over
        ``MAX_LINE_CHARS`` or takes over ``MAX_SECONDS``.
    """
    if language.grammar is None or len(text) > MAX_CHARS:
        return None
    return _memory.get(text, language)


def error_count(text: str, language: Language) -> int:
    """Number of places the grammar could not read: ERROR and MISSING nodes; 0 where it is not parsed."""
    syntax = parse(text, language)
    return 0 if syntax is None else _count_errors(syntax.root)


def parses_worse(new: str, old: str, language: Language) -> bool:
    """Whether a text has more errors than another; False where one of them is not parsed."""
    if parse(new, language) is None or parse(old, language) is None:
        return False
    return error_count(new, language) > error_count(old, language)


def has_error(text: str, language: Language) -> bool:
    """Whether the grammar could not read some place."""
    syntax = parse(text, language)
    # What is missing may be no node, as the line's end behind a directive of C that ends the file.
    return syntax is not None and syntax.root.has_error and any(True for _ in _errors(syntax.root))


def error_spans(text: str, language: Language) -> tuple[Span, ...]:
    """Where the grammar could not read: ERROR and MISSING nodes in order, of nested ones all.

    A missing token's span is empty.
    """
    syntax = parse(text, language)
    if syntax is None:
        return ()
    return tuple(
        Span(syntax.utf8.byte_to_char(node.start_byte), syntax.utf8.byte_to_char(node.end_byte))
        for node in sorted(_errors(syntax.root), key=lambda node: (node.start_byte, -node.end_byte))
    )


def walk(root: Node) -> Iterator[Node]:
    """A node and everything in it, in reading order."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def text_of(node: Node | None) -> str:
    """What a node says; nothing where there is none."""
    return "" if node is None else (node.text or b"").decode("utf-8", "replace")


class Trials:
    """What small edits would do to a parsed text. One thread at a time.

    Args:
        syntax: the text as it is.
    """

    def __init__(self, syntax: Syntax) -> None:
        import tree_sitter  # noqa: PLC0415 - loaded when a text is first parsed

        grammar = grammar_of(syntax.language)
        assert grammar is not None, "it was parsed"
        self._parser = tree_sitter.Parser(grammar)
        self._syntax = syntax
        self._line_starts = [0, *(match.end() for match in re.finditer(rb"\n", syntax.utf8.data))]

    def error_count(self, span: Span, new_text: str) -> int:
        """Number of places the grammar could not read if ``new_text`` stood in place of a span."""
        utf8 = self._syntax.utf8
        start_byte, end_byte = utf8.char_to_byte(span.start_char), utf8.char_to_byte(span.end_char)
        inserted = new_text.encode("utf-8", "surrogatepass")
        tree = self._syntax.tree.copy()
        start_row, start_column = self._point(start_byte)
        n_lines = inserted.count(b"\n")
        last_line = len(inserted) - (inserted.rfind(b"\n") + 1)
        new_end = (start_row + n_lines, last_line if n_lines else start_column + len(inserted))
        tree.edit(
            start_byte,
            end_byte,
            start_byte + len(inserted),
            (start_row, start_column),
            self._point(end_byte),
            new_end,
        )
        root = self._parser.parse(utf8.data[:start_byte] + inserted + utf8.data[end_byte:], tree).root_node
        return _count_errors(root) if root.has_error else 0

    def _point(self, at_byte: int) -> tuple[int, int]:
        row = bisect_right(self._line_starts, at_byte) - 1
        return row, at_byte - self._line_starts[row]


def _count_errors(root: Node) -> int:
    return sum(1 for _ in _errors(root))


def _errors(root: Node) -> Iterator[Node]:
    open_nodes = [root]
    while open_nodes:
        node = open_nodes.pop()
        if node.is_error or node.is_missing:
            yield node
        open_nodes += [child for child in node.children if child.has_error]


class _Memory:
    """The last few parses, shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[Syntax | None, float]] = OrderedDict()

    def get(self, text: str, language: Language) -> Syntax | None:
        key = (language.id, text)
        with self._lock:
            syntax, retry_at = self._kept.get(key, (None, 0.0))
            if syntax is not None or time.monotonic() < retry_at:
                self._kept.move_to_end(key)
                return syntax
        syntax = _parse(text, language)
        with self._lock:
            self._kept[key] = syntax, time.monotonic() + RETRY_SECONDS
            self._kept.move_to_end(key)
            while len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        return syntax


_memory = _Memory()


def _parse(text: str, language: Language) -> Syntax | None:
    import tree_sitter  # noqa: PLC0415 - loaded when a text is first parsed

    grammar = grammar_of(language)
    if grammar is None or _TOO_LONG_LINE.search(text):
        return None
    utf8 = Utf8(text)
    data = utf8.data
    until = time.monotonic() + MAX_SECONDS
    read: list[bytearray] = []

    def chunk(start_byte: int, _point: object) -> bytearray:
        read.append(bytearray(data[start_byte : start_byte + _READ_BYTES]))
        return read[-1]

    parser = tree_sitter.Parser(grammar)
    try:
        # True stops the parser. It takes no notice of that when it is given bytes.
        tree = parser.parse(chunk, progress_callback=lambda _offset, _error: time.monotonic() > until)
        # Nothing is left to parse; but from now on the tree reads these bytes, and no more chunks.
        tree = parser.parse(data, tree)
    except ValueError:  # stopped
        return None
    finally:
        for part in read:  # tree-sitter 0.26 keeps every chunk for ever: let it keep nothing
            part.clear()
    return Syntax(tree, utf8, language)


@cache
def _query(language: Language) -> Query | None:
    import tree_sitter  # noqa: PLC0415 - loaded when a text is first parsed

    grammar = grammar_of(language)
    if grammar is None or not language.queries:
        return None
    folder = resources.files("engine") / "queries"
    sources = [(folder / f"{name}.scm").read_text(encoding="utf-8") for name in language.queries]
    return tree_sitter.Query(grammar, "\n".join(sources))
