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

_BARE = frozenset({"variable_declarator", "declaration"})
"""What declares a variable without a value, if it has none."""
_DECLARING = frozenset({"variable_declaration", "for_in_statement", "lexical_declaration", "statement_block"})
"""What says of a variable of JavaScript whether it is known in the whole function, and where that ends."""


def used_behind(
    syntax: Syntax, text: str, statements: Sequence[Node], *, hoisted: bool = False
) -> tuple[str, ...]:
    """The names that statements declare in their block, or further out, and that are used behind them.

    Args:
        syntax: of the text.
        text: the whole file.
        statements: next to each other in one block.
        hoisted: those that JavaScript's ``var`` declares, and no others; else all but those.

    Returns:
        in order; a variable of Python that was bound above, too, is not among them.
    """
    found = [
        text_of(leaf)
        for leaf, scope in _declared(syntax, text, statements)
        if _is_hoisted(leaf) == hoisted
        and _is_used_behind(syntax, text, leaf, scope, statements[-1].end_byte)
    ]
    return tuple(dict.fromkeys(found))


def left_open(syntax: Syntax, text: str, statements: Sequence[Node]) -> tuple[str, ...]:
    """The names that are declared without a value, get one in the statements and are used behind them."""
    found = []
    for statement in statements:
        for node in walk(statement):
            leaf = node.child_by_field_name("left") if node.type == "assignment_expression" else None
            if leaf is not None and leaf.type == "identifier" and _is_open(syntax, text, leaf, statements):
                found.append(text_of(leaf))
    return tuple(dict.fromkeys(found))


def _is_open(syntax: Syntax, text: str, leaf: Node, statements: Sequence[Node]) -> bool:
    """Whether what a leaf stands for has no value above some statements, and is used behind them."""
    to_char = syntax.utf8.byte_to_char
    try:
        symbol = symbol_at(syntax, text, to_char(leaf.start_byte), in_file=True)
    except UnsureError:
        return False
    start, end = to_char(statements[0].start_byte), to_char(statements[-1].end_byte)
    places = [one.span.start_char for one in symbol.occurrences]
    declared = syntax.path(places[symbol.definition])
    has_value = any(node.child_by_field_name("value") is not None for node in declared[-2:-1])
    is_alone = symbol.kind == "variable" and not has_value and declared[-2].type in _BARE
    return is_alone and sum(place < start for place in places) == 1 and places[-1] >= end


def _is_used_behind(syntax: Syntax, text: str, leaf: Node, scope: Node, end_byte: int) -> bool:
    try:
        symbol = symbol_at(syntax, text, syntax.utf8.byte_to_char(leaf.start_byte), in_file=True)
    except UnsureError:
        names, name = RULES[syntax.language.id].names, text_of(leaf)
        return any(
            node.start_byte >= end_byte and node.type in names and text_of(node) == name
            for node in walk(scope)
        )
    return syntax.utf8.char_to_byte(symbol.occurrences[-1].span.start_char) >= end_byte


def _declared(syntax: Syntax, text: str, statements: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
    """The names that statements bind in the block that they stand in or around it, with their scopes."""
    start_byte = statements[0].start_byte
    for statement in statements:
        for leaf, scope in bindings_in(syntax, text, statement):
            is_outer = scope.start_byte < start_byte or scope.parent is None
            if is_outer and not _is_bound_above(syntax, text, leaf, scope, start_byte):
                yield leaf, scope


def _is_bound_above(syntax: Syntax, text: str, leaf: Node, scope: Node, start_byte: int) -> bool:
    """Whether a scope binds the name of a leaf in front of some statements of Python, too."""
    if syntax.language.id != "python":
        return False
    above = bindings_in(syntax, text, scope, text_of(leaf))
    return any(other.start_byte < start_byte and where == scope for other, where in above)


def _is_hoisted(leaf: Node) -> bool:
    """Whether a variable is declared by ``var``."""
    node = leaf.parent
    while node is not None and node.type not in _DECLARING:
        node = node.parent
    return node is not None and any(child.type == "var" for child in node.children)
