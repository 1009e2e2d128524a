"""Classes and the places that name their members: declarations, and uses on an object known to be theirs.

Python, JavaScript and TypeScript, by the syntax tree. An object is known where it is ``self`` or ``this`` in
the class itself or one derived from it, ``super`` in one derived from it, where the class is named in front
of the dot, or a variable that is sure to hold an object of it (``engine.tasks.changes.receivers``). Private
names of JavaScript are known in the body of their class, whatever the object.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from engine.code.syntax import walk
from engine.tasks.changes.change import Source
from engine.tasks.changes.receivers import is_object_of

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


def occurrences(source: Source, owner: Node, name: str, *, overrides: bool = False) -> Iterator[Node]:
    """The names of a member, declarations included, in order.

    Args:
        source: the text.
        owner: the class that declares it.
        name: of the member.
        overrides: whether what derived classes put in its place is the same member.
    """
    if name.startswith("#"):
        yield from _private(source, owner, name)
        return
    own_names = {source.of(owner.child_by_field_name("name"))} - {""}
    family = _family(source, owner, name, overrides=overrides)
    declaring = [one for one in family if one == owner or _declares(source, one, name)]
    classes = {source.of(one.child_by_field_name("name")) for one in family} - {""}
    for node in walk(source.syntax.root):
        if source.of(node) != name or node.child_count:
            continue
        if any(_declared_in_body(one, node) or _read_in_body(one, node) for one in declaring):
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
            or _is_super_of(source, receiver, classes)
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


def _private(source: Source, owner: Node, name: str) -> Iterator[Node]:
    """A private name in the body of its class, less classes inside that have such a one of their own."""
    for node in walk(owner):
        if node.type != "private_property_identifier" or source.of(node) != name:
            continue
        known_in = class_around(node)
        while known_in is not None and known_in != owner and not _declares(source, known_in, name):
            known_in = class_around(known_in)
        if known_in == owner:
            yield node


def _declares(source: Source, owner: Node, name: str) -> bool:
    """Whether the body of a class declares a member."""
    leaves = (leaf for leaf in walk(owner) if not leaf.child_count and source.of(leaf) == name)
    return any(_declared_in_body(owner, leaf) for leaf in leaves)


def _family(source: Source, owner: Node, name: str, *, overrides: bool) -> list[Node]:
    """A class and those of the file derived from it, with what overrides the member or less it."""
    family = [owner]
    names = {source.of(owner.child_by_field_name("name"))} - {""}
    for node in walk(source.syntax.root):
        is_derived = node.type in CLASSES and node != owner and names & _bases(source, node)
        if is_derived and (overrides or not _declares(source, node, name)):
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


def _is_super_of(source: Source, receiver: Node, classes: AbstractSet[str]) -> bool:
    """Whether a receiver is what the class around it is derived from, one of some classes."""
    called = receiver.child_by_field_name("function") if receiver.type == "call" else receiver
    owner = class_around(receiver)
    if called is None or owner is None or source.of(called) != "super":
        return False
    return bool(classes & _bases(source, owner))


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
