"""A selection to the whole statements of one block that it covers, and what is in them.

Goes by the syntax tree alone, in the languages of ``BLOCKS``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.indentation import indent_at, step_of
from engine.code.languages import BlockStyle
from engine.code.syntax import Syntax
from engine.code.text import line_start
from engine.tasks.handling.frame import UnfitError
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_SCRIPT_BLOCKS = frozenset({"statement_block", "program"})
BLOCKS = {
    "python": frozenset({"block", "module"}),
    "javascript": _SCRIPT_BLOCKS,
    "typescript": _SCRIPT_BLOCKS,
    "typescriptreact": _SCRIPT_BLOCKS,
    "go": frozenset({"statement_list"}),
    "rust": frozenset({"block"}),
    "java": frozenset({"block", "constructor_body"}),
    "cpp": frozenset({"compound_statement"}),
}
"""What has statements for children, in the languages in which errors are handled."""

_CALLS = frozenset(
    {"call", "call_expression", "new_expression", "method_invocation", "object_creation_expression"}
)
_LATER = re.compile(r"function|lambda|arrow|closure|func_literal|class|interface|decorated|method_definition")
"""What is run later, or is no code that runs."""
_STRING = re.compile(r"string|text_block|char_literal")
_NEWLINE = re.compile(r"[\r\n]")
_SEPARATORS = " \t\r\n\f;"


@dataclass(frozen=True, slots=True)
class Statements:
    """Whole statements next to each other on lines of their own.

    Attributes:
        nodes: the statements, at least one; a comment is none.
        block: what they stand in.
        lines: from the start of the first line to the end of the last, comments next to them included.
        indent: what the first line begins with.
        step: one level of indentation here.
    """

    nodes: tuple[Node, ...]
    block: Node
    lines: Span
    indent: str
    step: str


def selected(syntax: Syntax, text: str, selection: Span) -> Statements:
    """The statements that a selection covers; a docstring or a directive in front of them is left out.

    Raises:
        UnfitError: it covers none, or not the whole of one, or one shares its line with other code.
    """
    selection = _behind_text_at_top(syntax, text, selection)
    part = _without_comments(syntax, text, _trimmed(text, selection))
    block = _block_around(syntax, part)
    nodes = [] if block is None else [child for child in _statements(block) if _touches(syntax, child, part)]
    if block is None or not nodes:
        raise UnfitError("no whole statements are selected whose errors could be handled")
    if any(node.has_error for node in nodes):
        raise UnfitError("the selected statements do not parse: repair them first")
    code = Span(_span(syntax, nodes[0]).start_char, _span(syntax, nodes[-1]).end_char)
    if code.start_char != part.start_char or text[part.end_char : code.end_char].strip(_SEPARATORS):
        raise UnfitError("a statement is selected in part: select the whole of it")
    lines = Span(line_start(text, code.start_char), _line_end(text, code.end_char))
    if text[lines.start_char : code.start_char].strip() or not _ends_line(syntax, text, code.end_char):
        raise UnfitError("the selected statements share a line with other code: put them on their own")
    indent = indent_at(text, code.start_char)
    around = _with_comments(text, lines, _trimmed(text, selection))
    return Statements(tuple(nodes), block, around, indent, _step(syntax, text, block, indent))


def calls_in(node: Node) -> Iterator[Node]:
    """The calls that are made when a statement runs, and not later."""
    open_nodes = [node]
    while open_nodes:
        inner = open_nodes.pop()
        if _LATER.search(inner.type):
            continue
        if inner.is_named and inner.type in _CALLS:
            yield inner
        open_nodes += reversed(inner.children)


def in_string(syntax: Syntax, at_char: int) -> bool:
    """Whether the text of a string goes on at an offset."""
    at_byte = syntax.utf8.char_to_byte(at_char)
    return any(
        _STRING.search(node.type) and node.type != "concatenated_string" and node.start_byte < at_byte
        for node in syntax.path(at_char)
    )


def _trimmed(text: str, span: Span) -> Span:
    """A span without the separators at its ends."""
    said = text[span.start_char : span.end_char]
    start = span.start_char + len(said) - len(said.lstrip(_SEPARATORS))
    return Span(start, max(span.start_char + len(said.rstrip(_SEPARATORS)), start))


def _without_comments(syntax: Syntax, text: str, span: Span) -> Span:
    """A trimmed span without the comments at its ends."""
    while span.start_char < span.end_char:
        first = _comment_at(syntax, span.start_char)
        last = _comment_at(syntax, span.end_char - 1)
        if first is not None and first.start_char == span.start_char:
            span = _trimmed(text, Span(min(first.end_char, span.end_char), span.end_char))
        elif last is not None and span.start_char <= last.start_char:
            span = _trimmed(text, Span(span.start_char, last.start_char))
        else:
            break
    return span


def _with_comments(text: str, lines: Span, trimmed: Span) -> Span:
    """Lines and those of the comments beside them, which are all else that is selected."""
    start = line_start(text, trimmed.start_char)
    begins_line = not text[start : trimmed.start_char].strip()
    return Span(
        min(start, lines.start_char) if begins_line else lines.start_char,
        max(_line_end(text, trimmed.end_char), lines.end_char),
    )


def _comment_at(syntax: Syntax, at_char: int) -> Span | None:
    node = next((one for one in syntax.path(at_char) if "comment" in one.type and one.is_named), None)
    return None if node is None else _span(syntax, node)


def _block_around(syntax: Syntax, span: Span) -> Node | None:
    """The innermost block that holds a span; None for an empty span, and where there is none."""
    if span.start_char == span.end_char:
        return None
    kinds, end_byte = BLOCKS.get(syntax.language.id, frozenset()), syntax.utf8.char_to_byte(span.end_char)
    holding = [node for node in syntax.path(span.start_char) if node.end_byte >= end_byte]
    block = next((node for node in reversed(holding) if node.type in kinds), None)
    is_members = block is not None and block.parent is not None and block.parent.type == "class_definition"
    return None if is_members else block


def _behind_text_at_top(syntax: Syntax, text: str, selection: Span) -> Span:
    """A selection without the docstring, or a directive such as ``"use strict"``, that it begins with."""
    part = _without_comments(syntax, text, _trimmed(text, selection))
    block = _block_around(syntax, part)
    first = next(iter(_statements(block)), None) if block is not None else None
    if first is None or first.type != "expression_statement" or first.named_child_count != 1:
        return selection
    found = _span(syntax, first)
    if first.named_children[0].type != "string" or found.start_char != part.start_char:
        return selection
    return Span(min(found.end_char, part.end_char), selection.end_char)


def _statements(block: Node) -> list[Node]:
    return [child for child in block.named_children if "comment" not in child.type]


def _ends_line(syntax: Syntax, text: str, at_char: int) -> bool:
    """Whether nothing but a comment stands behind an offset on its line."""
    end = _line_end(text, at_char)
    rest = text[at_char:end].lstrip(_SEPARATORS)
    comment = _comment_at(syntax, end - len(rest)) if rest else None
    return not rest or (comment is not None and comment.end_char - end in (0, 1))


def _line_end(text: str, at_char: int) -> int:
    """Where the line of an offset ends, before its newline."""
    found = _NEWLINE.search(text, at_char)
    return found.start() if found is not None else len(text)


def _step(syntax: Syntax, text: str, block: Node, indent: str) -> str:
    """By how much a block is further in than what it belongs to; else one level of the text."""
    owner = block.parent if block.type in ("block", "statement_list") else block
    if owner is not None:
        span = _span(syntax, owner)
        at = span.start_char if syntax.language.block is BlockStyle.COLON else max(span.end_char - 1, 0)
        outer = indent_at(text, at)
        if len(outer) < len(indent) and indent.startswith(outer):
            return indent[len(outer) :]
    return step_of(text)


def _touches(syntax: Syntax, node: Node, span: Span) -> bool:
    found = _span(syntax, node)
    return found.start_char < span.end_char and span.start_char < found.end_char


def _span(syntax: Syntax, node: Node) -> Span:
    to_char = syntax.utf8.byte_to_char
    return Span(to_char(node.start_byte), to_char(node.end_byte))
