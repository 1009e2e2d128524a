"""Evaluation sets to figures: fills every problem, runs its tests, counts.

Reads the HumanEval-infilling format (fields ``prompt``, ``suffix``, ``canonical_solution``, ``test``,
``entry_point``; gzip JSON Lines). A fill passes when ``prompt + fill + suffix`` passes the problem's tests.
"""

from __future__ import annotations

import gzip
import json
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.engine import Engine
from engine.types import FillRequest, FillResult
from export.sandbox import run_python

TEST_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One problem, filled and judged."""

    task_id: str
    fill: str
    status: str
    passed: bool
    exact: bool
    tokens: int
    forwards: int
    ms: float
    complaint: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures over a set.

    Attributes:
        problems: how many.
        pass_at_1: share whose tests pass.
        exact: share equal to the reference solution, surrounding white space aside.
        empty: share of empty fills.
        tokens_per_forward: committed tokens over passes, context passes counted.
        median_ms, p95_ms: time of a fill.
    """

    problems: int
    pass_at_1: float
    exact: float
    empty: float
    tokens_per_forward: float
    median_ms: float
    p95_ms: float


def read_problems(path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """Problems of a gzip JSON Lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        problems = [json.loads(line) for line in file]
    return problems[:limit]


def evaluate(
    engine: Engine,
    problems: Sequence[dict[str, Any]],
    *,
    single_line: bool,
    max_tokens: int,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Answer]:
    """Fill and judge, in order; tests run beside the next fill."""

    def judged(problem: dict[str, Any], result: FillResult) -> Answer:
        fill = result.fills[0]
        verdict = run_python(_program(problem, fill), seconds=TEST_SECONDS)
        return Answer(
            problem["task_id"],
            fill,
            result.status,
            verdict.passed,
            fill.strip() == problem["canonical_solution"].strip(),
            result.tokens,
            result.forwards,
            round(result.ms, 1),
            verdict.complaint,
        )

    with ThreadPoolExecutor(max_workers=1) as judges:
        pending = []
        for done, problem in enumerate(problems, 1):
            request = FillRequest(
                (problem["prompt"], None, problem["suffix"]),
                language="python",
                single_line=single_line,
                max_tokens=max_tokens,
            )
            pending.append(judges.submit(judged, problem, engine.fill(request)))
            if progress is not None:
                progress(done)
        yield from (answer.result() for answer in pending)


def summarise(answers: Sequence[Answer]) -> Summary:
    """Figures over judged answers, at least one."""
    times = sorted(answer.ms for answer in answers)
    n = len(answers)
    return Summary(
        problems=n,
        pass_at_1=round(sum(answer.passed for answer in answers) / n, 4),
        exact=round(sum(answer.exact for answer in answers) / n, 4),
        empty=round(sum(not answer.fill.strip() for answer in answers) / n, 4),
        tokens_per_forward=round(
            sum(answer.tokens for answer in answers) / max(1, sum(answer.forwards for answer in answers)), 3
        ),
        median_ms=round(statistics.median(times), 1),
        p95_ms=times[min(n - 1, int(0.95 * n))],
    )


def write_answers(answers: Iterable[Answer], path: Path) -> None:
    """One JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for answer in answers:
            file.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")


def _program(problem: dict[str, Any], fill: str) -> str:
    code = problem["prompt"] + fill + problem["suffix"]
    return f"{code}\n{problem['test']}\ncheck({problem['entry_point']})\n"
