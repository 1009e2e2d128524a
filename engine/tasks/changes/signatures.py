"""Functions, what they take, and how the arguments of a call are bound to it.

Python, JavaScript, TypeScript, Go and Rust, by the syntax tree; a parameter that is taken apart in place
(``{a, b}``) goes by its text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.code.decorators import decorators_of
from engine.tasks.changes.change import Source

if TYPE_CHECKING:
    from tree_sitter import Node

FUNCTIONS = frozenset(
    {
        *("function_definition", "function_declaration", "generator_function_declaration"),
        *("method_definition", "function_item", "variable_declarator", "class_definition"),
    }
)
CALLS = frozenset({"call", "call_expression", "new_expression"})

How = Literal["plain", "named", "rest", "rest_named"]

_PYTHON_DEFAULT = frozenset({"default_parameter", "typed_default_parameter"})
_REST = frozenset({"list_splat_pattern", "rest_pattern", "variadic_parameter_declaration"})
_NO_PARAMETERS = frozenset({"comment", "self_parameter", "positional_separator"})
_DATACLASS = re.compile(r"(?:dataclasses\.)?dataclass\b(?P<options>.*)", re.DOTALL)
_NO_FIELD = re.compile(r"(?:typing\.)?ClassVar\b|(?:dataclasses\.)?KW_ONLY\b")
_SPLATS = frozenset({"list_splat", "dictionary_splat", "spread_element", "variadic_argument"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function.

    Attributes:
        name: what it is called; its whole text where it is a pattern.
        how: bound by its place or its name, by its name alone, or to all the arguments that are left.
        optional: whether a call may leave it out.
    """

    name: str
    how: How = "plain"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call.

    Attributes:
        node: all of it.
        keyword: the node of the name it is passed by; None where it goes by its place.
    """

    node: Node
    keyword: Node | None = None


def parameters_of(source: Source, function: Node) -> tuple[Parameter, ...] | None:
    """What a function, or the constructor of a Python dataclass, takes; None for what cannot be read.

    What a method is called on (``self``) is left in, as the first.
    """
    if function.type == "class_definition":
        return _fields(source, function)
    if function.type == "variable_declarator":
        value = function.child_by_field_name("value")
        if value is None or value.type not in ("arrow_function", "function_expression"):
            return None
        function = value
    held = function.child_by_field_name("parameters") or function.child_by_field_name("parameter")
    if held is None or held.has_error:
        return None
    nodes = held.named_children if held.type != "identifier" else [held]
    found: list[Parameter] = []
    by_name = False
    for node in nodes:
        if node.type in _NO_PARAMETERS:
            continue
        if node.type == "keyword_separator":
            by_name = True
            continue
        read = _parameters(source, node, by_name=by_name)
        found += read
        by_name = by_name or (
            source.syntax.language.id == "python" and any(one.how == "rest" for one in read)
        )
    names = [one.name for one in found]
    return tuple(found) if len(set(names)) == len(names) and all(names) else None


def _fields(source: Source, node: Node) -> tuple[Parameter, ...] | None:
    """The fields of a dataclass that stands alone; None for any other class."""
    body = node.child_by_field_name("body")
    found = [match for one in decorators_of(node) if (match := _DATACLASS.match(one)) is not None]
    if len(found) != 1 or body is None or node.child_by_field_name("superclasses") is not None:
        return None
    how: How = "named" if "kw_only" in found[0]["options"] else "plain"
    fields: list[Parameter] = []
    for statement in body.named_children:
        field = statement.named_children[0] if statement.type == "expression_statement" else statement
        annotation = field.child_by_field_name("type") if field.type == "assignment" else None
        if field.type == "function_definition" and source.of(field.child_by_field_name("name")) == "__init__":
            return None
        if annotation is None or _NO_FIELD.match(source.of(annotation)):
            if annotation is not None and "KW_ONLY" in source.of(annotation):
                how = "named"
            continue
        value = field.child_by_field_name("right")
        if "init=False" not in source.of(value).replace(" ", ""):
            fields.append(Parameter(source.of(field.child_by_field_name("left")), how, value is not None))
    return tuple(fields)


def arguments_of(call: Node) -> tuple[Argument, ...] | None:
    """The arguments of a call; None where they are not told one by one (``*rest``), or do not parse."""
    held = call.child_by_field_name("arguments")
    if held is None or held.has_error or held.type in ("generator_expression", "template_string"):
        return None
    found: list[Argument] = []
    for node in held.named_children:
        if "comment" in node.type:
            continue
        if node.type in _SPLATS:
            return None
        keyword = node.child_by_field_name("name") if node.type == "keyword_argument" else None
        found.append(Argument(node, keyword))
    return tuple(found)


def bound(
    source: Source, parameters: Sequence[Parameter], arguments: Sequence[Argument]
) -> dict[int, list[int]] | None:
    """Which arguments each parameter of a call gets, by index; None where the call does not fit.

    Parameters that are left out have none; only the ones for all that is left have several.
    """
    is_strict = source.syntax.language.id in ("python", "go", "rust")
    by_place = [index for index, one in enumerate(parameters) if one.how == "plain"]
    rest = next((index for index, one in enumerate(parameters) if one.how == "rest"), None)
    rest_named = next((index for index, one in enumerate(parameters) if one.how == "rest_named"), None)
    given: dict[int, list[int]] = {}
    n_placed = 0
    for number, argument in enumerate(arguments):
        if argument.keyword is not None:
            name = source.of(argument.keyword)
            named = (
                index
                for index, one in enumerate(parameters)
                if one.name == name and one.how in ("plain", "named")
            )
            at = next(named, rest_named)
            if at is None or (at in given and at != rest_named):
                return None
        elif n_placed < len(by_place):
            at = by_place[n_placed]
            n_placed += 1
        else:
            at = rest
        if at is None or (at in given and parameters[at].how in ("plain", "named")):
            return None
        given.setdefault(at, []).append(number)
    wanting = [index for index, one in enumerate(parameters) if index not in given and not _may_lack(one)]
    return None if wanting and is_strict else given


def _may_lack(parameter: Parameter) -> bool:
    return parameter.optional or parameter.how in ("rest", "rest_named")


def _parameters(source: Source, node: Node, *, by_name: bool) -> list[Parameter]:
    """The parameters that a node declares; Go's may be several."""
    kind = node.type
    default = kind in _PYTHON_DEFAULT or kind in ("assignment_pattern", "optional_parameter")
    inner = node.child_by_field_name("pattern") or node
    if kind == "required_parameter":
        default = node.child_by_field_name("value") is not None
    if kind == "typed_parameter":
        inner = node.named_children[0]
    if kind == "parameter_declaration":
        return [Parameter(source.of(name)) for name in node.children_by_field_name("name")]
    if kind in _REST or inner.type in _REST:
        named = inner.named_children or [inner]
        return [Parameter(source.of(named[0]), "rest")]
    if "dictionary_splat_pattern" in (kind, inner.type):
        return [Parameter(source.of(inner.named_children[0]), "rest_named")]
    named_node = (
        node.child_by_field_name("name") or node.child_by_field_name("left") or inner
    )  # of a default, or the pattern itself
    if source.of(named_node) == "this":
        return []
    return [Parameter(source.of(named_node), "named" if by_name else "plain", default)]
