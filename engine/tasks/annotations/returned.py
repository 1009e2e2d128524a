"""The body of a Python function to what it returns, as far as the code alone proves it.

Asks the syntax tree. ``a > b`` of two arrays is an array: in a file that imports a library of such objects it
proves nothing. Where the end of a body can be reached, it returns None there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.decorators import last_name
from engine.code.syntax import text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_LITERALS = {
    **dict.fromkeys(("true", "false"), "bool"),
    "integer": "int",
    "float": "float",
    "string": "str",
    "concatenated_string": "str",
}
_CERTAIN = frozenset({"is", "is not", "in", "not in"})
"""Comparisons that are a ``bool`` whatever is compared."""
_COMPARES_OTHERWISE = re.compile(
    rb"^[ \t]*(?:from|import)[ \t]+(?:cupy|dask|jax|numba|numpy|pandas|peewee|polars|pyarrow|pyspark|scipy"
    rb"|sklearn|sqlalchemy|sqlmodel|sympy|tensorflow|torch|xarray|z3)\b",
    re.MULTILINE,
)
"""Imports of what has other comparisons (elsewhere 155 of 158 were a ``bool``)."""
_INNER = frozenset(
    (
        *("function_definition", "class_definition", "lambda", "function_declaration", "function_expression"),
        *("arrow_function", "method_definition", "class_declaration", "func_literal", "lambda_expression"),
        *("closure_expression", "function_item"),
    )
)
"""What has returns of its own."""
_ABSTRACT = frozenset({"abstractmethod", "overload", "abstractproperty", "property"})
"""Decorators of functions whose bodies say nothing of what they return."""
_LOOPS = frozenset({"for_statement", "while_statement"})
_LEAVING = frozenset({"return_statement", "raise_statement", "break_statement", "continue_statement"})
_LEAVING_CALL = re.compile(
    rb"(?:sys\.exit|exit|quit|os\._exit|os\.abort|(?:self|pytest)\.(?:fail|skip|skipTest)|assert_never"
    rb"|typing\.assert_never)\("
)
"""Calls that do not return."""
_SWALLOWING = re.compile(rb"\b(?:suppress|raises|assertRaises\w*|ExitStack)\b")
"""Context managers that go on behind their block where an exception is raised in it."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What a body returns.

    Attributes:
        only: the type of all it returns; ``Self`` for its own object, None where that is not proved.
        nullable: whether it may be nothing beside other values.
        yields: whether it is a generator's.
    """

    only: str | None = None
    nullable: bool = False
    yields: bool = False


def returned(body: Node, decorators: Sequence[str]) -> Returned:
    """What the body of a function returns.

    Args:
        body: the block.
        decorators: of the function, without ``@``.
    """
    if any(name.endswith(".setter") for name in decorators):
        return Returned("None")
    values: list[str | None] = []
    for node in own(body):
        if node.type == "yield":
            return Returned(yields=True)
        if node.type == "return_statement":
            value = next((child for child in node.named_children if child.type != "comment"), None)
            values.append("None" if value is None else _value_type(value))
    if values:
        falls_off = _falls_off(body) if None in values else not always_leaves(body)
        return _together({*values, "None"} if falls_off else {*values})
    statements = [child for child in body.named_children if not _is_stub(child)]
    abstract = any(last_name(one) in _ABSTRACT for one in decorators)
    raises = any(child.type == "raise_statement" for child in body.named_children)
    return Returned(None if abstract or not statements or raises else "None")


def literal_type(value: Node) -> str | None:
    """The type of a literal; None where the value is no simple one."""
    if value.type == "unary_operator":
        operand = value.child_by_field_name("argument")
        return literal_type(operand) if operand is not None and operand.type in ("integer", "float") else None
    said = (value.text or b"").lower()
    if value.type in ("string", "concatenated_string"):
        return "bytes" if said[:2].strip(b"r")[:1] == b"b" else "str"
    if value.type in ("integer", "float") and said.endswith(b"j"):
        return "complex"
    return _LITERALS.get(value.type)


def own(body: Node) -> Iterator[Node]:
    """The nodes of a body that belong to its function and not to one inside it."""
    stack = [body]
    while stack:
        node = stack.pop()
        yield node
        stack += [child for child in reversed(node.children) if child.type not in _INNER]


def always_leaves(block: Node | None) -> bool:
    """Whether the end of a block is never reached: it returns, raises, or goes on for ever."""
    return block is not None and any(_leaves(statement) for statement in block.named_children)


def _falls_off(body: Node) -> bool:
    """Whether the end of a body is reached past an ``if`` or a loop, and not only past a call: some raise."""
    statements = [child for child in body.named_children if child.type != "comment"]
    last = statements[-1] if statements else None
    if last is None or last.type not in ("if_statement", *_LOOPS) or always_leaves(body):
        return False
    return all(child.type != "else_clause" for child in last.named_children)


def _leaves(statement: Node) -> bool:
    rule = _RULES.get(statement.type)
    return statement.type in _LEAVING if rule is None else rule(statement)


def _expression_leaves(statement: Node) -> bool:
    return _LEAVING_CALL.match(statement.text or b"") is not None


def _assert_leaves(statement: Node) -> bool:
    return statement.named_child_count > 0 and statement.named_children[0].text in (b"False", b"0")


def _with_leaves(statement: Node) -> bool:
    managers = [child for child in statement.named_children if child.type == "with_clause"]
    swallows = any(_SWALLOWING.search(child.text or b"") for child in managers)
    return not swallows and always_leaves(statement.child_by_field_name("body"))


def _if_leaves(statement: Node) -> bool:
    branches = statement.children_by_field_name("alternative")
    blocks = [one.child_by_field_name("consequence") or one.child_by_field_name("body") for one in branches]
    has_else = any(one.type == "else_clause" for one in branches)
    return has_else and all(map(always_leaves, [statement.child_by_field_name("consequence"), *blocks]))


def _try_leaves(statement: Node) -> bool:
    blocks = {"try": [statement.child_by_field_name("body")], "except": [], "else": [], "finally": []}
    for clause in statement.named_children:
        name = clause.type.partition("_")[0]
        if name in blocks:
            inner = [child for child in clause.named_children if child.type == "block"]
            blocks[name].append(inner[-1] if inner else None)
    if any(map(always_leaves, blocks["finally"])):
        return True
    goes_well = any(map(always_leaves, [*blocks["try"], *blocks["else"]]))
    return goes_well and all(map(always_leaves, blocks["except"]))


def _match_leaves(statement: Node) -> bool:
    """Whether one of the arms is always taken, and all of them leave."""
    body = statement.child_by_field_name("body")
    arms = [] if body is None else [child for child in body.named_children if child.type == "case_clause"]
    takes_all = bool(arms) and arms[-1].child_by_field_name("guard") is None and _takes_all(arms[-1])
    return takes_all and all(always_leaves(arm.child_by_field_name("consequence")) for arm in arms)


def _takes_all(arm: Node) -> bool:
    patterns = [child for child in arm.named_children if child.type == "case_pattern"]
    return len(patterns) == 1 and text_of(patterns[0]).isidentifier()


def _loop_leaves(statement: Node) -> bool:
    """Whether nothing goes on behind a loop: it has no end, or what follows its end leaves."""
    if _has_break(statement):
        return False
    condition = statement.child_by_field_name("condition")
    if condition is not None and (condition.type == "true" or condition.text == b"1"):
        return True
    alternative = statement.child_by_field_name("alternative")
    return alternative is not None and always_leaves(alternative.child_by_field_name("body"))


def _has_break(loop: Node) -> bool:
    """Whether a ``break`` ends the loop itself; one in the ``else`` of an inner loop does."""
    stack = [loop.child_by_field_name("body")]
    while stack:
        node = stack.pop()
        if node is None or node.type in _INNER:
            continue
        if node.type == "break_statement":
            return True
        stack += [node.child_by_field_name("alternative")] if node.type in _LOOPS else node.named_children
    return False


_RULES: dict[str, Callable[[Node], bool]] = {
    "expression_statement": _expression_leaves,
    "assert_statement": _assert_leaves,
    "if_statement": _if_leaves,
    "try_statement": _try_leaves,
    "match_statement": _match_leaves,
    "with_statement": _with_leaves,
    **dict.fromkeys(_LOOPS, _loop_leaves),
}
"""Whether what follows a statement is out of reach, by its kind."""


def _together(types: set[str | None]) -> Returned:
    """What is returned where each of some values may be: one type, or one and None."""
    if len(types) == 1:
        return Returned(next(iter(types)))
    others = types - {"None"}
    is_one = len(others) == 1 and None not in others and "None" in types
    return Returned(f"{others.pop()} | None" if is_one else None, "None" in types)


def _value_type(value: Node) -> str | None:
    while value.type == "parenthesized_expression" and value.named_child_count == 1:
        value = value.named_children[0]
    if value.type == "comparison_operator":
        operators = {" ".join(text_of(child).split()) for child in _operators(value)}
        return "bool" if operators <= _CERTAIN or not _may_compare_otherwise(value) else None
    if value.type == "not_operator":
        return "bool"
    if value.type == "none":
        return "None"
    if value.type == "identifier" and value.text == b"self":
        return "Self"
    return literal_type(value)


def _may_compare_otherwise(node: Node) -> bool:
    """Whether the file of a node imports objects whose comparisons are none of truth."""
    while node.parent is not None:
        node = node.parent
    return _COMPARES_OTHERWISE.search(node.text or b"") is not None


def _operators(comparison: Node) -> list[Node]:
    return [child for child in comparison.children if not child.is_named]


def _is_stub(statement: Node) -> bool:
    """Whether a statement does nothing: ``...``, a docstring, ``raise``; ``pass`` says that it returns."""
    if statement.type == "expression_statement" and statement.named_child_count == 1:
        return statement.named_children[0].type in ("ellipsis", "string")
    return statement.type in ("raise_statement", "comment")
