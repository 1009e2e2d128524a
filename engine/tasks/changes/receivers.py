"""What stands before a dot to whether it is sure to be an object of one of some classes.

Python, JavaScript and TypeScript. A variable is, where every binding of it makes such an object or is
annotated as one; nothing is followed further than that.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from engine.scopes.symbols import UnsureError, symbol_at
from engine.tasks.changes.change import Source

if TYPE_CHECKING:
    from tree_sitter import Node

_TARGETS = {
    **dict.fromkeys(("assignment", "assignment_expression", "augmented_assignment"), "left"),
    **dict.fromkeys(("for_statement", "for_in_clause", "for_in_statement"), "left"),
    **dict.fromkeys(("variable_declarator", "named_expression", "default_parameter"), "name"),
    "typed_default_parameter": "name",
    **dict.fromkeys(("required_parameter", "optional_parameter"), "pattern"),
    **dict.fromkeys(("arrow_function", "catch_clause"), "parameter"),
    "assignment_pattern": "left",
}
"""Nodes that bind a name, by the field that it stands in."""

_ALL_TARGETS = frozenset(
    (
        *("parameters", "lambda_parameters", "formal_parameters", "typed_parameter", "as_pattern_target"),
        *("pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern", "dictionary_splat_pattern"),
        *("array_pattern", "object_pattern", "rest_pattern", "pair_pattern", "aliased_import"),
    )
)
_MAKES = {"call": "function", "new_expression": "constructor"}
_OR_NOTHING = re.compile(r"\s*\|\s*(?:None|undefined|null)\s*$")


def is_object_of(source: Source, receiver: Node, classes: AbstractSet[str]) -> bool:
    """Whether a node stands for an object of one of some classes, by their names."""
    if receiver.type in _MAKES:
        return _makes(source, receiver, classes)
    if receiver.type != "identifier":
        return False
    try:
        symbol = symbol_at(source.syntax, source.text, source.span(receiver).start_char, in_file=True)
    except UnsureError:
        return False
    leaves = (source.name_at(occurrence.span.start_char) for occurrence in symbol.occurrences)
    bindings = [
        found for leaf in leaves if leaf is not None and (found := _binds(source, leaf, classes)) is not None
    ]
    return bool(bindings) and all(bindings)


def _binds(source: Source, leaf: Node, classes: AbstractSet[str]) -> bool | None:
    """Whether an occurrence binds its name to such an object; None where it binds nothing."""
    node = leaf.parent
    if node is None:
        return None
    field = _TARGETS.get(node.type)
    if node.type not in _ALL_TARGETS and (field is None or node.child_by_field_name(field) != leaf):
        return None
    annotation = node.child_by_field_name("type")
    if annotation is not None:
        written = source.of(annotation).removeprefix(":").strip().strip("\"'")
        return _OR_NOTHING.sub("", written) in classes
    value = node.child_by_field_name("right") or node.child_by_field_name("value")
    if value is None:
        return None if node.type == "variable_declarator" else False
    return node.type in ("assignment", "assignment_expression", "variable_declarator") and _makes(
        source, value, classes
    )


def _makes(source: Source, node: Node, classes: AbstractSet[str]) -> bool:
    field = _MAKES.get(node.type)
    made = node.child_by_field_name(field) if field is not None else None
    return made is not None and source.of(made) in classes
