"""The name of a type where it is declared to all places of the file that name it.

For languages in which types have names apart from variables: TypeScript, Go, Rust and Java, by the syntax
tree. A name that is declared more than once, that a variable or a type parameter has too, or that is exported
by a list, cannot be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.code.syntax import walk
from engine.scopes.symbols import UnsureError, symbol_at
from engine.tasks.changes.change import Source

if TYPE_CHECKING:
    from tree_sitter import Node

LANGUAGES = frozenset({"typescript", "typescriptreact", "go", "rust", "java"})

_DECLARATIONS = frozenset(
    (
        *("class_declaration", "abstract_class_declaration", "interface_declaration", "enum_declaration"),
        *("type_alias_declaration", "type_spec", "type_alias", "struct_item", "enum_item", "trait_item"),
        *("type_item", "union_item", "record_declaration", "annotation_type_declaration"),
    )
)
_NAMES = frozenset({"identifier", "type_identifier"})
_PATHS = frozenset(
    (
        *("qualified_type", "scoped_type_identifier", "nested_type_identifier", "nested_identifier"),
        *("scoped_identifier", "field_access", "method_invocation", "member_expression"),
    )
)
"""Nodes in which what comes last is named in another place."""


def is_declaration(source: Source, leaf: Node) -> bool:
    """Whether a name is that of a type where it is declared."""
    above = leaf.parent
    return (
        source.syntax.language.id in LANGUAGES
        and above is not None
        and above.type in _DECLARATIONS
        and above.child_by_field_name("name") == leaf
    )


def occurrences(source: Source, leaf: Node) -> list[Node]:
    """The names of a type, its declaration included, in order.

    Raises:
        UnsureError: they cannot be told.
    """
    name = source.of(leaf)
    found = [
        node
        for node in walk(source.syntax.root)
        if node.type in _NAMES and source.of(node) == name and not _is_of_another(node)
    ]
    if sum(is_declaration(source, node) for node in found) > 1:
        raise UnsureError(f"{name} is declared more than once")
    for node in found:
        above = node.parent
        kind = "" if above is None else above.type
        if kind in (
            "type_parameter",
            "export_specifier",
            "import_specifier",
            "type_query",
            "literal_element",
        ):
            raise UnsureError(f"{name} is more than a type")
        if node.type == "identifier" and node != leaf and not _is_constructor(node):
            _check_free(source, node)
    return found


def _check_free(source: Source, node: Node) -> None:
    """Refuse an occurrence that a variable answers to.

    Raises:
        UnsureError: so it is.
    """
    try:
        symbol = symbol_at(source.syntax, source.text, source.span(node).start_char, in_file=True)
    except UnsureError:
        return
    first = source.name_at(symbol.occurrences[symbol.definition].span.start_char)
    if first is not None and not is_declaration(source, first) and not _is_constructor(first):
        raise UnsureError(f"{source.of(node)} is a variable as well")


def _is_constructor(node: Node) -> bool:
    return node.parent is not None and node.parent.type == "constructor_declaration"


def _is_of_another(node: Node) -> bool:
    """Whether a name is the last of a path, or a member's."""
    above = node.parent
    return above is not None and above.type in _PATHS and above.named_children[-1] == node
