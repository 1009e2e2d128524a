"""A text to the spans of code that can be filled as a whole, by kind.

What a person would select and ask for: a line, a few lines, a block, an expression, arguments, a type
annotation, a name, a comment or docstring. Asks the syntax tree; knows nothing of models and requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

from engine.code.languages import Language
from engine.code.syntax import parse
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

Kind = Literal["line", "lines", "block", "expression", "arguments", "annotation", "name", "docstring"]

KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_LINES = 8
"""The most lines of the kind ``lines``."""

_NODES: dict[str, Kind] = {
    **dict.fromkeys(("block", "statement_block", "compound_statement", "class_body"), "block"),
    **dict.fromkeys(
        (
            *("call", "call_expression", "method_invocation", "attribute", "member_expression"),
            *("binary_operator", "binary_expression", "comparison_operator", "boolean_operator"),
            *("subscript", "subscript_expression", "index_expression", "list", "array", "tuple"),
            *("dictionary", "object", "list_comprehension", "dictionary_comprehension"),
            *("generator_expression", "lambda", "arrow_function", "conditional_expression"),
            *("ternary_expression", "not_operator", "unary_expression", "string", "template_string"),
        ),
        "expression",
    ),
    **dict.fromkeys(("argument_list", "arguments"), "arguments"),
    **dict.fromkeys(("type", "predefined_type", "generic_type", "type_identifier"), "annotation"),
    **dict.fromkeys(("identifier", "property_identifier", "field_identifier"), "name"),
    **dict.fromkeys(("comment", "line_comment", "block_comment"), "docstring"),
}
_CODE_LINE = re.compile(r"[^\W\d_]")
"""A line worth filling has a letter in it: a lone bracket is none."""


def spans_of(text: str, language: Language) -> dict[Kind, list[Span]]:
    """The spans of every kind, in order of their starts; a kind a text does not have is an empty list.

    Spans of syntax come from the tree, so they nest and overlap; a language without a grammar has the
    kinds ``line`` and ``lines`` alone.
    """
    found: dict[Kind, list[Span]] = {kind: [] for kind in KINDS}
    lines = list(_code_lines(text))
    found["line"] = lines
    found["lines"] = [
        Span(first.start_char, lines[at + n - 1].end_char)
        for at, first in enumerate(lines)
        for n in (2 + at % (MAX_LINES - 1),)
        if at + n <= len(lines)
    ]
    syntax = parse(text, language)
    if syntax is None:
        return found
    to_char = syntax.utf8.byte_to_char
    for node, kind in _nodes(syntax.root):
        span = Span(to_char(node.start_byte), to_char(node.end_byte))
        if kind == "arguments":
            span = Span(span.start_char + 1, max(span.end_char - 1, span.start_char + 1))
        if text[span.start_char : span.end_char].strip():
            found[kind].append(span)
    return found


def _code_lines(text: str) -> Iterator[Span]:
    """Each line that holds code, without its indentation and its end."""
    at = 0
    for line in text.splitlines(keepends=True):
        body = line.strip()
        if _CODE_LINE.search(body):
            start = at + len(line) - len(line.lstrip())
            yield Span(start, start + len(body))
        at += len(line)


def _nodes(root: Node) -> Iterator[tuple[Node, Kind]]:
    """The nodes that are spans of a kind, in order."""
    stack = [root]
    while stack:
        node = stack.pop()
        kind = _NODES.get(node.type)
        if kind == "expression" and _is_docstring(node):
            kind = "docstring"
        if kind is not None and node.is_named:
            yield node, kind
        stack.extend(reversed(node.children))


def _is_docstring(node: Node) -> bool:
    """Whether a string is a statement by itself."""
    return node.type == "string" and node.parent is not None and node.parent.type == "expression_statement"
