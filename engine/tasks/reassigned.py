"""A text to the edits that let it assign again what it declares as constant: ``let`` for ``const``, ``mut``.

Who translates from a language in which every name can be assigned again forgets to say so in JavaScript,
TypeScript and Rust. Goes by the syntax tree and the scopes; what cannot be followed is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.code.edits import TextEdit
from engine.code.languages import Language
from engine.code.syntax import Syntax, parse, text_of, walk
from engine.scopes.symbols import UnsureError, symbol_at
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_NAMES = ("identifier", "shorthand_property_identifier_pattern")
_TARGETS = (
    "array_pattern",
    "object_pattern",
    "pair_pattern",
    "rest_pattern",
    "parenthesized_expression",
    "tuple_expression",
)
"""What stands between a name and the assignment that it is a target of."""

_ASSIGNED = {
    "assignment_expression": "left",
    "augmented_assignment_expression": "left",
    "compound_assignment_expr": "left",
    "update_expression": "argument",
    "for_in_statement": "left",
}
"""By what assigns, the field of what is assigned."""

_OWNED = ("vec!", "[")
"""What the value of a Rust variable begins with that owns its elements: to assign one is to assign it."""


def edits_of(text: str, language: Language) -> list[TextEdit]:
    """The edits to the declarations of what a text assigns again though it may not.

    Returns:
        in order; none where the text does not parse, or the language has no such declarations.
    """
    declared = {"javascript": _consts, "typescript": _consts, "typescriptreact": _consts, "rust": _lets}
    find = declared.get(language.id)
    syntax = parse(text, language) if find is not None else None
    if find is None or syntax is None or syntax.root.has_error:
        return []
    return [
        edit
        for edit, names, elements in find(syntax)
        if any(_is_assigned(syntax, text, name, elements=elements) for name in names)
    ]


def _consts(syntax: Syntax) -> Iterator[tuple[TextEdit, list[Node], bool]]:
    """``const`` declarations: what makes one a variable, its names, and that its elements are no matter."""
    for node in walk(syntax.root):
        keyword = next((child for child in node.children if child.type == "const"), None)
        if keyword is None:
            continue
        if node.type == "lexical_declaration":
            bound = [child.child_by_field_name("name") for child in node.named_children]
        elif node.type == "for_in_statement":
            bound = [node.child_by_field_name("left")]
        else:
            continue
        names = [leaf for part in bound if part is not None for leaf in walk(part) if leaf.type in _NAMES]
        yield TextEdit(_span(syntax, keyword), "let"), names, False


def _lets(syntax: Syntax) -> Iterator[tuple[TextEdit, list[Node], bool]]:
    """Names that Rust's ``let`` binds to a value: the ``mut`` before one, the name, and whether it owns."""
    for node in walk(syntax.root):
        pattern, value = node.child_by_field_name("pattern"), node.child_by_field_name("value")
        if node.type != "let_declaration" or pattern is None or value is None:
            continue
        if any(child.type == "mutable_specifier" for child in node.children):
            continue
        owns = text_of(value).startswith(_OWNED)
        for leaf in walk(pattern):
            if leaf.type == "identifier" and leaf.parent is not None and leaf.parent.type != "mut_pattern":
                start_char = _span(syntax, leaf).start_char
                yield TextEdit(Span(start_char, start_char), "mut "), [leaf], owns and leaf == pattern


def _is_assigned(syntax: Syntax, text: str, name: Node, *, elements: bool) -> bool:
    """Whether what a name is declared as is assigned anywhere else."""
    try:
        symbol = symbol_at(syntax, text, _span(syntax, name).start_char, in_file=True)
    except UnsureError:
        return False
    leaves = (syntax.path(occurrence.span.start_char)[-1] for occurrence in symbol.occurrences)
    return any(leaf != name and _is_target(leaf, elements=elements) for leaf in leaves)


def _is_target(leaf: Node, *, elements: bool) -> bool:
    """Whether an occurrence of a name is assigned to, or, where that counts, one of its elements is."""
    child, above = leaf, leaf.parent
    while above is not None:
        of_element = elements and above.type == "index_expression" and above.named_children[0] == child
        if above.type not in _TARGETS and not of_element:
            break
        child, above = above, above.parent
    if above is None or above.child_by_field_name(_ASSIGNED.get(above.type, "")) != child:
        return False
    return above.type != "for_in_statement" or above.child_by_field_name("kind") is None


def _span(syntax: Syntax, node: Node) -> Span:
    return Span(syntax.utf8.byte_to_char(node.start_byte), syntax.utf8.byte_to_char(node.end_byte))
