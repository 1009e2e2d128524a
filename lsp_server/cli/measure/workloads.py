"""What is asked of every peer: real edits of real files, each a few requests in a row.

The texts are Unmask's own source and the shipped samples, or the problems of an infilling set. Knows
nothing of models, peers or clocks.
"""

from __future__ import annotations

import ast
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from engine.errors import UsageError
from engine.types import EditRequest, FillRequest
from lsp_server.cli.measure import Occasion

Request = FillRequest | EditRequest

T = TypeVar("T")

BEFORE_CHARS, AFTER_CHARS = 900, 300
"""How much of a file is shown around a place in it, some 350 tokens."""

BODY_TOKENS = 64
REWRITE_LINES = 200
MAX_TOKENS = 32

SOURCES = (
    "filling/layout.py",
    "denoising/tokens.py",
    "denoising/cache.py",
    "code/edits.py",
    "denoising/lookup.py",
    "code/brackets.py",
    "weights/catalog.py",
    "code/spans.py",
    "code/names.py",
    "filling/ending.py",
    "filling/joint.py",
    "denoising/schedule.py",
)
"""The modules of ``engine`` that places are looked for in."""

REWRITTEN = "code/text.py"


@dataclass(frozen=True, slots=True)
class Step:
    """One request of an occasion.

    Attributes:
        row: of the table, that its figures belong to; None where it only prepares.
        request: what is asked.
        typed: what was typed since the step before.
    """

    row: str | None
    request: Request
    typed: str = ""

    def after(self, answer: str) -> Request:
        """The request if the step before was answered so; what is left of that is its draft."""
        if isinstance(self.request, FillRequest) and self.typed and answer.startswith(self.typed):
            return replace(self.request, draft=answer[len(self.typed) :])
        return self.request


@dataclass(frozen=True, slots=True)
class Workload:
    """One way of working, a number of times.

    Attributes:
        name: of the occasion.
        cases: each the steps of one occasion, asked in order with nothing cached at the first.
    """

    name: Occasion
    cases: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line to write: the text before and behind it, and what somebody wrote there."""

    prefix: str
    suffix: str
    written: str


COLD, AGAIN, TYPED = "file just opened", "asked again", "one more character"
ROWS = {
    COLD: "a line, nothing cached",
    AGAIN: "the same line again, its context cached",
    TYPED: "the same line after one more typed character",
    "body": f"a body of up to {BODY_TOKENS} tokens, its context cached",
    "holes": "three expressions of one function, nothing cached",
    "rewrite": f"a file of {REWRITE_LINES} lines restyled, nothing cached",
}
"""The rows of the table, and what happens in each."""


def workloads(occasions: Sequence[Occasion], n_lines: int, problems: Path | None) -> list[Workload]:
    """What is measured.

    Args:
        occasions: which.
        n_lines: lines that are written; a third as many bodies and functions with three holes, one rewrite.
        problems: an infilling set (gzip JSON Lines with ``prompt``, ``suffix``, ``canonical_solution``) that
            the lines are taken from; None for shipped texts.

    Raises:
        UsageError: the set cannot be read.
    """
    some = max(1, n_lines // 3)
    made: dict[Occasion, Callable[[], Sequence[tuple[Step, ...]]]] = {
        "line": lambda: [
            line_case(line)
            for line in evenly(list(own_lines()) if problems is None else read_lines(problems), n_lines)
        ],
        "body": lambda: evenly(list(_bodies()), some),
        "holes": lambda: evenly(list(_three_holes()), some),
        "rewrite": lambda: [_rewrite()],
    }
    return [Workload(name, tuple(make())) for name, make in made.items() if name in occasions]


def evenly(items: Sequence[T], n: int) -> Sequence[T]:
    """``n`` of the items, evenly spaced; all where there are fewer."""
    return items if len(items) <= n else [items[i * len(items) // n] for i in range(n)]


def line_case(line: Line) -> tuple[Step, ...]:
    """Open the file, ask again, type one character and ask again."""
    ask = FillRequest(
        (line.prefix, None, line.suffix), language="python", single_line=True, max_tokens=MAX_TOKENS
    )
    indent = len(line.written) - len(line.written.lstrip())
    typed = line.written[: indent + 1]
    return (
        Step(COLD, ask),
        Step(AGAIN, ask),
        Step(TYPED, replace(ask, segments=(line.prefix + typed, None, line.suffix)), typed),
    )


def read_lines(path: Path) -> list[Line]:
    """The problems of an infilling set.

    Raises:
        UsageError: it is not there, or not such a set.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            problems = [json.loads(line) for line in file if line.strip()]
        return [Line(one["prompt"], one["suffix"], one["canonical_solution"]) for one in problems]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is not an infilling set ({error})",
            "Give gzip JSON Lines with prompt, suffix and canonical_solution.",
        ) from error


def source(name: str) -> str:
    """The text of a module of ``engine``."""
    return (resources.files("engine") / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def around(text: str, start_char: int, end_char: int) -> tuple[str, str]:
    """What is shown of a text before and behind a span of it, whole lines at the far ends."""
    before, after = text[max(0, start_char - BEFORE_CHARS) : start_char], text[end_char:]
    if start_char > BEFORE_CHARS:
        before = before[before.find("\n") + 1 :]
    if len(after) > AFTER_CHARS:
        after = after[: after.rfind("\n", 0, AFTER_CHARS) + 1]
    return before, after


def own_lines() -> Iterator[Line]:
    """Of each module, what follows ``return`` nearest to the middle."""
    for name in SOURCES:
        text = source(name)
        marker = " return "
        places = [at for at in range(len(text)) if text.startswith(marker, at)]
        start = min(places, key=lambda at: abs(at - len(text) // 2)) + len(marker)
        end = text.index("\n", start)
        before, after = around(text, start, end)
        yield Line(before, after, text[start:end])


@dataclass(frozen=True, slots=True)
class _Function:
    """A function of a module, by what of it is on which line, from 0."""

    lines: list[str]
    node: ast.FunctionDef

    def char(self, line: int, column: int = 0) -> int:
        """Offset of a place in the module (its lines are ASCII where it is used)."""
        return sum(map(len, self.lines[:line])) + column


def _functions() -> Iterator[_Function]:
    """Of each module, the function of at least six statements that is nearest to the middle."""
    for name in SOURCES:
        text = source(name)
        lines = text.splitlines(keepends=True)
        nodes = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and len(node.body) > 4 and len(_expressions(node)) > 2
        ]
        if nodes:
            middle = len(lines) // 2
            yield _Function(lines, min(nodes, key=lambda node: abs(node.lineno - middle)))


def _bodies() -> Iterator[tuple[Step, ...]]:
    """The statements of a function behind its documentation are missing."""
    for function in _functions():
        text, body = "".join(function.lines), function.node.body
        start, end = function.char(body[1].lineno - 1), function.char(function.node.end_lineno or 0)
        before, after = around(text, start, end)
        ask = FillRequest((before, None, after), language="python", max_tokens=BODY_TOKENS)
        yield Step(None, replace(ask, max_tokens=1)), Step("body", ask)


def _three_holes() -> Iterator[tuple[Step, ...]]:
    """Three values of a function are missing: what it assigns and what it returns."""
    for function in _functions():
        text = "".join(function.lines)
        values = evenly(_expressions(function.node), 3)
        spans = [
            (
                function.char(value.lineno - 1, value.col_offset),
                function.char(value.lineno - 1, value.end_col_offset or 0),
            )
            for value in values
        ]
        before, _ = around(text, *spans[0])
        _, after = around(text, *spans[-1])
        segments: list[str | None] = [before]
        for (_, end), (start, _) in pairwise(spans):
            segments += [None, text[end:start]]
        ask = FillRequest(
            (*segments, None, after), language="python", single_line=True, max_tokens=MAX_TOKENS
        )
        yield (Step("holes", ask),)


def _expressions(node: ast.FunctionDef) -> list[ast.expr]:
    """What is assigned or returned on a single line, in order."""
    found = [
        statement.value
        for statement in ast.walk(node)
        if isinstance(statement, ast.Assign | ast.Return) and statement.value is not None
    ]
    return sorted(
        (value for value in found if value.lineno == value.end_lineno), key=lambda value: value.lineno
    )


def _rewrite() -> tuple[Step, ...]:
    lines = source(REWRITTEN).splitlines(keepends=True)[:REWRITE_LINES]
    text = "".join(lines)
    return (
        Step(
            "rewrite",
            EditRequest("rewrite", text, "python", strength="restyle", max_tokens=len(text)),
        ),
    )
