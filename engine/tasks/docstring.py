"""The task ``docstring``: a definition to the same definition with a documentation comment, new or refreshed.

The comment's form is the file's own and made of what the code shows (parameters, a value returned); the model
says what each is, a line at a time, with the definition in sight. Nothing but the comment changes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from engine.code import languages
from engine.code.edits import TextEdit, apply
from engine.code.languages import Language
from engine.code.syntax import parse, parses_worse
from engine.code.text import newline_of
from engine.tasks import Edited, comments, refused
from engine.tasks.comments import Definition
from engine.tasks.kept_words import treasure
from engine.types import EditRequest
from engine.workbench import Workbench

MAX_LINE_TOKENS = 48
MAX_LINE_CHARS = 100
MAX_BODY_CHARS = 1_600

_TAGS = ("@", "@param", "@brief", "@return", "\\", ":param")
"""The form of a comment is not the model's to choose: it writes no tags."""
_UNUSABLE = re.compile(r'"""|\*/|\\')
_SENTENCE = re.compile(r"^.*?[.!?](?=\s|$)")


def run(bench: Workbench, request: EditRequest) -> Edited:
    """Document what is selected.

    Raises:
        Cancelled: asked to stop.
    """
    language, text = languages.by_id(request.language), request.text
    syntax = parse(text, language)
    if not comments.knows(language.id) or syntax is None:
        return refused(f"documentation comments are written in {_KNOWN}, not in {language.title}")
    chosen = _chosen(comments.definitions_of(syntax, text), request)
    if not chosen:
        return refused("no definition without a documentation comment is selected")
    lost = next(filter(None, (treasure(one.said(text)) for one in chosen)), None)
    if lost is not None:
        return refused(f"the documentation comment holds {lost}, which a new one would lose")
    edits: list[TextEdit] = []
    logs: list[float] = []
    for definition in chosen:
        if bench.deadline.passed or bench.work.tokens >= request.max_tokens:
            break
        made = _comment(bench, request, language, definition, edits)
        if made is not None:
            comment, log_confidence = made
            edits.append(TextEdit(definition.comment, comment.replace("\n", newline_of(text))))
            logs.append(log_confidence)
    new = apply(text, edits)
    if not edits or parses_worse(new, text, language):
        return refused("no comment could be written")
    left = len(chosen) - len(edits)
    return Edited(
        new,
        tuple(edit.span for edit in edits),
        reason=f"{left} of {len(chosen)} definitions stay without a comment" if left else None,
        confidence=math.exp(sum(logs) / len(logs)),
    )


def _chosen(definitions: Sequence[Definition], request: EditRequest) -> list[Definition]:
    """The definitions that a selection means, in order, none inside another's comment."""
    span = request.selection
    if span is None or "\n" in request.text[span.start_char : span.end_char].strip():
        start, end = (0, len(request.text)) if span is None else (span.start_char, span.end_char)
        inside = [one for one in definitions if start <= one.span.start_char < end]
        if inside:
            bare = [one for one in inside if not one.has_comment]
            whole = span is not None and len(inside) == 1
            return sorted(inside if whole else bare, key=lambda one: one.comment.start_char)
    if span is None:
        return []
    at = span.start_char
    around = [
        one
        for one in definitions
        if min(one.span.start_char, one.comment.start_char) <= at <= one.span.end_char
        or (one.span.start_char <= span.end_char and at <= one.span.start_char)
    ]
    return around[-1:]


def _comment(
    bench: Workbench,
    request: EditRequest,
    language: Language,
    definition: Definition,
    edits: Sequence[TextEdit],
) -> tuple[str, float] | None:
    """A definition's comment and the mean log-probability of what the model said in it."""
    text = request.text
    pieces = comments.form_of(definition, language.id, text)
    before = apply(text[: definition.comment.start_char], edits)
    code = (
        text[definition.comment.end_char :].lstrip("\r\n")
        if definition.has_comment
        else text[definition.comment.end_char :]
    )
    end = definition.span.end_char - definition.comment.end_char
    behind = code[: max(0, min(end, MAX_BODY_CHARS))].rstrip() + "\n"
    if language.id == "python":
        behind = f'"""\n{definition.indent}{behind.lstrip()}'
    comment = ""
    logs: list[float] = []
    for at, piece in enumerate(pieces):
        if piece is not None:
            comment += piece
            continue
        if bench.deadline.passed or bench.work.tokens >= request.max_tokens:
            return None
        closes = "}" if str(pieces[at + 1] if at + 1 < len(pieces) else "").startswith("}") else ""
        written = bench.go_on(
            before + comment,
            behind if language.id == "python" else f"\n{definition.indent}{behind}",
            language.id,
            stop=lambda said, closes=closes: _line_end(said, closes),  # type: ignore[misc]
            max_tokens=min(MAX_LINE_TOKENS, request.max_tokens - bench.work.tokens),
            avoid=_TAGS,
        )
        line = _line(written.text, ended=written.ended, is_first=not logs and language.id == "python")
        if line is None:
            return None
        comment += line.strip() if closes else line
        logs.append(math.log(max(written.confidence, 1e-9)))
    if language.id == "python":
        comment += "" if definition.has_comment else f"\n{definition.indent}"
    return comment, sum(logs) / max(len(logs), 1)


def _line_end(said: str, closes: str) -> int | None:
    """Where a line of a comment ends."""
    start = len(said) - len(said.lstrip())
    ends = [said.find(mark, start) for mark in ("\n", '"""', "*/", *((closes,) if closes else ()))]
    return min((end for end in ends if end >= 0), default=None)


def _line(said: str, *, ended: bool, is_first: bool) -> str | None:
    """A line as it goes into the comment, led by a space unless it opens a docstring; None for no use."""
    line = " ".join(said.split())
    if not ended or len(line) > MAX_LINE_CHARS:
        sentence = _SENTENCE.match(line)
        if sentence is None and not ended:
            return None
        line = sentence[0] if sentence is not None else line
    if not line or _UNUSABLE.search(line) or not re.search(r"\w", line):
        return None
    if is_first:
        line = line[0].upper() + line[1:]
        if line[-1] not in ".!?:":
            line += "."
        return line
    return f" {line}"


_KNOWN = "Python, JavaScript, TypeScript, Go, Rust, Java and C++"
