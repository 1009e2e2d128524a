"""The places of a name to why they may not be all of them, or be another's; None where they are sure.

What a syntax tree does not settle, by language: the tokens of macros, strings that are read as code, bodies
of classes, and C++, where a variable may look like a type or like a member.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.syntax import Syntax, walk
from engine.scopes import cpp_names, python_names, rust_names

if TYPE_CHECKING:
    from tree_sitter import Node

Bound = dict[int, list[tuple["Node", str]]]
"""By the id of a scope the places in it that bind a name, each with what they bind."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a name stands, and what it means there.

    Attributes:
        name: the name.
        scope: the one that binds it.
        nodes: where it means what is bound there.
        free: where it is read, whatever it means.
        bound: where it is bound, by scope, this one and others.
        scopes: those, by id.
        meant: the id of the scope that one of the free places means.
        seen_from: the id of the scope that the name would mean at a node.
    """

    name: str
    scope: Node
    nodes: Sequence[Node]
    free: Sequence[Node]
    bound: Bound
    scopes: Mapping[int, Node]
    meant: Callable[[Node], int | None]
    seen_from: Callable[[Node], int | None]


def doubt(syntax: Syntax, text: str, places: Places) -> str | None:
    """Why a name cannot be followed, to be read behind it; None where it can be.

    Args:
        syntax: of the text.
        text: the whole file.
        places: of the name.
    """
    if syntax.language.id == "rust":
        return _in_rust(text, places)
    if syntax.language.id == "python":
        return _in_python(syntax.root, places)
    return _in_cpp(syntax.root, places) if syntax.language.id == "cpp" else None


def _in_rust(text: str, places: Places) -> str | None:
    if any(map(rust_names.is_doubtful, places.nodes)):
        return "stands in a macro where it may be something else"
    is_item = places.scope.type in ("source_file", "mod_item")
    if is_item and rust_names.is_told(places.name, text):
        return "stands in the text of an attribute"
    imports = (node for nodes in places.bound.values() for node, kind in nodes if kind == "import")
    if any(node not in places.nodes and rust_names.module_of(node) == places.scope for node in imports):
        return "is imported by a module of this file"
    return None


def _in_python(root: Node, places: Places) -> str | None:
    for string in python_names.texts_of_annotations(root):
        if python_names.says(string, places.name) and places.seen_from(string) == places.scope.id:
            return "stands in the text of an annotation"
    for key, nodes in places.bound.items():
        owner = places.scopes[key]
        if owner.type == "class_definition" and places.seen_from(owner) == places.scope.id:
            known = [python_names.bound_from(owner, node) for node, _ in nodes]
            start = min((at for at in known if at is not None), default=owner.end_byte)
            if any(node.start_byte < start and places.meant(node) == key for node in places.free):
                return "is used where it is being bound"
    return None


def _in_cpp(root: Node, places: Places) -> str | None:
    name = places.name.encode()
    leaves = [leaf for leaf in walk(root) if not leaf.child_count and leaf.text == name]
    for leaf in leaves:
        if cpp_names.may_be_value(leaf) and places.seen_from(leaf) == places.scope.id:
            return "stands where a type may be meant"
        if cpp_names.path_of(leaf) and cpp_names.is_reached(places.scope, places.nodes, leaf):
            return "is named by a path"
    in_method = any(cpp_names.is_in_method(node, places.scope) for node in places.nodes)
    return "is the name of a member as well" if in_method and any(map(cpp_names.is_member, leaves)) else None
