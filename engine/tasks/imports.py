"""Names that a Python file needs from modules to the edits that import them, where imports belong.

An import of the same module is gone on with; a new one stands behind ``from __future__`` and before the
first other import. Knows nothing of whether a module is there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from engine.code.edits import TextEdit, apply, smallest_edits
from engine.code.languages import Language
from engine.code.names import unresolved
from engine.code.syntax import Syntax, parse, text_of
from engine.code.text import newline_of
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_DEFINITIONS = frozenset({"function_definition", "class_definition", "decorated_definition"})


def import_edits(
    syntax: Syntax, text: str, wanted: Iterable[tuple[str, str]], before_char: int | None = None
) -> list[TextEdit]:
    """Edits that import names, in order and disjoint.

    Args:
        syntax: of the text.
        text: a Python file.
        wanted: pairs of a module and a name that it does not import yet.
        before_char: where a name is first wanted: the imports stand before; None: the first definition.
    """
    definitions = (node.start_byte for node in syntax.root.named_children if node.type in _DEFINITIONS)
    before_byte = next(definitions, len(syntax.utf8.data))
    if before_char is not None:
        before_byte = syntax.utf8.char_to_byte(before_char)
    by_module: dict[str, list[str]] = {}
    for module, name in sorted(set(wanted)):
        by_module.setdefault(module, []).append(name)
    edits: list[TextEdit] = []
    lines: list[str] = []
    for module, names in by_module.items():
        statement = _import_of(syntax, module, before_byte)
        if statement is None:
            lines.append(f"from {module} import {', '.join(names)}")
        else:
            edits += _added(syntax, statement, names)
    if lines:
        edits.append(_new_lines(syntax, text, lines, before_byte))
    return sorted(edits, key=lambda edit: edit.span.start_char)


def with_modules(text: str, language: Language) -> str:
    """A Python text that imports the modules of the standard library that it looks names up in.

    Returns:
        the text as it is where it needs none more, and in other languages.
    """
    if language.id != "python":
        return text
    needed = [
        name
        for name in sorted(unresolved(text, language) & sys.stdlib_module_names)
        if re.search(rf"(?<![\w.]){name}\.", text)
    ]
    if not needed:
        return text
    gap = "" if re.match(r"\s*(?:import|from) ", text) else "\n\n"
    return "".join(f"import {name}\n" for name in needed) + gap + text


def without_idle(text: str, new: str, language: Language) -> str:
    """A new text without the names that it imports, nothing in it uses, and the old one did not import."""
    before, syntax = parse(text, language), parse(new, language)
    if before is None or syntax is None:
        return new
    statements = [node for node in syntax.root.named_children if node.type == "import_from_statement"]
    to_char = syntax.utf8.byte_to_char
    spans = [Span(to_char(node.start_byte), to_char(node.end_byte)) for node in statements]
    rest = apply(new, [TextEdit(span, "") for span in spans])
    added = _imported(syntax) - _imported(before)
    used = {(module, name) for module, name in added if re.search(rf"\b{re.escape(name)}\b", rest)}
    if used == added:
        return new
    kept = _apart_from(spans, smallest_edits(text, new))
    bare = apply(text, kept)
    parsed = parse(bare, language)
    return new if parsed is None else apply(bare, import_edits(parsed, bare, used))


def _imported(syntax: Syntax) -> set[tuple[str, str]]:
    """Pairs of a module and a name that a file imports from it at its top level."""
    found: set[tuple[str, str]] = set()
    for node in syntax.root.named_children:
        module = node.child_by_field_name("module_name") if node.type == "import_from_statement" else None
        if module is not None:
            names = node.children_by_field_name("name")
            found |= {(text_of(module), text_of(name)) for name in names}
    return found


def _apart_from(spans: Sequence[Span], edits: Sequence[TextEdit]) -> list[TextEdit]:
    """The edits that put nothing into some spans of the new text."""
    kept: list[TextEdit] = []
    shift = 0
    for edit in edits:
        start = edit.span.start_char + shift
        end = start + len(edit.new_text)
        shift = end - edit.span.end_char
        if not any(start < span.end_char and span.start_char < end for span in spans):
            kept.append(edit)
    return kept


def _import_of(syntax: Syntax, module: str, before_byte: int) -> Node | None:
    """The statement at the top level, before an offset, that imports names of a module."""
    for node in syntax.root.named_children:
        if node.type != "import_from_statement" or node.has_error or node.end_byte > before_byte:
            continue
        source = node.child_by_field_name("module_name")
        if source is not None and text_of(source) == module and node.children_by_field_name("name"):
            return node
    return None


def _added(syntax: Syntax, statement: Node, names: list[str]) -> list[TextEdit]:
    """Names put among those of a statement, each before the first that is greater if they are sorted."""
    nodes = statement.children_by_field_name("name")
    there = [text_of(node) for node in nodes]
    in_order = there == sorted(there)
    to_char = syntax.utf8.byte_to_char
    places: dict[int, str] = {}
    for name in names:
        greater = next((node for node, other in zip(nodes, there, strict=True) if other > name), None)
        if in_order and greater is not None:
            at = to_char(greater.start_byte)
            places[at] = places.get(at, "") + f"{name}, "
        else:
            at = to_char(nodes[-1].end_byte)
            places[at] = places.get(at, "") + f", {name}"
    return [TextEdit(Span(at, at), new) for at, new in places.items()]


def _new_lines(syntax: Syntax, text: str, lines: list[str], before_byte: int) -> TextEdit:
    newline = newline_of(text)
    added = newline.join(lines)
    to_char = syntax.utf8.byte_to_char
    top = [node for node in syntax.root.named_children if node.type != "comment"]
    future = [node for node in top if node.type == "future_import_statement"]
    first = next((node for node in top if node.type in ("import_statement", "import_from_statement")), None)
    if first is not None and first.start_byte > before_byte:
        first = None
    if first is not None and (not future or first.start_byte > future[-1].start_byte):
        at = to_char(first.start_byte)
        return TextEdit(Span(at, at), added + newline)
    if future:
        at = to_char(future[-1].end_byte)
        return TextEdit(Span(at, at), f"{newline}{newline}{added}")
    if top and top[0].type == "expression_statement" and top[0].named_children[0].type == "string":
        at = to_char(top[0].end_byte)
        return TextEdit(Span(at, at), f"{newline}{newline}{added}")
    at = to_char(top[0].start_byte) if top else len(text)
    return TextEdit(Span(at, at), f"{added}{newline}{newline}")
