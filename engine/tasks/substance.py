"""Code to the tokens that make what it does: literals, operators, and names that are bound elsewhere.

Layout, comments, documentation, most keywords, brackets and names of its own variables are not among them:
they may change while the code does the same. Syntax alone; what a token means is not known.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from tree_sitter import Node

from engine.code.edits import common_head, common_tail
from engine.code.languages import Language
from engine.code.syntax import Syntax, parse, text_of
from engine.scopes.symbols import bound_and_read

CONSTANTS = frozenset(
    {"true", "false", "none", "null", "nil", "undefined", "null_literal", "boolean_literal"}
)
"""Types of nodes that are literals without looking like one."""

LITERALS = re.compile(r"string|char|rune|number|integer|float|decimal|regex")
"""What the types of literal nodes have in their names."""

_OPERATOR = re.compile(r"[-+*/%<>=!&|^~]+")
_DECIDING = frozenset({"and", "or", "not", "is", "await", "yield", "raise", "throw", "break", "continue"})
"""Keywords that say what is done, as operators do."""

_ASSIGNING = re.compile(r"(?<=[-+*/%&|^])=$|(?<=[<>]{2})=$")
_NO_OPERATORS = frozenset({"=", "->", "=>"})
_QUOTES = re.compile(r"^[A-Za-z]*['\"`#]+|['\"`#]+$")


@dataclass(frozen=True, slots=True)
class Substance:
    """How often each token stands in a piece of code.

    Attributes:
        literals: numbers, the contents of strings, constants.
        operators: ``+=`` counts as ``+``; keywords such as ``not`` are among them.
        names: of functions, fields, types and variables that the text does not bind.
    """

    literals: Counter[str]
    operators: Counter[str]
    names: Counter[str]

    @property
    def all(self) -> Counter[str]:
        """Everything together."""
        return self.literals + self.operators + self.names


def changed_substance(old: str, new: str, language: Language) -> tuple[Substance, Substance] | None:
    """What stands where two texts differ, in the one and in the other; None where they cannot be parsed."""
    old_syntax, new_syntax = parse(old, language), parse(new, language)
    if old_syntax is None or new_syntax is None:
        return None
    n_before = common_head(old, new)
    n_behind = common_tail(old[n_before:], new[n_before:])
    return (
        _substance(old_syntax, old, n_before, len(old) - n_behind),
        _substance(new_syntax, new, n_before, len(new) - n_behind),
    )


def _substance(syntax: Syntax, text: str, start_char: int, end_char: int) -> Substance:
    """Of the tokens that touch a range of a text."""
    start, end = (syntax.utf8.char_to_byte(at) for at in (start_char, end_char))
    bound, _ = bound_and_read(syntax, text)
    found = Substance(Counter(), Counter(), Counter())
    stack = [syntax.root]
    while stack:
        node = stack.pop()
        if node.end_byte < start or node.start_byte > end or "comment" in node.type or _documents(node):
            continue
        said = text_of(node)
        if node.is_named and (node.type in CONSTANTS or LITERALS.search(node.type)):
            found.literals[_QUOTES.sub("", said)] += 1
        elif node.children:
            stack.extend(node.children)
        elif node.is_named:
            found.names.update([said] if said not in bound and said.isidentifier() else [])
        elif said in _DECIDING or (_OPERATOR.fullmatch(said) and said not in _NO_OPERATORS):
            found.operators[_ASSIGNING.sub("", said)] += 1
    return found


def _documents(node: Node) -> bool:
    """Whether a node is a string that stands by itself, as docstrings do."""
    return node.type == "expression_statement" and node.child_count == 1 and node.children[0].type == "string"
