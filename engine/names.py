"""A text to the names in it that nothing defines: what a fill must not use, and what it may have to define.

Flat and forgiving: a name that is bound anywhere in the text, in whatever scope, counts as known, and so does
everything where a wildcard import could have brought it. Python alone so far; elsewhere nothing is unknown.
Knows nothing of fills and models.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.languages import Language
from engine.syntax import parse

if TYPE_CHECKING:
    from tree_sitter import Node

_ALWAYS = frozenset(dir(builtins)) | {
    *("__file__", "__name__", "__doc__", "__package__", "__path__", "__spec__", "__class__", "__builtins__"),
    *("_", "match", "case", "type", "print", "exec"),
}
_BINDING_FIELDS = {
    "assignment": ("left",),
    "augmented_assignment": (),
    "named_expression": ("name",),
    "for_statement": ("left",),
    "for_in_clause": ("left",),
    "function_definition": ("name",),
    "class_definition": ("name",),
    "aliased_import": ("alias",),
    "default_parameter": ("name",),
    "typed_default_parameter": ("name",),
    "type_alias_statement": ("left",),
}
"""Fields whose identifiers a node binds."""
_BINDING_NODES = frozenset(
    {
        *("parameters", "lambda_parameters", "list_splat_pattern", "dictionary_splat_pattern"),
        *("typed_parameter", "as_pattern_target", "global_statement", "nonlocal_statement"),
        *("case_pattern", "splat_pattern", "type_parameter", "keyword_pattern"),
    }
)
"""Nodes whose direct identifiers are bound."""
_PATTERNS = frozenset(
    {
        *("pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern"),
        *("parenthesized_expression", "tuple", "list"),
    }
)


def unresolved(text: str, language: Language) -> frozenset[str]:
    """Names that are used in a text and bound nowhere in it; empty where that cannot be told."""
    if language.id != "python":
        return frozenset()
    syntax = parse(text, language)
    if syntax is None:
        return frozenset()
    used: set[str] = set()
    bound: set[str] = set()
    for node in _nodes(syntax.root):
        kind = node.type
        if kind == "wildcard_import":
            return frozenset()
        if kind in ("import_statement", "import_from_statement"):
            bound.update(_imported(node))
        for name in _BINDING_FIELDS.get(kind, ()):
            if (field := node.child_by_field_name(name)) is not None:
                bound.update(_targets(field))
        if kind in _BINDING_NODES:
            bound.update(_targets(node))
        if kind == "as_pattern" and node.named_children[-1].type == "identifier":
            bound.add(_text(node.named_children[-1]))
        if kind == "identifier" and _is_use(node):
            used.add(_text(node))
    return frozenset(used - bound - _ALWAYS)


def _nodes(root: Node) -> Iterator[Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children)


def _imported(node: Node) -> Iterator[str]:
    """What an import binds without an alias: the first part of a module, or the names taken from one."""
    module = node.child_by_field_name("module_name")
    for child in node.children_by_field_name("name"):
        if child.type == "dotted_name" and child != module:
            yield _text(child.named_children[0])


def _targets(node: Node) -> Iterator[str]:
    """The identifiers that a target or a list of parameters binds."""
    if node.type == "identifier":
        yield _text(node)
    elif node.type == "dotted_name" and node.named_child_count == 1:
        yield _text(node.named_children[0])
    children = node.named_children
    for child in children if node.type in _PATTERNS or node.type in _BINDING_NODES else ():
        if child.type in ("identifier", "dotted_name") or child.type in _PATTERNS:
            yield from _targets(child)


def _is_use(node: Node) -> bool:
    """Whether an identifier is read by its own name: no attribute, no keyword of a call."""
    parent = node.parent
    if parent is None or parent.type == "ERROR":
        return False
    if parent.type == "attribute":
        return parent.child_by_field_name("object") == node
    if parent.type == "keyword_argument":
        return parent.child_by_field_name("value") == node
    return parent.type not in ("dotted_name", "import_statement", "import_from_statement", "aliased_import")


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", errors="replace")
