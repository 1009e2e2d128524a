"""A selection to the place where code is missing: a body, the other branch of an ``if``, an arm of a choice.

Goes by the syntax tree alone. Knows no model, and not what is written there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from engine.code.indentation import indent_at, step_of
from engine.code.languages import BlockStyle, Language
from engine.code.regions import placeholder_spans, shape_at
from engine.code.syntax import Syntax
from engine.code.text import line_start
from engine.types import Span

if TYPE_CHECKING:
    from tree_sitter import Node

Missing = Literal["body", "branch", "cases"]

_FUNCTIONS = re.compile(r"function|method|constructor|closure|func_literal|arrow")
_CONDITIONS = frozenset({"if_statement", "if_expression"})
_CHOICES = {"match_statement": "case", "match_expression": "", "switch_statement": "case"}
_TAKES_ALL = {
    "case_clause": re.compile(r"case\s+[^\W\d]\w*\s*:"),
    "match_arm": re.compile(r"[a-z_]\w*\s*=>"),
    **dict.fromkeys(("switch_default", "case_statement", "switch_section"), re.compile(r"default\s*:")),
}
"""How the arm begins that takes what no other one takes, by its kind."""
_RUNS_ON = frozenset({"switch_default", "case_statement"})
"""Arms that one before them may run on into."""
_LEAVES = re.compile(r"\b(?:break|continue|(?:return|throw|goto)\b[^;]*)\s*;?[\s}]*$")


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where code is missing.

    Attributes:
        span: what the new code takes the place of; mostly nothing.
        before: what is written in front of it, such as ``else:`` and an indentation.
        after: what is written behind it, such as a line end.
        until: how the line begins that the new code ends before, its indentation included; empty for none.
        missing: what the code is.
        statement: what lacks a branch or cases; None where a body is missing.
    """

    span: Span
    before: str = ""
    after: str = ""
    until: str = ""
    missing: Missing = "body"
    statement: Span | None = None


def gap_at(syntax: Syntax, text: str, language: Language, selection: Span) -> Gap | None:
    """The place that a selection means."""
    at = _behind_indent(text, selection.start_char)
    for span in placeholder_spans(text, language, Span(min(at, selection.end_char), selection.end_char)):
        if span.start_char <= selection.end_char and at <= span.end_char:
            return Gap(span)
    path = syntax.path(at) or syntax.path(max(at - 1, 0))
    for node in reversed(path):
        if _FUNCTIONS.search(node.type):
            gap = _of_function(syntax, text, language, node)
            if gap is not None:
                return gap
    if shape_at(text, at, language).empty_block:
        return _behind_opener(text, at)
    for node in reversed(path):
        gap = _branch(syntax, text, language, node)
        if gap is not None:
            return gap
        if _FUNCTIONS.search(node.type):
            return None
    return None


def _behind_indent(text: str, at: int) -> int:
    """An offset, or where the code of its line begins if it stands in front of that."""
    indent_end = line_start(text, at) + len(indent_at(text, at))
    return at if text[indent_end : indent_end + 1] in ("", "\r", "\n") else max(at, indent_end)


def _of_function(syntax: Syntax, text: str, language: Language, node: Node) -> Gap | None:
    """The body of a function that has none to speak of: a placeholder in it, or nothing."""
    body = node.child_by_field_name("body")
    if body is None:
        return None
    span = _span(syntax, body)
    inside = [
        one
        for one in placeholder_spans(text, language, span)
        if span.start_char <= one.start_char and one.end_char <= span.end_char
    ]
    statements = [child for child in body.named_children if "comment" not in child.type]
    if inside and len(statements) <= 2:
        return Gap(inside[0])
    if language.block is BlockStyle.COLON or statements:
        only = statements[0] if len(statements) == 1 and body.named_child_count == 1 else None
        return Gap(_span(syntax, only)) if only is not None and only.type == "pass_statement" else None
    if text[span.start_char : span.end_char].strip("{} \t\r\n"):
        return None
    indent = indent_at(text, span.start_char)
    step = step_of(text)
    return Gap(Span(span.start_char + 1, span.end_char - 1), f"\n{indent}{step}", f"\n{indent}")


def _behind_opener(text: str, at: int) -> Gap | None:
    """The block that a line above an offset opens and nothing fills."""
    before = text[line_start(text, at) : at]
    if not before.strip():  # on the line of the body already
        return Gap(
            Span(at, at), "" if before else indent_at(text, len(text[:at].rstrip()) - 1) + step_of(text)
        )
    return Gap(Span(at, at), f"\n{indent_at(text, at - 1)}{step_of(text)}")


def _branch(syntax: Syntax, text: str, language: Language, node: Node) -> Gap | None:
    """The branch or the arm that a statement lacks."""
    if node.type not in _CONDITIONS and node.type not in _CHOICES:
        return None
    span = _span(syntax, node)
    indent, step = indent_at(text, span.start_char), step_of(text)
    lacks_branch = partial(Gap, missing="branch", statement=span)
    if node.type in _CONDITIONS and node.child_by_field_name("alternative") is None:
        if any("else" in child.type or "elif" in child.type for child in node.children) or node.has_error:
            return None
        end = len(text[: span.end_char].rstrip())
        if language.block is BlockStyle.COLON:
            return lacks_branch(Span(end, end), f"\n{indent}else:\n{indent}{step}")
        if text[end - 1] == "}":
            return lacks_branch(Span(end, end), f" else {{\n{indent}{step}", f"\n{indent}}}")
    if node.type not in _CHOICES or node.has_error:
        return None
    return replace(_arm(syntax, text, language, node), missing="cases", statement=span)


def _arm(syntax: Syntax, text: str, language: Language, node: Node) -> Gap:
    """The place for another arm of a choice: before the one that takes all that is left, else at its end."""
    word = f"{_CHOICES[node.type]} ".lstrip()
    last = _last_arm(syntax, text, node)
    if last is not None:
        return _before_arm(syntax, text, last, word)
    span = _span(syntax, node)
    indent, end = indent_at(text, span.start_char) + step_of(text), len(text[: span.end_char].rstrip())
    if language.block is BlockStyle.COLON:
        return Gap(Span(end, end), f"\n{indent}{word}")
    inner = len(text[: end - 1].rstrip())
    return Gap(Span(inner, inner), f"\n{indent}{word}")


def _last_arm(syntax: Syntax, text: str, node: Node) -> Node | None:
    """The last arm of a choice if it takes all that is left and none runs on into it; else None."""
    body = node.child_by_field_name("body")
    arms = [child for child in body.named_children if "comment" not in child.type] if body is not None else []
    starts = _TAKES_ALL.get(arms[-1].type) if arms else None
    if starts is None or starts.match(_of(syntax, text, arms[-1])) is None:
        return None
    runs_on = arms[-1].type in _RUNS_ON and len(arms) > 1
    return None if runs_on and not _LEAVES.search(_of(syntax, text, arms[-2])) else arms[-1]


def _before_arm(syntax: Syntax, text: str, arm: Node, word: str) -> Gap:
    """The place for a new arm in front of another one and of the comments on it."""
    first = arm
    while (above := first.prev_sibling) is not None and "comment" in above.type:
        start = _span(syntax, above).start_char
        if text[line_start(text, start) : start].strip():
            break
        first = above
    begin = _span(syntax, arm).start_char
    indent = indent_at(text, begin)
    at = len(text[: _span(syntax, first).start_char].rstrip())
    head = re.match(r"\w+(?:\s+\w+)?\s*(?::|=>)", text[begin:])
    return Gap(Span(at, at), f"\n{indent}{word}", until=indent + (head[0] if head is not None else ""))


def _of(syntax: Syntax, text: str, node: Node) -> str:
    span = _span(syntax, node)
    return text[span.start_char : span.end_char]


def _span(syntax: Syntax, node: Node) -> Span:
    to_char = syntax.utf8.byte_to_char
    return Span(to_char(node.start_byte), to_char(node.end_byte))
