"""HumanEval infilling: one hole in a function, judged by the function's tests.

Reads the format of human-eval-infilling: ``prompt``, ``suffix``, ``canonical_solution``, ``test``,
``entry_point``. A fill passes when ``prompt + fill + suffix`` passes the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.engine import Engine
from engine.types import FillRequest
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, function_of, read_problems, same
from export.sandbox import run_python

TEST_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Case:
    """A function with one hole."""

    name: str
    prefix: str
    suffix: str
    solution: str
    tests: str


def read_cases(path: Path) -> list[Case]:
    """The problems of a file, in its order."""
    return [
        Case(
            name=problem["task_id"],
            prefix=problem["prompt"],
            suffix=problem["suffix"],
            solution=problem["canonical_solution"],
            tests=tests_of(problem["test"], problem["entry_point"]),
        )
        for problem in read_problems(path)
    ]


def evaluation(
    path: Path, *, limit: int | None, single_line: bool, max_tokens: int
) -> Evaluation[Engine, Case]:
    """The set of a file.

    Args:
        path: gzip JSON Lines.
        limit: the most cases, evenly spaced; None for all.
        single_line: stop each fill at the end of its line.
        max_tokens: the most tokens of a fill.
    """

    def ask(engine: Engine, case: Case) -> Reply:
        request = FillRequest(
            (case.prefix, None, case.suffix),
            language="python",
            single_line=single_line,
            max_tokens=max_tokens,
        )
        return Reply.of(engine.fill(request))

    return Evaluation(path.name, "pass_at_1", evenly(read_cases(path), limit), ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Run the tests over the filled function."""
    (fill,) = reply.texts
    verdict = run_python(f"{case.prefix}{fill}{case.suffix}\n{case.tests}", seconds=TEST_SECONDS)
    return Answer(
        case=case.name,
        source=function_of(case.name),
        group="",
        reply=reply,
        right=verdict.passed,
        shares={"exact": Share(same(fill, case.solution), 1)},
        complaint=verdict.complaint,
    )


def tests_of(test: str, entry_point: str) -> str:
    """The program that checks a function, to stand behind it."""
    return f"{test}\ncheck({entry_point})\n"
