"""HumanEval-X, Python: solutions rewritten without a word of what is wanted, judged by their own tests.

What is asked for so is the same code in better words: an answer is right if it still passes, changed or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from engine.code import languages
from engine.code.syntax import error_count
from engine.engine import Engine
from engine.types import EditRequest, Span, Strength
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, read_problems
from export.sandbox import run_python

TEST_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Case:
    """A solution and how much of it may change.

    Attributes:
        task_id: the set's name of the problem.
        strength: of the rewrite.
        before: imports and helpers above the function.
        code: the function.
        test: the program behind it that checks it.
    """

    task_id: str
    strength: Strength
    before: str
    code: str
    test: str

    @property
    def name(self) -> str:
        """What tells the case from others."""
        return f"{self.task_id} {self.strength}"


def read_cases(path: Path) -> list[Case]:
    """Every problem of a file at each strength, in its order; without those whose solution does not parse."""
    cases = [_case(problem, strength) for problem in read_problems(path) for strength in get_args(Strength)]
    python = languages.by_id("python")
    return [case for case in cases if not error_count(case.before + case.code, python)]


def evaluation(path: Path, *, limit: int | None, max_tokens: int) -> Evaluation[Engine, Case]:
    """The set of a file.

    Args:
        path: gzip JSON Lines.
        limit: the most cases, evenly spaced; None for all.
        max_tokens: the most tokens of an answer.
    """

    def ask(engine: Engine, case: Case) -> Reply:
        text = case.before + case.code
        request = EditRequest(
            "rewrite",
            text,
            "python",
            selection=Span(len(case.before), len(text)),
            strength=case.strength,
            max_tokens=max_tokens,
        )
        result = engine.edit(request)
        return Reply.of_edit(result, result.text[len(case.before) :])

    return Evaluation(path.name, "pass_at_1", evenly(read_cases(path), limit), ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Run the tests over the function as it is then."""
    (text,) = reply.texts
    verdict = run_python(f"{case.before}{text}\n{case.test}", seconds=TEST_SECONDS)
    changed = reply.status == "ok" and text != case.code
    return Answer(
        case=case.name,
        source=case.task_id,
        group=case.strength,
        reply=reply,
        right=verdict.passed,
        shares={"changed": Share(changed, 1), "right of changed": Share(changed and verdict.passed, changed)},
        complaint=verdict.complaint,
    )


def _case(problem: dict[str, str], strength: Strength) -> Case:
    declaration, test = problem["declaration"], problem["test"]
    at = declaration.rfind("def ")
    return Case(
        task_id=problem["task_id"],
        strength=strength,
        before=declaration[:at],
        code=(declaration[at:] + problem["canonical_solution"]).rstrip("\n"),
        test=test,
    )
