"""A Python text to the names that its classes bind: in a class, an annotation finds those before all others.

A class with a method ``list`` has no ``list[int]`` in the annotations of its methods. Asks the syntax tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.syntax import Syntax, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_DEFINITIONS = frozenset({"function_definition", "class_definition"})


@dataclass(frozen=True, slots=True)
class Scope:
    """The body of a class, or of a function, which finds none of its class's names.

    Attributes:
        start_byte: where it begins.
        end_byte: where it ends.
        names: what a class binds; none for a function.
    """

    start_byte: int
    end_byte: int
    names: frozenset[str]


def scopes_of(syntax: Syntax) -> tuple[Scope, ...]:
    """The bodies of all classes and functions, outer ones first."""
    found: list[Scope] = []
    stack = [syntax.root]
    while stack:
        node = stack.pop()
        stack += node.named_children
        body = node.child_by_field_name("body") if node.type in _DEFINITIONS else None
        if body is not None:
            names = frozenset(_bound(body)) if node.type == "class_definition" else frozenset[str]()
            found.append(Scope(body.start_byte, body.end_byte, names))
    return tuple(sorted(found, key=lambda scope: (scope.start_byte, -scope.end_byte)))


def bound_at(scopes: tuple[Scope, ...], at_byte: int) -> frozenset[str]:
    """The names of the class that an annotation stands in directly; none outside of classes."""
    around = [scope for scope in scopes if scope.start_byte <= at_byte < scope.end_byte]
    return around[-1].names if around else frozenset()


def _bound(body: Node) -> Iterator[str]:
    """The names that the statements of a class bind, those under ``if`` and the like included."""
    stack = [body]
    while stack:
        node = stack.pop()
        if node.type in _DEFINITIONS:
            yield text_of(node.child_by_field_name("name"))
        elif node.type == "assignment":
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is not None and left.type == "identifier" and right is not None:
                yield text_of(left)
        elif node.type in ("block", "decorated_definition", "expression_statement") or node.type.endswith(
            ("_statement", "_clause")
        ):
            stack += node.named_children
