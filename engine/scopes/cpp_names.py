"""C++: where a name may stand for a variable although the tree reads it as a type, a member or a path's end.

Goes by the syntax tree alone; what the classes of other files have is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.code.syntax import text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_CLASSES = frozenset({"class_specifier", "struct_specifier", "union_specifier"})
_NAMED = {
    **dict.fromkeys((*_CLASSES, "enum_specifier", "template_type", "qualified_identifier"), "name"),
    "type_definition": "declarator",
    "alias_declaration": "name",
}
"""Where a type is named that no variable can be, by the field."""

_DECLARATORS = frozenset(
    {"function_declarator", "pointer_declarator", "reference_declarator", "parenthesized_declarator"}
)


def may_be_value(leaf: Node) -> bool:
    """Whether a type's name may be that of a variable: ``Stream in(name);``, ``array<int, NAME>``."""
    above = leaf.parent
    if leaf.type != "type_identifier" or above is None:
        return False
    field = _NAMED.get(above.type)
    return field is None or above.child_by_field_name(field) != leaf


def path_of(leaf: Node) -> str | None:
    """The name in front of the last ``::`` before a name; empty for none there, None without a ``::``."""
    above = leaf.parent
    if above is None or above.type != "qualified_identifier" or above.child_by_field_name("name") != leaf:
        return None
    scope = above.child_by_field_name("scope")
    return text_of(scope).partition("<")[0]


def is_reached(scope: Node, nodes: Sequence[Node], leaf: Node) -> bool:
    """Whether a path that ends in a name may lead to what is bound in a scope by some of its nodes."""
    if any(node.parent is not None and node.parent.type == "enumerator" for node in nodes):
        return True
    name = scope.child_by_field_name("name") if scope.type == "namespace_definition" else None
    last = text_of(name).rpartition("::")[2] if name is not None else None
    return path_of(leaf) == last


def is_in_method(node: Node, scope: Node) -> bool:
    """Whether a place below a scope may see members of a class whose declarations are elsewhere."""
    above = node.parent
    while above is not None and above != scope:
        if above.type == "function_definition" and _is_named_by_path(above):
            return True
        if above.type in _CLASSES and any(child.type == "base_class_clause" for child in above.children):
            return True
        above = above.parent
    return False


def is_member(leaf: Node) -> bool:
    """Whether a name is that of a member where it is declared."""
    above = leaf.parent
    while above is not None and above.type.endswith("declarator"):
        above = above.parent
    if leaf.type != "field_identifier" or above is None:
        return False
    return above.type in ("field_declaration", "function_definition")


def is_apart(declarator: Node) -> bool:
    """Whether what a function takes is said where none is defined: by a declaration alone, or a type."""
    above = declarator.parent
    while above is not None and above.type in _DECLARATORS:
        above = above.parent
    return above is None or above.type not in ("function_definition", "lambda_expression")


def _is_named_by_path(function: Node) -> bool:
    node = function.child_by_field_name("declarator")
    while node is not None and node.type in _DECLARATORS:
        node = node.child_by_field_name("declarator") or node.named_children[-1]
    return node is not None and node.type == "qualified_identifier"
