"""Some statements to the variables that they declare and the code behind them uses.

Where the resolver is not sure what a name behind them means, it is taken for the variable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.code.syntax import Syntax, text_of, walk
from engine.scopes.rules import RULES
from engine.scopes.symbols import UnsureError, bindings_in, symbol_at

if TYPE_CHECKING:
    from tree_sitter import Node

_DECLARING = frozenset({"variable_declaration", "for_in_statement", "lexical_declaration", "statement_block"})
"""What says of a variable of JavaScript whether it is known in the whole function, and where that ends."""


def used_behind(syntax: Syntax, text: str, statements: Sequence[Node]) -> str | None:
    """The first name that statements of one block declare in it and that is used behind them, or None.

    Args:
        syntax: of the text.
        text: the whole file.
        statements: next to each other in one block.
    """
    end_byte = statements[-1].end_byte
    for leaf, scope in _declared(syntax, text, statements):
        try:
            start = syntax.utf8.byte_to_char(leaf.start_byte)
            symbol = symbol_at(syntax, text, start, in_file=True)
            last = symbol.occurrences[-1].span.start_char
            is_used = syntax.utf8.char_to_byte(last) >= end_byte
        except UnsureError:
            names, name = RULES[syntax.language.id].names, text_of(leaf)
            is_used = any(
                node.start_byte >= end_byte and node.type in names and text_of(node) == name
                for node in walk(scope)
            )
        if is_used:
            return text_of(leaf)
    return None


def _declared(syntax: Syntax, text: str, statements: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
    """The names that statements bind in the block that they stand in or around it, with their scopes."""
    start_byte = statements[0].start_byte
    for statement in statements:
        for leaf, scope in bindings_in(syntax, text, statement):
            if scope.start_byte < start_byte and not _is_hoisted(leaf):
                yield leaf, scope


def _is_hoisted(leaf: Node) -> bool:
    """Whether a variable is declared by ``var``."""
    node = leaf.parent
    while node is not None and node.type not in _DECLARING:
        node = node.parent
    return node is not None and any(child.type == "var" for child in node.children)
