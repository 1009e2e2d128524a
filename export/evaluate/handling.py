"""Statements of held-out functions whose errors are to be handled, and whether a text handles them.

Where nothing of the kind stands, something is taken out or declared: in Go a check behind a call, in Rust the
function that a statement calls is made one that may fail.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code.edits import TextEdit, apply
from engine.code.languages import Language
from engine.code.names import introduced
from engine.code.syntax import Syntax, parse, text_of, walk
from engine.code.text import line_end, line_start
from engine.tasks.handling.statements import BLOCKS
from engine.tasks.handling.targets import UnfitError, targets_in
from engine.types import Span
from export.evaluate.functions import functions_of

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_STATEMENTS = 3
MAX_TRIED = 40

_TOKEN = re.compile(r"\w+|[^\w\s;]")
_NOTHING = frozenset({"pass", "...", ";", "{", "}", "(", ")", ","})


@dataclass(frozen=True, slots=True)
class Asked:
    """Statements to handle the errors of.

    Attributes:
        text: the whole file.
        selection: the statements.
        original: the text as it was, where something was taken out that the answer can be compared with.
    """

    text: str
    selection: Span
    original: str | None = None


def asked(text: str, language: Language, rng: random.Random) -> Asked | None:
    """One of the places of a text where errors can be handled; None where there is none."""
    syntax = parse(text, language)
    if syntax is None or syntax.root.has_error:
        return None
    runs = list(_runs(syntax, text))
    for run in rng.sample(runs, min(MAX_TRIED, len(runs))):
        made = _MAKERS.get(language.id, _as_it_is)(syntax, text, run)
        given = parse(made.text, language) if made is not None else None
        if made is None or given is None or given.root.has_error:
            continue
        try:
            targets_in(given, made.text, made.selection)
        except UnfitError:
            continue
        return made
    return None


def lines_of(text: str, selection: Span) -> Span:
    """The lines that a selection is on."""
    return Span(line_start(text, selection.start_char), line_end(text, selection.end_char))


def is_kept(old: str, new: str) -> bool:
    """Whether every token of some lines stands, in order, in those that took their place."""
    left = iter(_TOKEN.findall(new))
    return all(token in left for token in _TOKEN.findall(old))


def n_handlers(text: str, language: Language) -> int:
    """How many handlers of a text do something."""
    syntax = parse(text, language)
    return 0 if syntax is None else sum(1 for node in walk(syntax.root) if _is_handler(node))


def names_resolve(old: str, new: str, language: Language) -> bool:
    """Whether a new text reads no name that nothing defines, but for those of the old one."""
    return not introduced(old, new, language)


def _is_handler(node: Node) -> bool:
    said = text_of(node)
    is_one = node.type in ("except_clause", "catch_clause") or (
        (node.type == "if_statement" and re.match(r"if\s.*\w+ != nil \{", said))
        or (node.type == "match_arm" and said.startswith("Err("))
        or (node.type == "if_expression" and re.match(r"if let Err\(", said))
    )
    if not is_one:
        return False
    fields = ("body", "consequence", "value")
    bodies = [body for field in fields if (body := node.child_by_field_name(field)) is not None]
    if node.type == "except_clause":
        bodies = [child for child in node.named_children if child.type == "block"]
    return any(
        not leaf.child_count and "comment" not in leaf.type and text_of(leaf) not in _NOTHING
        for body in bodies
        for leaf in _code(body)
    )


def _code(node: Node) -> Iterator[Node]:
    if "comment" not in node.type:
        yield node
        for child in node.children:
            yield from _code(child)


def _runs(syntax: Syntax, text: str) -> Iterator[tuple[Node, ...]]:
    """A few statements next to each other in the functions of a text."""
    n_most = 1 if syntax.language.id in _MAKERS else MAX_STATEMENTS
    to_char = syntax.utf8.byte_to_char
    bodies = [function.body for function in functions_of(text, syntax.language)]
    for block in walk(syntax.root):
        start = to_char(block.start_byte)
        is_inside = any(body.start_char <= start < body.end_char for body in bodies)
        if block.type not in BLOCKS[syntax.language.id] or not is_inside:
            continue
        nodes = [child for child in block.named_children if "comment" not in child.type]
        for at in range(len(nodes)):
            for end in range(at + 1, min(at + n_most, len(nodes)) + 1):
                yield tuple(nodes[at:end])


def _as_it_is(syntax: Syntax, text: str, run: tuple[Node, ...]) -> Asked | None:
    return Asked(text, _span(syntax, run[0], run[-1]))


def _without_check(syntax: Syntax, text: str, run: tuple[Node, ...]) -> Asked | None:
    """A statement of Go, and the check behind it taken out."""
    check = run[0].next_named_sibling
    if check is None or check.type != "if_statement" or check.child_by_field_name("initializer") is not None:
        return None
    condition = text_of(check.child_by_field_name("condition"))
    if not re.fullmatch(r"\w+ != nil", condition) or check.child_by_field_name("alternative") is not None:
        return None
    statement, taken = _span(syntax, run[0], run[0]), _span(syntax, check, check)
    if text[statement.end_char : taken.start_char].strip():
        return None
    given = text[: statement.end_char] + text[taken.end_char :]
    return Asked(given, statement, text)


def _made_fallible(syntax: Syntax, text: str, run: tuple[Node, ...]) -> Asked | None:
    """A statement of Rust that calls a function of the file, which is declared to give a ``Result``."""
    called = re.search(r"(\w+)\((?!.*\w+\()", text_of(run[0]), re.DOTALL)
    if called is None or len(re.findall(rf"\bfn\s+{called[1]}\b", text)) != 1:
        return None
    functions = [
        node
        for node in walk(syntax.root)
        if node.type == "function_item" and text_of(node.child_by_field_name("name")) == called[1]
    ]
    if len(functions) != 1 or functions[0].start_byte <= run[0].start_byte < functions[0].end_byte:
        return None
    kind, to_char = functions[0].child_by_field_name("return_type"), syntax.utf8.byte_to_char
    parameters = functions[0].child_by_field_name("parameters")
    if kind is not None:
        span = _span(syntax, kind, kind)
        edit = TextEdit(span, f"Result<{text_of(kind)}, String>")
    elif parameters is not None:
        end = to_char(parameters.end_byte)
        edit = TextEdit(Span(end, end), " -> Result<(), String>")
    else:
        return None
    moved = len(edit.new_text) - (edit.span.end_char - edit.span.start_char)
    selection = _span(syntax, run[0], run[0])
    shift = moved if edit.span.start_char < selection.start_char else 0
    return Asked(apply(text, [edit]), Span(selection.start_char + shift, selection.end_char + shift))


_MAKERS = {"go": _without_check, "rust": _made_fallible}
"""How a place is made in languages in which few stand there by themselves."""


def _span(syntax: Syntax, first: Node, last: Node) -> Span:
    to_char = syntax.utf8.byte_to_char
    return Span(to_char(first.start_byte), to_char(last.end_byte))
