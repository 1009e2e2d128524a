"""Statements of Rust to the calls in them whose ``Result`` nothing takes apart, and the frame of a match.

What a call gives is known where the file declares the function, and of some of the standard library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.edits import TextEdit
from engine.code.syntax import Syntax, text_of, walk
from engine.scopes.symbols import UnsureError, symbol_at
from engine.tasks.handling.frame import Frame, UnfitError
from engine.tasks.handling.statements import Statements
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_RESULT = re.compile(r"(?:\w+::)*\w*Result\b")
_STD = re.compile(
    r"(?:std::)?fs::\w+|(?:\w+::)*File::(?:open|create|create_new)|(?:\w+::)*from_utf8(?:_mut)?|(?:std::)?env::var"
    r"|(?:std::)?env::(?:current_dir|current_exe|set_current_dir)|(?:\w+::)*Tcp(?:Stream::connect|Listener::bind)"
)
"""Functions of the standard library that give a ``Result``, by their paths."""
_STD_ERROR = "io::Error"
"""What most of them give where they fail."""
_STD_METHODS = frozenset(
    {"parse", "read_to_string", "read_to_end", "read_line", "write_all", "flush", "sync_all"}
)
_LET_RESULT = re.compile(r"\blet\s+(?:Ok|Err)\s*\([^=]*\)\s*=$")
_NEAR = 200
_UNWRAPS = frozenset({"unwrap", "expect"})
_TAKES_APART = re.compile(
    r"\s*(?:\?|\.\s*(?:unwrap|expect|is_ok|is_err|ok|err|map|map_err|and_then|or_else|unwrap_or|iter|as_ref)\w*\b)"
)
"""What stands behind a ``Result`` that is used as one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that gives a ``Result``.

    Attributes:
        statement: the statement that it is the value of.
        value: what is matched: the call, awaited where it is.
        end: the node at whose end what is matched no more begins: ``value``, or ``value.unwrap()``.
    """

    statement: Node
    value: Node
    end: Node


def unmatched_results(syntax: Syntax, text: str, statements: Statements) -> tuple[Call, ...]:
    """The calls among statements whose ``Result`` is not taken apart, at least one.

    Raises:
        UnfitError: there is none, or what they give is used as a ``Result`` behind.
    """
    calls = tuple(call for node in statements.nodes if (call := _call_of(syntax, node)) is not None)
    if not calls:
        raise UnfitError(
            "no selected statement is a call that is known to give a `Result`: "
            "select `let x = f();` with an `f` that this file declares"
        )
    for call in calls:
        if call.value == call.end and (name := _kept_as_result(syntax, text, call.statement)):
            raise UnfitError(f"`{name}` is used as a `Result` behind the selection")
    return calls


def frame(syntax: Syntax, statements: Statements, call: Call, error: str) -> Frame:
    """The frame of the arm of a call's errors."""
    start, value_end, end, statement_end = (
        syntax.utf8.byte_to_char(at)
        for at in (
            call.value.start_byte,
            call.value.end_byte,
            call.end.end_byte,
            call.statement.end_byte,
        )
    )
    below, step = f"\n{statements.indent}", statements.step
    if call.statement.type == "let_declaration":
        before, span = "match ", Span(value_end, end)
        opening = f" {{{below}{step}Ok(value) => value,{below}{step}Err({error}) => "
    else:
        before, span = f"if let Err({error}) = ", Span(value_end, statement_end)
        opening = f" {{{below}{step}"
    is_foreign = _is_foreign(syntax, call)
    first = TextEdit(Span(start, start), before)
    return Frame((first,), span, opening, f"{below}}}", error, is_foreign=is_foreign)


def _is_foreign(syntax: Syntax, call: Call) -> bool:
    """Whether a call's errors are, by what is declared, of another type than those of the function around."""
    above = call.statement.parent
    while above is not None and above.type != "function_item":
        above = above.parent
    declared = _error_type(above) if above is not None else None
    called = _called(syntax, call.value)
    kinds = {_error_type(function) for function in called} - {None} if called else {_STD_ERROR}
    return declared is not None and bool(kinds) and kinds != {declared.removeprefix("std::")}


def _error_type(function: Node) -> str | None:
    """The type of the errors that a function declares to give; None where it does not say."""
    kind = function.child_by_field_name("return_type")
    arguments = kind.child_by_field_name("type_arguments") if kind is not None else None
    if (
        kind is None
        or arguments is None
        or not _RESULT.match(text_of(kind))
        or arguments.named_child_count < 2
    ):
        return None
    return text_of(arguments.named_children[1])


def _call_of(syntax: Syntax, statement: Node) -> Call | None:
    """The call that a statement consists of, if it is known to give a ``Result``."""
    if statement.type == "let_declaration":
        has_else = statement.child_by_field_name("alternative") is not None
        end = None if has_else else statement.child_by_field_name("value")
    else:
        ends = statement.type == "expression_statement" and statement.children[-1].type == ";"
        end = statement.named_children[0] if ends else None
    if end is None:
        return None
    value = end
    function = end.child_by_field_name("function") if end.type == "call_expression" else None
    if function is not None and text_of(function.child_by_field_name("field")) in _UNWRAPS:
        value = function.child_by_field_name("value") or end
    call = value.named_children[0] if value.type == "await_expression" else value
    return (
        Call(statement, value, end)
        if call.type == "call_expression" and _gives_result(syntax, call)
        else None
    )


def _gives_result(syntax: Syntax, call: Node) -> bool:
    """Whether a call is known to give a ``Result``."""
    known = _called(syntax, call)
    if known:
        return all(_RESULT.match(text_of(one.child_by_field_name("return_type"))) for one in known)
    function = _function_of(call)
    if function is None or function.type != "field_expression":
        return _STD.fullmatch(text_of(function)) is not None
    name = text_of(function.child_by_field_name("field"))
    return name in _STD_METHODS and not any(map(_type_around, _functions(syntax, name)))


def _called(syntax: Syntax, call: Node) -> list[Node]:
    """The functions of the file that a call may call, as far as its receiver or its path tells."""
    if call.type == "await_expression":
        call = call.named_children[0]
    function = _function_of(call)
    if function is None:
        return []
    if function.type == "field_expression":
        name, receiver = (text_of(function.child_by_field_name(field)) for field in ("field", "value"))
        owner = _type_around(call) if receiver == "self" else ""
        return [one for one in _functions(syntax, name) if owner and _type_around(one) == owner]
    path, _, name = text_of(function).rpartition("::")
    owner = path.rpartition("::")[2]
    owner = _type_around(call) if owner == "Self" else owner if path != "self" else ""
    return [one for one in _functions(syntax, name) if _type_around(one) == owner]


def _function_of(call: Node) -> Node | None:
    """What is called, without what a generic function is given."""
    function = call.child_by_field_name("function")
    if function is not None and function.type == "generic_function":
        return function.child_by_field_name("function")
    return function


def _functions(syntax: Syntax, name: str) -> list[Node]:
    """The functions and methods of a file that are called so."""
    return [
        node
        for node in walk(syntax.root)
        if node.type in ("function_item", "function_signature_item")
        and text_of(node.child_by_field_name("name")) == name
    ]


def _type_around(node: Node) -> str:
    """The type whose methods a node stands among; empty for none."""
    above = node.parent
    while above is not None and above.type not in ("impl_item", "trait_item"):
        above = above.parent
    if above is None:
        return ""
    kind = above.child_by_field_name("type") or above.child_by_field_name("name")
    return re.split(r"[<\s]", text_of(kind))[0].rpartition("::")[2]


def _kept_as_result(syntax: Syntax, text: str, statement: Node) -> str | None:
    """The variable of a statement, if it is declared or used as a ``Result``, or may be."""
    name, kind = (statement.child_by_field_name(field) for field in ("pattern", "type"))
    if name is None or name.type != "identifier":
        return None
    said = text_of(name)
    if kind is not None:
        return said if _RESULT.match(text_of(kind)) else None
    try:
        symbol = symbol_at(syntax, text, syntax.utf8.byte_to_char(name.start_byte), in_file=True)
    except UnsureError:
        return said if re.search(rf"\b(?:match|=)\s*&?{said}\b|\b{said}\b\s*[?.]", text) else None
    end = syntax.utf8.byte_to_char(statement.end_byte)
    uses = (one.span for one in symbol.occurrences if one.span.start_char >= end)
    return said if any(_is_taken_apart(text, span) for span in uses) else None


def _is_taken_apart(text: str, use: Span) -> bool:
    """Whether a variable is matched or unwrapped at a place, or given back as it is."""
    before, behind = text[: use.start_char].rstrip("& "), text[use.end_char :]
    is_matched = before.endswith("match") or _LET_RESULT.search(before[-_NEAR:]) is not None
    is_given_back = re.match(r"\s*\}", behind) is not None and before.rstrip().endswith((";", "}", "{"))
    return is_matched or is_given_back or _TAKES_APART.match(behind) is not None
