"""A placeholder in a syntax tree to whether it stands for code to be written, or is code as it should be.

``...`` declares a method of a protocol, ``raise NotImplementedError`` refuses an argument or has to be
overridden. Knows what surrounds a placeholder in its tree; of file names and of other files nothing.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from engine.code.decorators import decorators_of, last_name
from engine.code.syntax import text_of, walk

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTION = re.compile(r"function|method|constructor|destructor|closure|lambda|arrow|accessor|func_literal")
_RAISING = frozenset({"raise_statement", "throw_statement", "throw_expression", "call"})
_ABSTRACT = frozenset(
    {"overload", "abstractmethod", "abstractproperty", "abstractclassmethod", "abstractstaticmethod"}
)
"""Decorators, by the end of their names, of functions that have no body of their own."""
_STUB_CLASS = re.compile(r"\b(?:Protocol|ABC|ABCMeta)\b")
"""Bases of classes whose methods may be declared alone."""
_UNSUPPORTED = re.compile(r"throw\s+new\s+UnsupportedOperationException\b\s*\((?P<message>.*)\)", re.DOTALL)
_SAYS_SO = re.compile(
    r"not.{0,3}(?:yet.)?implemented|unimplemented|not supported yet|implement me|\btodo\b", re.IGNORECASE
)
_MEANT = re.compile(r"@Override\b|\bdefault\b")
"""Modifiers of methods of Java that are there because something else declares them."""


class Placeholders:
    """The placeholders of one tree.

    Args:
        root: of the tree.
    """

    def __init__(self, root: Node) -> None:
        self._root = root

    def is_open(self, node: Node) -> bool:
        """Whether a placeholder stands for code that is still to be written."""
        if node.type == "expression_statement" and node.named_child_count == 1:
            inner = node.named_children[0]
            if inner.type == "ellipsis":
                return self._is_open_ellipsis(node)
            if inner.type == "throw_expression":
                return _function_of(node) is not None
        if node.type in _RAISING:
            function = _function_of(node)
            return function is not None and not _is_abstract(function) and _is_undone(node, function)
        return True

    def _is_open_ellipsis(self, node: Node) -> bool:
        above = node.parent.parent if node.parent is not None else None
        if above is None or above.type != "function_definition":
            return above is not None and above.type not in ("class_definition", "except_clause")
        return not (_is_abstract(above) or _is_declared(above) or self._is_stub_file)

    @cached_property
    def _is_stub_file(self) -> bool:
        """Whether the text reads like a ``.pyi``: bare names with types, and functions with types alone."""
        n_functions, has_bare_name = 0, False
        for node in walk(self._root):
            if node.type == "function_definition":
                n_functions += 1
                if not _is_stub(node):
                    return False
            elif node.type == "assignment":
                has_bare_name = has_bare_name or node.child_by_field_name("right") is None
        return has_bare_name and n_functions > 1


def _function_of(node: Node) -> Node | None:
    """The function whose body is a statement and nothing else, documentation and comments aside."""
    block = node.parent
    if block is None or _FUNCTION.search(block.type):
        return block
    above, others = block.parent, [child for child in block.named_children if child != node]
    if above is None or not _FUNCTION.search(above.type) or above.child_by_field_name("body") != block:
        return None
    return None if any(_does_something(child) for child in others) else above


def _does_something(statement: Node) -> bool:
    is_text = statement.type == "expression_statement" and statement.named_child_count == 1
    return "comment" not in statement.type and not (is_text and statement.named_children[0].type == "string")


def _is_abstract(function: Node) -> bool:
    """Whether a function of Python is one that others define: by a decorator, or by its class."""
    above = function.parent
    if above is not None and above.type == "decorated_definition":
        if any(last_name(one) in _ABSTRACT for one in decorators_of(function)):
            return True
        above = above.parent
    owner = above.parent if above is not None else None
    bases = owner.child_by_field_name("superclasses") if owner is not None else None
    return bases is not None and _STUB_CLASS.search(text_of(bases)) is not None


def _is_declared(function: Node) -> bool:
    """Whether a function of Python is a declaration for type checkers: ``a=...``, or seen by them alone."""
    parameters = function.child_by_field_name("parameters")
    for parameter in parameters.named_children if parameters is not None else ():
        value = parameter.child_by_field_name("value")
        if value is not None and value.type == "ellipsis":
            return True
    above = function.parent
    while above is not None:
        condition = above.child_by_field_name("condition") if above.type == "if_statement" else None
        if condition is not None and text_of(condition).endswith("TYPE_CHECKING"):
            return True
        above = above.parent
    return False


def _is_stub(function: Node) -> bool:
    """Whether a function has a type and, on the same line, ``...`` for a body."""
    returns, body = function.child_by_field_name("return_type"), function.child_by_field_name("body")
    if returns is None or body is None:
        return False
    return text_of(body) == "..." and body.start_point.row == returns.end_point.row


def _is_undone(node: Node, function: Node) -> bool:
    """Whether what is thrown says that code is to come; a method that is not supported may be meant so."""
    unsupported = _UNSUPPORTED.match(text_of(node))
    if unsupported is None:
        return True
    around = [node, *(node.parent.named_children if node.parent is not None else ())]
    if any(_SAYS_SO.search(text_of(one)) for one in around if one == node or "comment" in one.type):
        return True
    modifiers = next((child for child in function.named_children if child.type == "modifiers"), None)
    is_meant = modifiers is not None and _MEANT.search(text_of(modifiers)) is not None
    above = function.parent.parent if function.parent is not None else None
    is_own = function.type == "method_declaration" and above is not None and "class" in above.type
    return is_own and not is_meant and not unsupported["message"].strip()
