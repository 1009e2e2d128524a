"""A place in a text to the edit tasks worth offering there, without asking a model.

Goes by the syntax tree alone and is cheap enough for every movement of a cursor. Knows no editor: what an
offer is called is for people, what it carries is what an ``EditRequest`` needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from engine import editing
from engine.code import languages
from engine.code.languages import TARGETS, BlockStyle, Language
from engine.code.placeholders import Placeholders
from engine.code.syntax import Syntax, error_spans, parse, text_of
from engine.code.text import line_end, line_start
from engine.tasks.comments import is_doc, is_docstring
from engine.tasks.complete import missing_at
from engine.types import EditKind, Span, Strength

if TYPE_CHECKING:
    from tree_sitter import Node

TYPED = frozenset({"python", "typescript", "typescriptreact"})
"""The languages in which a type may be missing."""

MAX_FILE_CHARS = 60_000
"""No longer file is offered to be rewritten to another language."""

_NAMES = frozenset(
    {"identifier", "shorthand_property_identifier_pattern", "type_identifier", "field_identifier"}
)
_FUNCTION = re.compile(r"function|method|constructor")
_NOT_FUNCTION = re.compile(r"function_signature|type|call")
_UNTYPED = frozenset({"identifier", "default_parameter"})
_OWN = frozenset({"self", "cls"})
_DOC = re.compile(r"comment|string")
_MISSING = {"branch": "add the else branch", "cases": "add the missing cases", "handling": "handle errors"}
"""What the task ``complete`` is called where no body is missing."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An edit task that applies.

    Attributes:
        kind: the task.
        title: for people, in the imperative.
        whole: it is of the whole text, and not of the selection.
        strength: see ``EditRequest``.
        to: see ``EditRequest``.
    """

    kind: EditKind
    title: str
    whole: bool = False
    strength: Strength | None = None
    to: str | None = None


def offers(
    text: str, language_id: str, selection: Span, *, complained_of: bool, automatic: bool
) -> tuple[Offer, ...]:
    """What applies at a selection, most urgent first; only tasks that there are.

    Args:
        text: the whole text.
        language_id: LSP language identifier.
        selection: empty for a cursor.
        complained_of: a tool complains of something at the selection.
        automatic: nobody asked; only what is wrong is worth a word then.
    """
    language = languages.by_id(language_id)
    known = editing.kinds()
    return tuple(
        offer
        for offer in _offers(text, language, selection, complained_of=complained_of, automatic=automatic)
        if offer.kind in known
    )


def _offers(
    text: str, language: Language, selection: Span, *, complained_of: bool, automatic: bool
) -> Iterator[Offer]:
    if complained_of or _is_broken(text, language, selection):
        yield Offer("repair", "repair")
    if automatic:
        return
    syntax = parse(text, language)
    if syntax is not None:
        missing = missing_at(syntax, text, selection)
        yield from _of_definitions(syntax, selection, lacks_body=missing in (None, "body"))
        if missing in _MISSING:
            yield Offer("complete", _MISSING[missing])
        if _is_name(syntax, selection):
            yield Offer("names", "name this better")
    selected = text[selection.start_char : selection.end_char]
    if len(selected.strip()) > 1:
        for strength in get_args(Strength):
            yield Offer("rewrite", f"rewrite selection ({strength})", strength=strength)
    if language.id.removesuffix("react") in TARGETS and text.strip():
        yield from _translations(text, language, whole=not selected.strip())


def _is_broken(text: str, language: Language, selection: Span) -> bool:
    """Whether the parser complains of something on the lines of a selection."""
    start, end = line_start(text, selection.start_char), line_end(text, selection.end_char)
    return any(span.start_char <= end and span.end_char >= start for span in error_spans(text, language))


def _of_definitions(syntax: Syntax, selection: Span, *, lacks_body: bool) -> Iterator[Offer]:
    """What applies to the definitions in a selection, or to the innermost one around it.

    Args:
        syntax: of the text.
        selection: where it is asked.
        lacks_body: whether a body may be what is missing there.
    """
    found = _definitions(syntax, selection)
    if not found:
        return
    if syntax.language.id in TYPED and any(_lacks_type(node, syntax.language) for node, _ in found):
        yield Offer("types", "add types")
    has_doc = any(_has_doc(node, body, syntax.language) for node, body in found)
    yield Offer("docstring", "refresh docstring" if has_doc else "write docstring")
    if lacks_body and any(_is_unfinished(syntax, body) for _, body in found):
        yield Offer("complete", "complete body")


def _definitions(syntax: Syntax, selection: Span) -> list[tuple[Node, Node]]:
    """Definitions with their bodies: all inside a selection, or the innermost one around it."""
    start = syntax.utf8.char_to_byte(selection.start_char)
    end = syntax.utf8.char_to_byte(selection.end_char)
    inside, around = [], []
    for captures in syntax.matches(selection.start_char, selection.end_char + 1):
        if "definition" not in captures:
            continue
        pair = captures["definition"][0], captures["body"][0]
        if end > start and start <= pair[0].start_byte and pair[0].end_byte <= end:
            inside.append(pair)
        elif pair[0].start_byte <= start and end <= pair[0].end_byte:
            around.append(pair)
    return inside or sorted(around, key=lambda pair: pair[0].end_byte - pair[0].start_byte)[:1]


def _lacks_type(node: Node, language: Language) -> bool:
    """Whether a function, or one in a class, has a parameter or a result without a type."""
    if language.id == "python":
        return any(_lacks_python_type(function) for function in _functions(node))
    return any(
        parameter.child_by_field_name("type") is None
        for function in _functions(node)
        for parameter in (function.child_by_field_name("parameters") or function).named_children
        if parameter.type in ("required_parameter", "optional_parameter")
    )


def _lacks_python_type(function: Node) -> bool:
    if function.child_by_field_name("return_type") is None:
        return True
    parameters = function.child_by_field_name("parameters")
    return any(
        parameter.type in _UNTYPED and text_of(parameter) not in _OWN
        for parameter in (parameters.named_children if parameters else ())
    )


def _functions(node: Node) -> Iterator[Node]:
    """The functions that a definition is or holds."""
    open_nodes = [node]
    while open_nodes:
        inner = open_nodes.pop()
        if _FUNCTION.search(inner.type) and not _NOT_FUNCTION.search(inner.type):
            yield inner
        open_nodes += inner.named_children


def _has_doc(node: Node, body: Node, language: Language) -> bool:
    """Whether a definition has a docstring, or a comment right above it."""
    if language.block is BlockStyle.COLON:
        return bool(body.named_children) and is_docstring(body.named_children[0])
    above = node.prev_named_sibling
    return (
        above is not None
        and "comment" in above.type
        and (language.id != "go" or is_doc(text_of(above), language.id))
        and node.start_point.row - above.end_point.row <= 1
        and above.start_point.column == node.start_point.column
    )


def _is_unfinished(syntax: Syntax, body: Node) -> bool:
    """Whether a body is blank, or has something that stands for what is still to be written."""
    code = [child for child in body.named_children if not _DOC.search(child.type)]
    if not code:
        return True
    start, end = syntax.utf8.byte_to_char(body.start_byte), syntax.utf8.byte_to_char(body.end_byte)
    placeholders = Placeholders(syntax.root)
    return any(
        body.start_byte <= node.start_byte < body.end_byte and placeholders.is_open(node)
        for captures in syntax.matches(start, end)
        for node in captures.get("placeholder", ())[:1]
    ) or (len(code) == 1 and code[0].type == "pass_statement")


def _is_name(syntax: Syntax, selection: Span) -> bool:
    """Whether a cursor touches a name, or a selection is one."""
    for at_char in dict.fromkeys((selection.start_char, max(selection.start_char - 1, 0))):
        path = syntax.path(at_char)
        if path and path[-1].type in _NAMES:
            start = syntax.utf8.byte_to_char(path[-1].start_byte)
            end = syntax.utf8.byte_to_char(path[-1].end_byte)
            if start <= selection.start_char and selection.end_char <= end:
                return True
    return False


def _translations(text: str, language: Language, *, whole: bool) -> Iterator[Offer]:
    if len(text) > MAX_FILE_CHARS:
        return
    what = "file" if whole else "selection"
    for target in TARGETS:
        if target != language.id:
            title = languages.by_id(target).title
            yield Offer("translate", f"rewrite {what} to {title}", whole=whole, to=target)
