"""The task ``complete``: a text to the same with the body, branch or arm that is missing at the selection.

The syntax tree says where code is missing: a placeholder, an empty body, an ``if`` without its other branch,
a ``match`` that can take an arm. The model fills that one place; the block it stands in is its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.code import languages
from engine.code.languages import BlockStyle, Language
from engine.code.regions import end_of_statement, placeholder_spans, shape_at
from engine.code.syntax import Syntax, parse, parses_worse
from engine.code.text import newline_of, split_lines
from engine.tasks import Edited, refused
from engine.types import EditRequest, Span
from engine.workbench import Workbench

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTIONS = re.compile(r"function|method|constructor|closure|func_literal|arrow")
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
    """

    span: Span
    before: str = ""
    after: str = ""
    until: str = ""


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Complete what is missing at the selection.

    Raises:
        Cancelled: asked to stop.
    """
    language, text = languages.by_id(request.language), request.text
    if language.block is BlockStyle.NONE:
        return refused(f"nothing to complete in {language.title}: it has no blocks")
    syntax = parse(text, language)
    if syntax is None:
        return refused("the text is too large, or too odd, to be parsed")
    gap = _gap(syntax, text, language, request.span)
    if gap is None:
        return refused("no body, branch or arm is missing here")
    newline = newline_of(text)
    before, after = (part.replace("\n", newline) for part in (gap.before, gap.after))
    head, tail = text[: gap.span.start_char] + before, after + text[gap.span.end_char :]
    result = bench.fill((head, None, tail), language.id, max_tokens=request.max_tokens, within_block=True)
    fill = result.fills[0] if result.fills else ""
    if language.block is BlockStyle.COLON:
        fill = end_of_statement(head, fill, language)
    if gap.until:
        fill = fill.replace("\r\n", "\n").partition(f"\n{gap.until}")[0].replace("\n", newline)
    fill = fill.rstrip()
    if result.status != "ok" or not fill.strip():
        return refused(result.reason or "nothing to add")
    new = head + fill + tail
    if parses_worse(new, text, language):
        return refused("the completed text would not parse")
    return Edited(new, (gap.span,), reason=result.reason, confidence=result.confidence[0])


def _gap(syntax: Syntax, text: str, language: Language, selection: Span) -> Gap | None:
    """The place that a selection means."""
    at = selection.start_char
    for span in placeholder_spans(text, language):
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


def _of_function(syntax: Syntax, text: str, language: Language, node: Node) -> Gap | None:
    """The body of a function that has none to speak of: a placeholder in it, or nothing."""
    body = node.child_by_field_name("body")
    if body is None:
        return None
    span = _span(syntax, body)
    inside = [
        one
        for one in placeholder_spans(text, language)
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
    indent = _indent(text, span.start_char)
    step = _step(text)
    return Gap(Span(span.start_char + 1, span.end_char - 1), f"\n{indent}{step}", f"\n{indent}")


def _behind_opener(text: str, at: int) -> Gap | None:
    """The block that a line above an offset opens and nothing fills."""
    line_start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    before = text[line_start:at]
    if not before.strip():  # on the line of the body already
        return Gap(Span(at, at), "" if before else _indent(text, len(text[:at].rstrip()) - 1) + _step(text))
    return Gap(Span(at, at), f"\n{_indent(text, at - 1)}{_step(text)}")


def _branch(syntax: Syntax, text: str, language: Language, node: Node) -> Gap | None:
    """The branch or the arm that a statement lacks."""
    span = _span(syntax, node)
    indent, step = _indent(text, span.start_char), _step(text)
    if node.type in ("if_statement", "if_expression") and node.child_by_field_name("alternative") is None:
        if any("else" in child.type or "elif" in child.type for child in node.children) or node.has_error:
            return None
        end = len(text[: span.end_char].rstrip())
        if language.block is BlockStyle.COLON:
            return Gap(Span(end, end), f"\n{indent}else:\n{indent}{step}")
        if text[end - 1] == "}":
            return Gap(Span(end, end), f" else {{\n{indent}{step}", f"\n{indent}}}")
    return _arm(syntax, text, language, node) if node.type in _CHOICES and not node.has_error else None


def _arm(syntax: Syntax, text: str, language: Language, node: Node) -> Gap:
    """The place for another arm of a choice: before the one that takes all that is left, else at its end."""
    word = f"{_CHOICES[node.type]} ".lstrip()
    last = _last_arm(syntax, text, node)
    if last is not None:
        return _before_arm(syntax, text, last, word)
    span = _span(syntax, node)
    indent, end = _indent(text, span.start_char) + _step(text), len(text[: span.end_char].rstrip())
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
        if text[text.rfind("\n", 0, start) + 1 : start].strip():
            break
        first = above
    begin = _span(syntax, arm).start_char
    indent = _indent(text, begin)
    at = len(text[: _span(syntax, first).start_char].rstrip())
    head = re.match(r"\w+(?:\s+\w+)?\s*(?::|=>)", text[begin:])
    return Gap(Span(at, at), f"\n{indent}{word}", until=indent + (head[0] if head is not None else ""))


def _indent(text: str, at: int) -> str:
    """The white space in front of the line of an offset."""
    at = max(at, 0)
    start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    found = re.compile(r"[ \t]*").match(text, start)
    return found[0] if found is not None else ""


def _step(text: str) -> str:
    """What one level of indentation is in a text: the smallest there is."""
    return min(_indents(text), key=len, default="    ")


def _indents(text: str) -> Iterator[str]:
    for line in split_lines(text):
        blank = line[: len(line) - len(line.lstrip(" \t"))]
        if (
            line.strip()
            and blank
            and (blank[0] == "\t" or len(blank) > 1)
            and not line.lstrip().startswith("*")
        ):
            yield "\t" if blank[0] == "\t" else blank


def _of(syntax: Syntax, text: str, node: Node) -> str:
    span = _span(syntax, node)
    return text[span.start_char : span.end_char]


def _span(syntax: Syntax, node: Node) -> Span:
    to_char = syntax.utf8.byte_to_char
    return Span(to_char(node.start_byte), to_char(node.end_byte))
