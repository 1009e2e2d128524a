"""What a handler gives back or throws to whether that fits the function around it, as far as syntax tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.code.syntax import text_of
from engine.tasks.handling.frame import Frame
from engine.tasks.handling.handler import Handler

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTION = re.compile(r"function|method_d|lambda|arrow|closure|func_literal|constructor|async_block|static_")
_LOOP = re.compile(
    r"^(?:for|while|do|loop|enhanced_for|switch|select|expression_(?:switch|case)|type_switch)"
)
_LEFT = {"return": _FUNCTION, "break": _LOOP, "continue": _LOOP}
"""What words leave."""
_GO_FUNCTIONS = frozenset({"function_declaration", "method_declaration", "func_literal"})
_RUST_FUNCTIONS = frozenset({"function_item", "closure_expression", "async_block"})
_JAVA_FUNCTIONS = frozenset({"method_declaration", "constructor_declaration", "lambda_expression"})
_CHECKED = frozenset(
    [
        "Exception",
        "IOException",
        "FileNotFoundException",
        "InterruptedException",
        "SQLException",
        "ParseException",
        "ClassNotFoundException",
        "NoSuchMethodException",
        "TimeoutException",
        "ExecutionException",
        "URISyntaxException",
        "CloneNotSupportedException",
        "GeneralSecurityException",
    ]
)
"""Exceptions of Java that a method has to declare."""
_SUM = re.compile(r"(?<!string\()\"[^\"\n]*\"\s*\+\s*\w+\.what\(\)")
"""Two C strings with a plus between them, which C++ cannot add."""
_SAYS = re.compile(r"(?:e?print(?:ln)?|dbg|log::\w+|tracing::\w+|error|warn|info|debug)!")
"""Macros of Rust that give nothing."""
_LEAVES = re.compile(r"return|continue|break|panic!|unreachable!|todo!|(?:std::)?process::")


def misfit(handler: Handler, frame: Frame) -> str | None:
    """Why what a handler gives back does not fit; None where it does, and where nobody knows."""
    if (astray := _leaves_nothing(handler.tokens)) is not None:
        return f"there is nothing around it that `{astray}` leaves"
    match handler.syntax.language.id:
        case "go":
            return _of_go(handler.tokens)
        case "rust":
            return _of_rust(handler, frame)
        case "java":
            return _of_java(handler)
        case "cpp":
            is_sum = _SUM.search(handler.text, handler.span.start_char, handler.span.end_char)
            return "it adds two C strings" if is_sum is not None else None
    return None


def _leaves_nothing(tokens: Sequence[Node]) -> str | None:
    """A word among tokens that leaves a function or a loop which is not there."""
    for token in tokens:
        left = _LEFT.get(token.type)
        if left is None:
            continue
        above = token.parent
        while above is not None and not left.search(above.type):
            is_function = left is not _FUNCTION and _FUNCTION.search(above.type)
            above = None if is_function else above.parent
        if above is None:
            return token.type
    return None


def _of_go(tokens: Sequence[Node]) -> str | None:
    """Whether each return of Go gives as many values as its function has results."""
    for token in tokens:
        statement = token.parent
        if token.type != "return" or statement is None:
            continue
        function = _around(statement, _GO_FUNCTIONS)
        given = statement.named_children[0].named_children if statement.named_children else []
        results, are_named = _results(function) if function is not None else (0, False)
        is_call = len(given) == 1 and given[0].type == "call_expression" and results > 1
        if len(given) != results and not (are_named and not given) and not is_call:
            return f"it returns {len(given)} values where {results} are to be given"
    return None


def _results(function: Node) -> tuple[int, bool]:
    """How many results a function of Go has, and whether they have names."""
    result = function.child_by_field_name("result")
    if result is None:
        return 0, False
    if result.type != "parameter_list":
        return 1, False
    names = [
        [child for child in one.children_by_field_name("name") if child.is_named]
        for one in result.named_children
        if one.type == "parameter_declaration"
    ]
    return sum(max(len(one), 1) for one in names), any(names)


def _of_rust(handler: Handler, frame: Frame) -> str | None:
    """Whether a returned ``Err`` stands in a function that gives a ``Result``, and an arm gives a value."""
    for token in handler.tokens:
        statement = token.parent
        if token.type != "return" or statement is None:
            continue
        function = _around(statement, _RUST_FUNCTIONS)
        if function is None or function.type != "function_item":
            continue
        declared = text_of(function.child_by_field_name("return_type"))
        given = text_of(statement)[len("return") :].strip()
        if frame.is_foreign and given == f"Err({frame.error})":
            return "the error is of another type than the function gives"
        for start, kind in (("Err(", "Result"), ("None", "Option")):
            if given.startswith(start) and kind not in declared and declared.isidentifier() | (not declared):
                return f"it returns `{start.rstrip('(')}` where {declared or 'nothing'} is to be given"
        if not given and declared:
            return f"it returns nothing where {declared} is to be given"
    return _of_arm(handler)


def _of_java(handler: Handler) -> str | None:
    """Whether a thrown exception that has to be declared is declared."""
    for token in handler.tokens:
        kind = text_of(token)
        made = token.parent
        if kind not in _CHECKED or made is None or made.type != "object_creation_expression":
            continue
        method = _around(made, _JAVA_FUNCTIONS)
        declared = [text_of(child) for child in method.children if child.type == "throws"] if method else []
        if (
            made.parent is not None
            and made.parent.type == "throw_statement"
            and not any(re.search(rf"\b(?:{kind}|Exception|Throwable)\b", said) for said in declared)
        ):
            return f"it throws {kind}, which is not declared"
    return None


def _of_arm(handler: Handler) -> str | None:
    """Whether a handler that is the value of an arm gives one, or leaves."""
    value = handler.statements[0] if handler.statements else None
    if value is None or not is_arm(value):
        return None
    last = value.named_children[-1] if value.type == "block" and value.named_children else value
    said = text_of(last)
    ends_empty = last is not value and said.endswith(";") and not _LEAVES.match(said)
    return "it gives no value where one is needed" if ends_empty or _SAYS.match(said) else None


def is_arm(value: Node) -> bool:
    """Whether a handler is the value of an arm of a match."""
    return value.parent is not None and value.parent.type == "match_arm"


def _around(node: Node, kinds: frozenset[str]) -> Node | None:
    above = node.parent
    while above is not None and above.type not in kinds:
        above = above.parent
    return above
