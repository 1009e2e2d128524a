"""A long stretch of a text to parts that can be worked on one after another, cut where items begin.

Items are what stands at the top of the file; of one that is too long itself, what it holds: methods,
statements, entries. Prose is cut between paragraphs. Knows no task.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.code.languages import Language
from engine.code.syntax import Syntax, parse
from engine.code.text import line_start
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_LEADS = frozenset({"attribute_item", "decorator", "annotation", "marker_annotation"})
_DEFINES = (
    *("function", "method", "class", "decorated", "struct", "impl", "interface", "enum", "trait"),
    *("export", "type_declaration", "type_alias", "template", "namespace", "module", "mod_item"),
)
_FENCE = re.compile(r"^ {0,3}(?:`{3,}|~{3,})", re.MULTILINE)
_BLANK_LINES = re.compile(r"(?:\r\n|\r|\n)[ \t]*(?:\r\n|\r|\n)\s*?(?=[^\s])")


def split(text: str, span: Span, language: Language, max_chars: int, *, deep: bool = True) -> list[Span]:
    """Parts of a span, in order and without gaps, each no longer than asked where that can be.

    Args:
        text: the whole text.
        span: what is cut.
        language: of the text.
        max_chars: neighbouring items are put together up to this length, in characters.
        deep: whether an item that is longer is cut itself; where not, definitions are kept apart from what
            else stands among them.
    """
    if span.end_char - span.start_char <= max_chars:
        return [span]
    syntax = parse(text, language)
    if syntax is None:
        return _packed(span, _paragraphs(text, span), max_chars)
    return _split_node(text, syntax, syntax.root, span, max_chars, deep)


def _split_node(text: str, syntax: Syntax, node: Node, span: Span, max_chars: int, deep: bool) -> list[Span]:
    holder: Node | None = node
    starts: list[int] = []
    while holder is not None:
        items = _item_starts(text, syntax, holder)
        starts = [at for at in items if span.start_char < at < span.end_char]
        if (starts and len(items) > 1) or not deep:
            break
        holder = _largest(holder)
    kinds = [] if deep or holder is None else _turns(text, syntax, holder, span)
    found: list[Span] = []
    for part in _packed(span, starts, max_chars, kinds):
        inner = None
        if deep and holder is not None and part.end_char - part.start_char > max_chars:
            inner = _item_in(syntax, holder, part)
        found += [part] if inner is None else _split_node(text, syntax, inner, part, max_chars, deep)
    return found


def _item_starts(text: str, syntax: Syntax, node: Node) -> list[int]:
    """Where the items of a node start, in characters."""
    return [start_char for start_char, _ in _items(text, syntax, node)]


def _items(text: str, syntax: Syntax, node: Node) -> list[tuple[int, Node]]:
    """The items of a node: those that begin a line, with their starts, comments and the like included."""
    items: list[tuple[int, Node]] = []
    above: Node | None = None
    for child in node.named_children:
        attached = (
            above is not None
            and (above.type in _LEADS or "comment" in above.type)
            and child.start_point.row - above.end_point.row <= 1
        )
        above = child
        if attached:
            if items and ("comment" in items[-1][1].type or items[-1][1].type in _LEADS):
                items[-1] = (items[-1][0], child)
            continue
        start_char = syntax.utf8.byte_to_char(child.start_byte)
        first = line_start(text, start_char)
        if not text[first:start_char].strip():
            items.append((first, child))
    return items


def _turns(text: str, syntax: Syntax, node: Node, span: Span) -> list[int]:
    """The starts of items, in characters, at which definitions begin or end to follow one another."""
    found: list[int] = []
    defines: bool | None = None
    for start_char, item in _items(text, syntax, node):
        if not span.start_char <= start_char < span.end_char:
            continue
        now = any(kind in item.type for kind in _DEFINES)
        if defines is not None and now != defines:
            found.append(start_char)
        defines = now
    return found


def _item_in(syntax: Syntax, holder: Node, part: Span) -> Node | None:
    """The item of a holder that most of a part is."""
    start_byte = syntax.utf8.char_to_byte(part.start_char)
    end_byte = syntax.utf8.char_to_byte(part.end_char)
    inside = [
        child
        for child in holder.named_children
        if child.start_byte < end_byte and child.end_byte > start_byte and child.named_child_count
    ]
    return max(inside, key=_size, default=None)


def _largest(node: Node) -> Node | None:
    return max((child for child in node.named_children if child.named_child_count), key=_size, default=None)


def _size(node: Node) -> int:
    return node.end_byte - node.start_byte


def _packed(span: Span, starts: Sequence[int], max_chars: int, apart: Sequence[int] = ()) -> list[Span]:
    """Stretches between some starts, neighbours together while they are not too long or to be kept apart."""
    cuts = sorted({span.start_char, *starts, span.end_char})
    cuts = cuts[bisect_left(cuts, span.start_char) :]
    found: list[Span] = []
    at_char = span.start_char
    for here, following in zip(cuts[1:], [*cuts[2:], None], strict=True):
        if following is None or following - at_char > max_chars or here in apart:
            found.append(Span(at_char, here))
            at_char = here
    return found


def _paragraphs(text: str, span: Span) -> list[int]:
    """Where paragraphs start, in characters, none of them inside a fenced block."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    starts = [match.end() for match in _BLANK_LINES.finditer(text, span.start_char, span.end_char)]
    return [at for at in starts if bisect_left(fences, at) % 2 == 0]
