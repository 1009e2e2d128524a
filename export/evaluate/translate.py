"""HumanEval-X translation: a Python function and a declaration in another language to that function there.

Asked through the task ``translate``, with the declaration as what the new text begins with. A translation
passes when it compiles and passes the target's own tests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.code import languages
from engine.code.syntax import error_count
from engine.engine import Engine
from engine.errors import UsageError
from engine.types import EditRequest
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, read_problems
from export.evaluate.go_tests import go_program
from export.sandbox import check_toolchain, run_program

TARGETS = {"js": "javascript", "cpp": "cpp", "java": "java", "rust": "rust", "go": "go"}
"""Name in the data set to language."""
TEST_SECONDS = 15.0

UNUSABLE = frozenset(
    {
        *("JavaScript/112", "CPP/38"),  # the set's own solution fails its tests
        *("JavaScript/162", "CPP/22", "CPP/162", "Rust/38", "Rust/50", "Rust/162"),  # need other packages
        *("Go/10", "Go/32", "Go/38", "Go/50"),  # need other functions
    }
)
"""Problems of the even-numbered half whose own solution does not pass on a plain toolchain."""

_FOREIGN_RUST = re.compile(r"^use (?:rand::Rng|regex::Regex|md5);\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """A function to translate.

    Attributes:
        name: the target's name of the problem, such as ``CPP/0``.
        language: the target's LSP identifier.
        source: the function in Python.
        declaration: what the answer begins with, up to the brace that opens the function.
        solution: the rest of the set's own translation.
        tests: the program that checks it, to stand behind it.
    """

    name: str
    language: str
    source: str
    declaration: str
    solution: str
    tests: str


def read_cases(directory: Path, targets: Sequence[str]) -> list[Case]:
    """The usable problems of ``humaneval_x_*.jsonl.gz``, target by target.

    Args:
        directory: where the files lie.
        targets: keys of ``TARGETS``.

    Raises:
        UsageError: a file is not there.
    """
    sources = {
        _number(problem["task_id"]): problem["declaration"] + problem["canonical_solution"]
        for problem in read_problems(directory / "humaneval_x_python.jsonl.gz")
    }
    return [
        Case(
            name=problem["task_id"],
            language=TARGETS[target],
            source=sources[_number(problem["task_id"])].strip(),
            declaration=_FOREIGN_RUST.sub("", problem["declaration"]).lstrip("\n"),
            solution=problem["canonical_solution"],
            tests=problem["test"],
        )
        for target in targets
        for problem in read_problems(directory / f"humaneval_x_{target}.jsonl.gz")
        if problem["task_id"] not in UNUSABLE
    ]


def evaluation(
    directory: Path, *, targets: Sequence[str], limit: int | None, max_tokens: int
) -> Evaluation[Engine, Case]:
    """The set of a directory.

    Args:
        directory: holds ``humaneval_x_*.jsonl.gz``.
        targets: keys of ``TARGETS``.
        limit: the most cases, evenly spaced over all targets; None for all.
        max_tokens: the most tokens of an answer.

    Raises:
        UsageError: an unknown target, a missing file, or a language that cannot be run here.
    """
    for target in targets:
        if target not in TARGETS:
            raise UsageError(f"{target} is no target", f"Choose among {', '.join(TARGETS)}.")
        check_toolchain(TARGETS[target])

    def ask(engine: Engine, case: Case) -> Reply:
        request = EditRequest(
            "translate",
            case.source,
            "python",
            to=case.language,
            opening=case.declaration,
            max_tokens=max_tokens,
        )
        result = engine.edit(request)
        text = result.text.removeprefix(case.declaration) if result.status == "ok" else ""
        return Reply.of_edit(result, text)

    name = f"translate python to {', '.join(targets)}"
    return Evaluation(name, "pass_at_1", evenly(read_cases(directory, targets), limit), ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Compile the answer with the set's tests and run it."""
    (text,) = reply.texts
    verdict = run_program(case.language, program_of(case, text), seconds=TEST_SECONDS)
    compiles = not verdict.complaint.startswith("does not compile")
    parses = bool(text.strip()) and not error_count(case.declaration + text, languages.by_id(case.language))
    return Answer(
        case=case.name,
        source=_number(case.name),
        group=case.language,
        reply=reply,
        right=verdict.passed,
        shares={"compiles": Share(compiles, 1), "parses": Share(parses, 1)},
        complaint=verdict.complaint,
    )


def program_of(case: Case, text: str) -> str:
    """A translation with its tests."""
    program = f"{case.declaration}{text}\n{case.tests}"
    return go_program(program) if case.language == "go" else program


def _number(task_id: str) -> str:
    return task_id.rpartition("/")[2]
