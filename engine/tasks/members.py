"""Classes and the places that name their members: declarations, and uses on an object known to be theirs.

Python, JavaScript and TypeScript, by the syntax tree. An object is known where it is ``self`` or ``this`` in
the class itself or one derived from it, where the class is named in front of the dot, or a variable that is
sure to hold an object of it (``engine.tasks.receivers``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.tasks.change import Source
from engine.tasks.receivers import is_object_of
from engine.tasks.slots import walk

if TYPE_CHECKING:
    from tree_sitter import Node

CLASSES = frozenset({"class_definition", "class_declaration", "abstract_class_declaration", "class"})
_DECLARES = {
    "function_definition": "name",
    "method_definition": "name",
    "method_signature": "name",
    "abstract_method_signature": "name",
    "field_definition": "property",
    "public_field_definition": "name",
}
_ACCESS = {"attribute": ("object", "attribute"), "member_expression": ("object", "property")}
_ASSIGNS = frozenset({"assignment", "assignment_expression"})
_OTHER_THIS = frozenset({"function_declaration", "function_expression", "generator_function", *CLASSES})
"""What has a ``this`` of its own, beside methods."""


def class_around(node: Node) -> Node | None:
    """The innermost class that a node stands in."""
    above = node.parent
    while above is not None and above.type not in CLASSES:
        above = above.parent
    return above


def is_declaration(source: Source, leaf: Node) -> bool:
    """Whether a name declares a member: in the body of a class, or as the first assigned on ``self``."""
    owner = class_around(leaf)
    if owner is None:
        return False
    if _declared_in_body(owner, leaf):
        return True
    if not _assigned_on_own(source, leaf):
        return False
    return next(occurrences(source, owner, source.of(leaf))) == leaf


def occurrences(source: Source, owner: Node, name: str) -> Iterator[Node]:
    """The names of a member, declarations included, in order."""
    own_names = {source.of(owner.child_by_field_name("name"))} - {""}
    family = _family(source, owner, name)
    classes = {source.of(one.child_by_field_name("name")) for one in family} - {""}
    for node in walk(source.syntax.root):
        if source.of(node) != name or node.child_count:
            continue
        if any(_declared_in_body(one, node) for one in family) or _read_in_body(owner, node):
            yield node
            continue
        parent = node.parent
        if parent is None or parent.type not in _ACCESS:
            continue
        object_field, name_field = _ACCESS[parent.type]
        if parent.child_by_field_name(name_field) != node:
            continue
        receiver = parent.child_by_field_name(object_field)
        own = receiver is not None and (
            source.of(receiver) in own_names
            or _is_own(source, receiver, [one.id for one in family])
            or is_object_of(source, receiver, classes)
        )
        if own:
            yield node


def is_named(source: Source, leaf: Node, owner: Node) -> bool:
    """Whether a member is used on the class itself and not on an object of it."""
    parent = leaf.parent
    if parent is None or parent.type not in _ACCESS:
        return False
    receiver = source.of(parent.child_by_field_name(_ACCESS[parent.type][0]))
    return receiver == source.of(owner.child_by_field_name("name"))


def _family(source: Source, owner: Node, name: str) -> list[Node]:
    """A class and those of the file that are derived from it and have no such member of their own."""
    family = [owner]
    names = {source.of(owner.child_by_field_name("name"))} - {""}
    for node in walk(source.syntax.root):
        if node.type in CLASSES and node != owner and names & _bases(source, node):
            leaves = (leaf for leaf in walk(node) if source.of(leaf) == name and not leaf.child_count)
            if not any(_declared_in_body(node, leaf) for leaf in leaves):
                family.append(node)
                names.add(source.of(node.child_by_field_name("name")))
    return family


def _bases(source: Source, node: Node) -> set[str]:
    holder = node.child_by_field_name("superclasses")
    holders = [holder] if holder else [child for child in node.children if child.type == "class_heritage"]
    return {source.of(leaf) for one in holders for leaf in walk(one) if leaf.type == "identifier"}


def _declared_in_body(owner: Node, leaf: Node) -> bool:
    """Whether a name is that of a member in the body of a class itself."""
    parent = leaf.parent
    if parent is None or class_around(leaf) != owner:
        return False
    field = _DECLARES.get(parent.type)
    if field is not None and parent.child_by_field_name(field) == leaf:
        body = parent.parent
        if body is not None and body.type == "decorated_definition":
            body = body.parent
        return body == owner.child_by_field_name("body")
    if parent.type != "assignment" or parent.child_by_field_name("left") != leaf:
        return False
    statement = parent.parent
    return statement is not None and statement.parent == owner.child_by_field_name("body")


def _read_in_body(owner: Node, leaf: Node) -> bool:
    """Whether the body of a Python class itself reads a name: ``@name.setter``, ``__le__ = name``."""
    if owner.type != "class_definition" or leaf.type != "identifier":
        return False
    child, above = leaf, leaf.parent
    if above is None or any(above.child_by_field_name(field) == leaf for field in ("attribute", "name")):
        return False
    while above is not None and above != owner:
        if above.type in ("function_definition", "lambda", *CLASSES):
            return False
        child, above = above, above.parent
    return above == owner and child == owner.child_by_field_name("body")


def _assigned_on_own(source: Source, leaf: Node) -> bool:
    access = leaf.parent
    if access is None or access.type not in _ACCESS or access.parent is None:
        return False
    object_field, name_field = _ACCESS[access.type]
    receiver = access.child_by_field_name(object_field)
    return (
        access.child_by_field_name(name_field) == leaf
        and receiver is not None
        and source.of(receiver) in ("self", "cls", "this")
        and access.parent.type in _ASSIGNS
        and access.parent.child_by_field_name("left") == access
    )


def _is_own(source: Source, receiver: Node, family: list[int]) -> bool:
    """Whether a receiver is the object, or the class, of the method around it."""
    if source.of(receiver) not in ("self", "cls", "this"):
        return False
    above = receiver.parent
    if receiver.type == "this":
        while above is not None and above.type not in _OTHER_THIS:
            above = above.parent
        return above is not None and above.id in family
    owner = class_around(receiver)
    return owner is not None and owner.id in family
