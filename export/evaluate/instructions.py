"""EditEval: a piece of Python and an instruction to the piece as it was asked for, judged by its tests.

Reads the fields of the set: ``instruction``, ``input`` (what is to be changed), ``test`` (defines ``check``),
and in some ``context``, a program with ``{{Code}}`` where the changed piece stands: what surrounds it, or a
text that the tests look at. Everything asked goes through the task ``rewrite``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine.code import languages
from engine.code.syntax import error_count
from engine.engine import Engine
from engine.types import EditRequest, Span
from export.evaluate.answers import Answer, Evaluation, Reply, Share, evenly, read_problems, same, similarity
from export.sandbox import run_python

TEST_SECONDS = 8.0

PLACE = "{{Code}}"

_IN_QUOTES = re.compile(r"(\"\"\"|''')\s*\{\{Code\}\}")


@dataclass(frozen=True, slots=True)
class Case:
    """A piece of code and what is asked of it.

    Attributes:
        name: the set's name of it.
        instruction: what to do, in words.
        before, after: the code around the piece; empty where it stands alone.
        code: the piece.
        wanted: the set's own answer.
        program: the program that checks an answer, ``{{Code}}`` standing for it.
    """

    name: str
    instruction: str
    before: str
    code: str
    after: str
    wanted: str
    program: str


def read_cases(path: Path) -> list[Case]:
    """The problems of a file, in its order."""
    return [_case(problem) for problem in read_problems(path)]


def evaluation(path: Path, *, limit: int | None, max_tokens: int) -> Evaluation[Engine, Case]:
    """The set of a file.

    Args:
        path: gzip JSON Lines.
        limit: the most cases, evenly spaced; None for all.
        max_tokens: the most tokens of an answer.
    """

    def ask(engine: Engine, case: Case) -> Reply:
        start = len(case.before)
        request = EditRequest(
            "rewrite",
            case.before + case.code + case.after,
            "python",
            selection=Span(start, start + len(case.code)) if case.before or case.after else None,
            instruction=case.instruction,
            max_tokens=max_tokens,
        )
        result = engine.edit(request)
        return Reply.of_edit(result, result.text[start : len(result.text) - len(case.after)])

    return Evaluation(path.name, "pass_at_1", evenly(read_cases(path), limit), ask, judge)


def judge(case: Case, reply: Reply) -> Answer:
    """Run the tests over the changed piece."""
    (text,) = reply.texts
    python = languages.by_id("python")
    verdict = run_python(case.program.replace(PLACE, text), seconds=TEST_SECONDS)
    whole = case.before + text + case.after
    return Answer(
        case=case.name,
        source=case.name,
        group="",
        reply=reply,
        right=verdict.passed,
        shares={
            "exact": Share(same(text, case.wanted), 1),
            "parses": Share(not error_count(whole, python), 1),
            "changed": Share(reply.status == "ok", 1),
            "similarity": Share(similarity(text, case.wanted), 1),
        },
        complaint=verdict.complaint,
    )


def _case(problem: dict[str, str]) -> Case:
    context = problem.get("context") or PLACE
    before, after = "", ""
    if context.count(PLACE) == 1 and context.strip() != PLACE and not _IN_QUOTES.search(context):
        before, after = context.split(PLACE)
    return Case(
        name=problem["task_id"],
        instruction=problem["instruction"].strip(),
        before=before,
        code=problem["input"],
        after=after,
        wanted=problem["output"],
        program=f"{context}\n{problem['test']}\ncheck()\n",
    )
