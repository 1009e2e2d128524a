"""Joint infilling: two or three holes in one function at once, judged by the function's tests.

Built from the single-line infilling data: its parts make the whole function again, and other holes are
punched into the function's body: contents of whole lines, or expressions. Which ones depends on the task
and a seed alone.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.code import languages, regions
from engine.code.syntax import Syntax, parse, walk
from engine.engine import Engine
from engine.types import FillRequest, Span
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, function_of, read_problems, same
from export.evaluate.infilling import TEST_SECONDS, tests_of
from export.sandbox import run_python

if TYPE_CHECKING:
    from tree_sitter import Node

HoleKind = Literal["lines", "expressions"]

SEED = 2026
N_CASES: dict[tuple[HoleKind, int], int] = {
    ("lines", 2): 5,
    ("lines", 3): 7,
    ("expressions", 2): 2,
    ("expressions", 3): 2,
}
"""The most cases a function gives, by kind and number of holes."""
MIN_CHARS = 3
"""A hole holds at least so many characters that are not white space."""
_IDLE = ("pass", "break", "continue", "else:", "try:", "finally:", "return")
_MAX_COMBINATIONS = 20_000

PYTHON = languages.by_id("python")


@dataclass(frozen=True, slots=True)
class Case:
    """A function with several holes.

    Attributes:
        name: the function's, with the kind of holes and a number.
        function: the benchmark's function it is.
        group: kind and number of holes, such as ``3 lines``.
        segments: the program cut at the holes, as in ``FillRequest``.
        solutions: what stood in each hole.
        tests: the program that checks the function.
    """

    name: str
    function: str
    group: str
    segments: tuple[str | None, ...]
    solutions: tuple[str, ...]
    tests: str


def read_cases(path: Path, seed: int = SEED) -> list[Case]:
    """The cases that the functions of a single-line infilling file give, function by function."""
    functions: dict[str, dict[str, Any]] = {}
    for problem in read_problems(path):
        functions.setdefault(function_of(problem["task_id"]), problem)
    return [
        case
        for function, problem in functions.items()
        for case in cases_of(
            function,
            problem["prompt"] + problem["canonical_solution"] + problem["suffix"],
            problem["entry_point"],
            tests_of(problem["test"], problem["entry_point"]),
            seed,
        )
    ]


def cases_of(function: str, program: str, entry_point: str, tests: str, seed: int = SEED) -> Iterator[Case]:
    """The cases one function gives.

    Args:
        function: its name in the benchmark.
        program: text that defines it.
        entry_point: its name in the text.
        tests: the program that checks it.
        seed: of the choice of holes.
    """
    for (kind, n_holes), most in N_CASES.items():
        spans = (
            line_spans(program, entry_point) if kind == "lines" else expression_spans(program, entry_point)
        )
        chosen = _choose(spans, n_holes, most, random.Random(f"{seed}/{function}/{kind}/{n_holes}"), program)
        for number, holes in enumerate(chosen):
            yield Case(
                name=f"{function}/{n_holes}-{kind}/{number}",
                function=function,
                group=f"{n_holes} {kind}",
                segments=regions.cut(program, holes),
                solutions=tuple(program[span.start_char : span.end_char] for span in holes),
                tests=tests,
            )


def evaluation(
    path: Path, *, limit: int | None, max_tokens: int, n_holes: int | None = None
) -> Evaluation[Engine, Case]:
    """The set of a single-line infilling file.

    Args:
        path: gzip JSON Lines.
        limit: the most cases, evenly spaced; None for all.
        max_tokens: the most tokens of each hole.
        n_holes: only cases with so many holes; None for all.
    """

    def ask(engine: Engine, case: Case) -> Reply:
        request = FillRequest(case.segments, language="python", single_line=True, max_tokens=max_tokens)
        return Reply.of(engine.fill(request))

    cases = [case for case in read_cases(path) if n_holes in (None, len(case.solutions))]
    return Evaluation(f"joint {path.name}", "pass_at_1", evenly(cases, limit), ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Run the tests over the function with every hole filled."""
    verdict = run_python(f"{regions.join(case.segments, reply.texts)}\n{case.tests}", seconds=TEST_SECONDS)
    exact = [same(fill, solution) for fill, solution in zip(reply.texts, case.solutions, strict=True)]
    return Answer(
        case=case.name,
        source=case.function,
        group=case.group,
        reply=reply,
        right=verdict.passed,
        shares={"exact": Share(all(exact), 1), "hole_exact": Share(sum(exact), len(exact))},
        complaint=verdict.complaint,
    )


def line_spans(program: str, entry_point: str) -> list[Span]:
    """The lines of a function's body that can be holes, without indentation and line end, in order.

    Not lines that say little (``else:``), hold a comment, or lie in a docstring or a string of several lines.
    """
    syntax = _parsed(program)
    body = _body(syntax, entry_point)
    if body is None:
        return []
    closed = _closed_rows(body)
    spans = []
    start_char = 0
    for row, line in enumerate(program.splitlines(keepends=True)):
        content = line.strip()
        inside = body[0].start_point.row <= row <= body[-1].end_point.row
        idle = content in _IDLE or sum(not char.isspace() for char in content) < MIN_CHARS
        if inside and row not in closed and not idle and any(char.isalpha() for char in content):
            first = start_char + len(line) - len(line.lstrip())
            spans.append(Span(first, first + len(content)))
        start_char += len(line)
    return spans


def expression_spans(program: str, entry_point: str) -> list[Span]:
    """Right-hand sides, returned values and conditions of a function's body: on one line, apart, in order."""
    syntax = _parsed(program)
    spans: list[Span] = []
    for statement in _body(syntax, entry_point) or ():
        for node in walk(statement):
            found = _expression(node)
            if found is None or found.start_point.row != found.end_point.row:
                continue
            span = Span(syntax.utf8.byte_to_char(found.start_byte), syntax.utf8.byte_to_char(found.end_byte))
            apart = not spans or span.start_char >= spans[-1].end_char
            if apart and span.end_char - span.start_char >= MIN_CHARS:
                spans.append(span)
    return spans


def _choose(
    spans: Sequence[Span], n_holes: int, most: int, rng: random.Random, program: str
) -> list[tuple[Span, ...]]:
    """Distinct combinations of holes; those with kept code between some of them come first."""
    combinations = list(itertools.islice(itertools.combinations(spans, n_holes), _MAX_COMBINATIONS))
    rng.shuffle(combinations)
    combinations.sort(key=lambda holes: _is_one_run(holes, program))  # stable: a shuffle in two halves
    return combinations[:most]


def _is_one_run(holes: Sequence[Span], program: str) -> bool:
    """Whether nothing is kept between any two neighbours."""
    return all(
        not program[left.end_char : right.start_char].strip() for left, right in itertools.pairwise(holes)
    )


def _parsed(program: str) -> Syntax:
    syntax = parse(program, PYTHON)
    assert syntax is not None, "a function of the benchmark parses"
    return syntax


def _body(syntax: Syntax, entry_point: str) -> list[Node] | None:
    """The statements of a function at the top of a text, its docstring left out; None: no such function."""
    for node in syntax.root.children:
        name = node.child_by_field_name("name")
        if node.type == "function_definition" and name is not None and name.text == entry_point.encode():
            block = node.child_by_field_name("body")
            statements = list(block.named_children) if block is not None else []
            if statements and _is_docstring(statements[0]):
                del statements[0]
            return statements or None
    return None


def _is_docstring(statement: Node) -> bool:
    return statement.type == "expression_statement" and statement.named_children[0].type == "string"


def _closed_rows(statements: Sequence[Node]) -> set[int]:
    """The rows that hold a comment or part of a string of several lines."""
    rows: set[int] = set()
    for statement in statements:
        for node in walk(statement):
            long = node.type == "string" and node.start_point.row < node.end_point.row
            if node.type == "comment" or long or _is_docstring_of(node):
                rows.update(range(node.start_point.row, node.end_point.row + 1))
    return rows


def _is_docstring_of(node: Node) -> bool:
    """Whether a string is a statement by itself, as a nested function's docstring is."""
    return node.type == "expression_statement" and _is_docstring(node)


def _expression(node: Node) -> Node | None:
    """The expression of a statement that can be a hole."""
    if node.type in ("assignment", "augmented_assignment"):
        return node.child_by_field_name("right")
    if node.type in ("if_statement", "elif_clause", "while_statement"):
        return node.child_by_field_name("condition")
    if node.type == "return_statement" and node.named_children:
        return node.named_children[0]
    return None
