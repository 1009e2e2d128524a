"""Statements to a ``try`` around them and the frame of its handler, in the languages that have ``try``.

What the statements say stays: lines are moved in by one level, but for those that go on a string. Where a
block is a scope, nothing may be declared in it that is used behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.code.edits import TextEdit
from engine.code.syntax import Syntax, text_of
from engine.code.text import line_start, newline_of, split_lines
from engine.scopes.extent import left_open, used_behind
from engine.scopes.symbols import words_of
from engine.tasks.handling.endings import gives_value
from engine.tasks.handling.frame import Frame, UnfitError
from engine.tasks.handling.statements import BLOCKS, Statements, calls_in, in_string
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node


ANY_ERROR = "Exception"
"""The type of Python that takes in every error a program should handle."""

_CATCHES = {
    **dict.fromkeys(("javascript", "typescript", "typescriptreact"), "catch ({error})"),
    "java": "catch (Exception {error})",
    "cpp": "catch (const std::exception& {error})",
}
WRAPPED = frozenset({"python", *_CATCHES})
"""The languages that have ``try``."""

_NOT_INSIDE = re.compile(r"^import|future_import|export|explicit_constructor|using|preproc|type_alias")
"""Statements that may not stand in a block, or mean something else there."""
_IMPORTS = frozenset({"import_statement", "import_from_statement"})
"""Those that may stand anywhere in Python."""
_NAMED = re.compile(r"class|function|method|interface|enum|struct|record")
_TRIES = frozenset({"try_statement", "try_with_resources_statement"})
_GUARDS = re.compile(r"lock|guard|scope|defer|finally", re.IGNORECASE)
"""Types of C++ whose objects do something when their block ends."""


def check(syntax: Syntax, text: str, statements: Statements) -> None:
    """Whether a ``try`` may stand around statements.

    Raises:
        UnfitError: it may not, or need not.
    """
    nodes, block = statements.nodes, statements.block
    if not any(True for node in nodes for _ in calls_in(node)):
        raise UnfitError("nothing is called in the selected statements: select those that call something")
    is_python = syntax.language.id == "python"
    if any(_NOT_INSIDE.search(node.type) for node in nodes if not (is_python and node.type in _IMPORTS)):
        raise UnfitError("an import, an export or a directive is selected: it cannot stand in a `try`")
    if len(nodes) == 1 and nodes[0].type in _TRIES:
        raise UnfitError("the selected statement handles its errors already")
    if block.parent is not None and block.parent.type in _TRIES:
        raise UnfitError("the selected statements stand in a `try` already: add to its handler")
    if is_python:
        return
    names = (*used_behind(syntax, text, nodes), *_defined_for_more(syntax, text, nodes))
    if names:
        raise UnfitError(
            f"`{names[0]}` is declared in the selection and used behind it: declare it above, "
            "or select what uses it, too"
        )
    guard = _guard(nodes) if syntax.language.id == "cpp" and block.named_children[-1] != nodes[-1] else None
    if guard is not None:
        raise UnfitError(f"`{guard}` would end with the `try`: select all that it guards")


def frame(syntax: Syntax, text: str, statements: Statements, error: str) -> Frame:
    """The frame of the handler of statements around which a ``try`` may stand.

    Args:
        syntax: of the text.
        text: the whole file.
        statements: what may fail.
        error: what the error is called.
    """
    indent, step = statements.indent, statements.step
    below = f"\n{indent}"
    is_python = syntax.language.id == "python"
    if is_python:
        opens, between, closes = "try:", f"except {ANY_ERROR} as {error}:", ""
    else:
        gap = below if _is_brace_below(text, syntax, statements.block) else " "
        catches = _CATCHES[syntax.language.id].format(error=error)
        opens, between, closes = f"try{gap}{{", f"}}{gap}{catches}{gap}{{", f"{below}}}"
    newline, end = newline_of(text), statements.lines.end_char
    start, *rest = _moved_in(syntax, text, statements)
    first = TextEdit(start.span, (opens + below).replace("\n", newline) + start.new_text)
    opening = f"{below}{between}{below}{step}"
    nodes = statements.nodes
    values = (*left_open(syntax, text, nodes), *used_behind(syntax, text, nodes, hoisted=not is_python))
    return Frame((first, *rest), Span(end, end), opening, closes, error, values, gives_value(nodes[-1]))


def _moved_in(syntax: Syntax, text: str, statements: Statements) -> Iterator[TextEdit]:
    """What moves the lines of statements in by one level."""
    at_char, lines = statements.lines.start_char, statements.lines
    for line in split_lines(text[lines.start_char : lines.end_char]):
        keeps_place = line.startswith("#") and syntax.language.id == "cpp"
        if line.strip() and not keeps_place and not in_string(syntax, at_char):
            start = at_char + len(statements.indent) * line.startswith(statements.indent)
            yield TextEdit(Span(start, start), statements.step)
        at_char += len(line)


def _is_brace_below(text: str, syntax: Syntax, block: Node) -> bool:
    """Whether the brace that opens a block stands on a line of its own, below what it belongs to."""
    owner, at_char = block.parent, syntax.utf8.byte_to_char(block.start_byte)
    has_header = owner is not None and owner.start_point.row < block.start_point.row
    if owner is None or not has_header or owner.type in BLOCKS[syntax.language.id]:
        return False
    return text.startswith("{", at_char) and not text[line_start(text, at_char) : at_char].strip()


def _defined_for_more(syntax: Syntax, text: str, nodes: Sequence[Node]) -> list[str]:
    """The functions and types that statements define and that are named behind them."""
    block = nodes[0].parent
    assert block is not None, "statements stand in a block"
    behind = words_of(syntax.utf8.data[nodes[-1].end_byte : block.end_byte].decode("utf-8", "replace"))
    names = (text_of(node.child_by_field_name("name")) for node in nodes if _NAMED.search(node.type))
    return [name for name in names if name in behind]


def _guard(nodes: Sequence[Node]) -> str | None:
    """The variable of C++ that does something when its block ends."""
    for node in nodes:
        kind = text_of(node.child_by_field_name("type")) if node.type == "declaration" else ""
        if _GUARDS.search(kind):
            return text_of(node.child_by_field_name("declarator")).partition("(")[0]
    return None
