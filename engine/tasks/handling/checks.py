"""Statements of Go to those whose error nothing looks at, and the frame of a check behind one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.code.syntax import text_of, walk
from engine.tasks.handling.frame import Frame, UnfitError
from engine.tasks.handling.statements import Statements, calls_in
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_ERROR = re.compile(r"err\d*|err[A-Z]\w*|error|\w+Err(?:or)?")
"""What variables of errors are called."""

_BINDING = {"short_var_declaration": "left", "assignment_statement": "left", "var_declaration": "name"}


def unchecked(statements: Statements) -> tuple[Node, ...]:
    """The statements that bind an error which the statement behind does not look at.

    Raises:
        UnfitError: there is none.
    """
    bound = [node for node in statements.nodes if _error_of(node)]
    if not bound:
        raise UnfitError("nothing is assigned to an error: write `err :=` in front of the call")
    found = tuple(node for node in bound if not _is_looked_at(node))
    if not found:
        raise UnfitError("the errors of the selected statements are looked at already")
    return found


def frame(statements: Statements) -> Frame:
    """The frame of a check behind a statement that stands alone on its lines."""
    error, below = _error_of(statements.nodes[0]), f"\n{statements.indent}"
    opening = f"{below}if {error} != nil {{{below}{statements.step}"
    end = statements.lines.end_char
    return Frame((), Span(end, end), opening, f"{below}}}", error)


def _error_of(node: Node) -> str:
    """The variable that a statement assigns the error of a call to, its last; empty where there is none."""
    field = _BINDING.get(node.type)
    if field is None or not any(True for _ in calls_in(node)):
        return ""
    holder = node.named_children[0] if node.type == "var_declaration" else node
    names = holder.children_by_field_name(field)
    last = next((name for name in reversed(names) if name.is_named), None)
    if last is not None and last.type == "expression_list":
        last = last.named_children[-1]
    name = text_of(last) if last is not None and last.type == "identifier" else ""
    return name if _ERROR.fullmatch(name) else ""


def _is_looked_at(node: Node) -> bool:
    """Whether the statement behind one names the error that it assigns."""
    error, behind = _error_of(node), node.next_named_sibling
    while behind is not None and "comment" in behind.type:
        behind = behind.next_named_sibling
    return behind is not None and any(
        leaf.type == "identifier" and text_of(leaf) == error for leaf in walk(behind)
    )
