"""Python: what reads a name apart from the code that the tree shows: strings, callers, bodies of classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.code.decorators import decorators_of, last_name
from engine.code.syntax import text_of, walk

if TYPE_CHECKING:
    from tree_sitter import Node

KEEPS_SIGNATURE = (
    *("staticmethod", "classmethod", "override", "abstractmethod", "cache", "lru_cache", "final"),
    *("contextmanager", "asynccontextmanager", "wraps", "deprecated"),
)
"""Decorators, by the end of their names, behind which a function is called as it is written."""

_READS_NO_NAMES = frozenset(
    (
        *(*KEEPS_SIGNATURE, "property", "cached_property", "setter", "getter", "deleter", "overload"),
        *("singledispatch", "singledispatchmethod", "no_type_check", "abstractproperty", "register"),
    )
)
"""Decorators that do not go by what the parameters are called."""

_MAY_NOT_RUN = frozenset(
    (
        *("if_statement", "for_statement", "while_statement", "try_statement", "with_statement"),
        "match_statement",
    )
)


def texts_of_annotations(root: Node) -> Iterator[Node]:
    """The strings that stand for types."""
    for node in walk(root):
        above = node.parent
        if node.type == "string" and above is not None and above.type == "type" and not _is_literal(above):
            yield node


def says(string: Node, name: str) -> bool:
    """Whether a string holds a name as a word of its own."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text_of(string)) is not None


def is_interface(function: Node) -> bool:
    """Whether something may go by what the parameters of a function are called."""
    if text_of(function.child_by_field_name("name")).startswith("test_"):
        return True
    return any(last_name(one) not in _READS_NO_NAMES for one in decorators_of(function))


def is_fixture(function: Node) -> bool:
    """Whether the parameters of other functions go by what a function is called."""
    return any(last_name(one) == "fixture" for one in decorators_of(function))


def bound_from(owner: Node, leaf: Node) -> int | None:
    """The byte from which the body of a class is sure to have bound a name; None where it never is."""
    body = owner.child_by_field_name("body")
    node: Node | None = leaf
    while node is not None and node.parent != body:
        node = node.parent
    return None if node is None or node.type in _MAY_NOT_RUN else node.end_byte


def is_first_iterable(comprehension: Node, node: Node) -> bool:
    """Whether a place in a comprehension is evaluated outside of it."""
    clause = next((child for child in comprehension.children if child.type == "for_in_clause"), None)
    value = clause.child_by_field_name("right") if clause is not None else None
    return value is not None and value.start_byte <= node.start_byte < value.end_byte


def _is_literal(node: Node) -> bool:
    """Whether a type stands among the values of ``Literal``."""
    above = node.parent
    while above is not None and above.type in ("type", "type_parameter", "generic_type"):
        if above.type == "generic_type" and text_of(above.named_children[0]).endswith("Literal"):
            return True
        above = above.parent
    return False
