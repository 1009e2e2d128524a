"""A text to its outline: what it defines at its top, by name, each as the lines that say how to use it.

Signatures without bodies, classes with the signatures of their methods, short types and constants whole. Asks
the syntax tree; knows nothing of files and models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.languages import Language
from engine.code.syntax import Syntax, parse, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_ENTRY_CHARS = 1_200
"""A class is cut behind the method that goes over this."""

MAX_VALUE_CHARS = 160
"""No longer type or constant is shown whole."""

_WRAPPERS = frozenset(
    {"export_statement", "decorated_definition", "expression_statement", "ambient_declaration"}
)
_VALUES = frozenset(
    {"assignment", "lexical_declaration", "variable_declaration", "const_item", "static_item"}
)
_HELD = frozenset({"class_body", "block", "declaration_list", "interface_body", "field_declaration_list"})
_PRIVATE = re.compile(r"_(?!_init__)|#")


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that a text defines.

    Attributes:
        name: what it is imported by.
        text: how it is used, in the language itself; no newline at the end.
    """

    name: str
    text: str


def outline(text: str, language: Language) -> tuple[Entry, ...]:
    """What a text defines at its top, in order; nothing where it cannot be parsed."""
    syntax = parse(text, language)
    return () if syntax is None else tuple(_entries(syntax, syntax.root))


def _entries(syntax: Syntax, holder: Node) -> Iterator[Entry]:
    for child in holder.named_children:
        node = _unwrapped(child)
        if node is None or node.has_error:
            continue
        if node.type in _VALUES:
            yield from _values(syntax, child, node)
            continue
        name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
        if node.type == "function_definition" and name is None:  # C and C++
            name = _declared(node.child_by_field_name("declarator"))
        if node.type == "impl_item":
            name = node.child_by_field_name("type")
        if node.type == "type_declaration":  # Go
            spec = node.named_children[0] if node.named_children else None
            name = spec.child_by_field_name("name") if spec is not None else None
        if name is None:
            continue
        if body is not None and body.type in _HELD and not _is_function(node):
            yield Entry(text_of(name), _class(syntax, node, body))
        elif body is not None and _is_function(node):
            yield Entry(text_of(name), _header(syntax, node, body))
        elif "type" in node.type or "enum" in node.type:
            whole = text_of(node)
            yield Entry(text_of(name), whole if len(whole) <= MAX_VALUE_CHARS else whole.partition("\n")[0])


def _unwrapped(node: Node) -> Node | None:
    """What an export, a decorator or a statement is about."""
    inner: Node | None = node
    while inner is not None and inner.type in _WRAPPERS:
        inner = (
            inner.child_by_field_name("declaration")
            or inner.child_by_field_name("definition")
            or next((child for child in inner.named_children if child.type != "decorator"), None)
        )
    return inner


def _is_function(node: Node) -> bool:
    return node.child_by_field_name("parameters") is not None or node.type in (
        "function_definition",
        "method_definition",
    )


def _class(syntax: Syntax, node: Node, body: Node) -> str:
    """A class's header and those of its members, one a line."""
    lines = [_header(syntax, node, body)]
    n_chars = len(lines[0])
    for child in body.named_children:
        member = _unwrapped(child)
        if member is None or member.has_error or "comment" in member.type or member.type == "string":
            continue
        name, inner = member.child_by_field_name("name"), member.child_by_field_name("body")
        if name is not None and _PRIVATE.match(text_of(name)):
            continue
        if inner is not None and _is_function(member):
            text = _header(syntax, member, inner)
        elif len(text_of(member)) <= MAX_VALUE_CHARS and member.type not in _VALUES - {"assignment"}:
            text = text_of(member).partition("\n")[0]
        else:
            continue
        n_chars += len(text)
        if n_chars > MAX_ENTRY_CHARS:
            break
        lines.append(" " * 4 + text)
    return "\n".join(lines)


def _header(syntax: Syntax, node: Node, body: Node) -> str:
    """What stands before a body, on one line."""
    before = body.prev_sibling
    while before is not None and "comment" in before.type:
        before = before.prev_sibling
    end_byte = before.end_byte if before is not None else body.start_byte
    data = syntax.utf8.data[node.start_byte : end_byte].decode("utf-8", "replace")
    return (
        re.sub(r"\s*\n\s*", " ", data)
        .strip()
        .removesuffix("{")
        .rstrip()
        .replace("( ", "(")
        .replace(", )", ")")
    )


def _values(syntax: Syntax, child: Node, node: Node) -> Iterator[Entry]:
    """Constants, and functions that are assigned to a name."""
    parts = [node] if node.type != "lexical_declaration" else node.named_children
    for part in parts:
        name = part.child_by_field_name("left") or part.child_by_field_name("name")
        value = part.child_by_field_name("value")
        body = value.child_by_field_name("body") if value is not None else None
        if name is None or name.child_count:
            continue
        if body is not None:
            yield Entry(text_of(name), _header(syntax, child, body).removesuffix("=>").rstrip())
        elif len(text_of(child)) <= MAX_VALUE_CHARS and "require(" not in text_of(child):
            yield Entry(text_of(name), text_of(child).partition("\n")[0])


def _declared(node: Node | None) -> Node | None:
    """The name that a declarator of C declares."""
    while node is not None and node.child_by_field_name("declarator") is not None:
        node = node.child_by_field_name("declarator")
    return node
