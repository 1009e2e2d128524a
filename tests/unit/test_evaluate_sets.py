"""The sets: cases built the same way every time, asked as they should be, and judged rightly."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from engine.code import regions
from engine.denoising.fake import FakeDenoiser
from engine.denoising.schedule import DECODINGS
from engine.engine import Engine
from engine.errors import UsageError
from engine.types import FillRequest, FillResult
from export.corpus.shards import Document, write_shards
from export.evaluate import documents, heldout, infilling, joint
from export.evaluate.answers import Answer, Evaluation, Reply
from export.evaluate.run import answers

PROGRAM = '''\
def total(numbers, start):
    """Add numbers.

    Not = a line to fill
    """
    result = start + 0
    for number in numbers:
        # only good ones = kept
        if number is None:
            continue
        else:
            result = result + number  # here
            result = result * 1
    text = """
    several = lines
    """
    return result


def other(x):
    return total(x, x)
'''
TESTS = "def check(candidate):\n    assert candidate([1, None, 2], 3) == 6\n"


def reply(*texts: str) -> Reply:
    return Reply(texts, "ok", 1, 2, 1, 1, 1.0)


class Scripted:
    """Answers every hole with what its request's text says stood there, and keeps what it was asked."""

    def __init__(self, *fills: str) -> None:
        self.fills = fills
        self.asked: list[FillRequest] = []

    def fill(self, request: FillRequest) -> FillResult:
        self.asked.append(request)
        return FillResult("ok", self.fills[: request.n_holes], tokens=3, forwards=2, ms=1.25)


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """One function's single-line problems."""
    hole = "    result = start + 0\n"
    prefix, _, suffix = PROGRAM.partition(hole)
    other = "            continue\n"
    prefix2, _, suffix2 = PROGRAM.partition(other)
    rows = [
        {"prompt": prefix, "canonical_solution": hole, "suffix": suffix},
        {"prompt": prefix2, "canonical_solution": other, "suffix": suffix2},
    ]
    path = tmp_path / "single.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            task = {"task_id": f"SingleLineInfilling/HumanEval/0/L{number}", "entry_point": "total"}
            file.write(json.dumps({**task, **row, "test": TESTS}) + "\n")
    return path


def ask(evaluation: Evaluation[Any, Any], model: object) -> list[Answer]:
    return [answer for _, answer in answers(evaluation, lambda mode: model, DECODINGS[:1])]


def test_infilling_is_judged_by_the_tests(problems: Path) -> None:
    evaluation = infilling.evaluation(problems, limit=1, single_line=True, max_tokens=9)
    model = Scripted("    result = 0 + start\n")
    (answer,) = ask(evaluation, model)
    assert (answer.right, answer.shares["exact"].hits, answer.source) == (True, False, "HumanEval/0")
    (request,) = model.asked
    assert (request.single_line, request.max_tokens, request.language) == (True, 9, "python")
    (answer,) = ask(evaluation, Scripted("    result = 1\n"))
    assert (answer.right, answer.complaint) == (False, "AssertionError")
    (answer,) = ask(evaluation, Scripted("result = start + 0"))
    assert answer.shares["exact"].hits and not answer.right  # the text is right, its indentation is not


def test_infilling_by_the_engine_itself(problems: Path) -> None:
    fake = FakeDenoiser("    result = start + 0\n")
    engine = Engine(fake, fake.codec, 1024)
    (answer,) = ask(infilling.evaluation(problems, limit=1, single_line=True, max_tokens=64), engine)
    assert answer.right and answer.shares["exact"].hits
    assert answer.reply.tokens >= 20 and answer.reply.forwards >= 2


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"no JSON\n")])
def test_a_file_that_is_no_set_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.gz"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"odd\.gz cannot be read"):
        infilling.read_cases(path)


def test_lines_that_can_be_holes() -> None:
    lines = [PROGRAM[span.start_char : span.end_char] for span in joint.line_spans(PROGRAM, "total")]
    assert lines == [
        *("result = start + 0", "for number in numbers:", "if number is None:", "result = result * 1"),
        "return result",
    ]
    assert joint.line_spans(PROGRAM, "unknown") == []


def test_expressions_that_can_be_holes() -> None:
    spans = joint.expression_spans(PROGRAM, "total")
    assert [PROGRAM[span.start_char : span.end_char] for span in spans] == [
        *("start + 0", "number is None", "result + number", "result * 1", "result"),
    ]


def test_joint_cases_are_distinct_and_always_the_same(problems: Path) -> None:
    cases = joint.read_cases(problems)
    assert joint.read_cases(problems) == cases
    groups = [case.group for case in cases]
    assert {group: groups.count(group) for group in groups} == {
        f"{n_holes} {kind}": most for (kind, n_holes), most in joint.N_CASES.items()
    }
    assert len({case.segments for case in cases}) == len(cases)
    for case in cases:
        assert case.segments.count(None) == len(case.solutions) == int(case.group[0])
        assert regions.join(case.segments, case.solutions) == PROGRAM
    assert joint.read_cases(problems, seed=1) != cases


def test_holes_with_code_between_them_come_first() -> None:
    program = "def f(x):\n    a = x\n    b = a\n    c = b\n    return c\n"
    cases = list(joint.cases_of("f", program, "f", ""))
    two = [case.segments[2] for case in cases if case.group == "2 lines"]
    assert [bool(kept and kept.strip()) for kept in two] == [True, True, True, False, False]


def test_joint_is_right_when_the_whole_function_is(problems: Path) -> None:
    evaluation = joint.evaluation(problems, limit=None, max_tokens=5)
    case = next(case for case in evaluation.cases if "result = start + 0" in case.solutions)
    model = Scripted(*case.solutions)
    assert evaluation.ask(model, case).texts == case.solutions  # type: ignore[arg-type]
    assert model.asked == [FillRequest(case.segments, language="python", single_line=True, max_tokens=5)]
    right = joint.judge(case, reply(*case.solutions))
    assert right.right and right.shares["exact"].hits
    at = case.solutions.index("result = start + 0")
    fills = [*case.solutions]
    fills[at] = "result = 0 + start"
    other = joint.judge(case, reply(*fills))
    assert other.right and not other.shares["exact"].hits
    assert (other.shares["hole_exact"].hits, other.shares["hole_exact"].of) == (len(fills) - 1, len(fills))
    fills[at] = "result = 7"
    assert not joint.judge(case, reply(*fills)).right


def document(number: int, text: str = PROGRAM) -> Document:
    return Document(
        ecosystem="pypi",
        package=f"package{number % 2}",
        version="1",
        path=f"m{number}.py",
        licence="MIT",
        language="python",
        text=text,
    )


def test_heldout_cases(tmp_path: Path) -> None:
    write_shards([document(0, ""), *map(document, range(5))], tmp_path, "heldout")
    cases = heldout.cases_of(documents.read_documents(tmp_path), per_kind=3)
    assert cases == heldout.cases_of(documents.read_documents(tmp_path), per_kind=3)
    kinds = [case.kind for case in cases]
    assert kinds.count("line") == kinds.count("expression") == kinds.count("docstring") == 3
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert case.prefix + case.solution + case.suffix == PROGRAM
        assert len(case.solution.strip()) >= heldout.MIN_CHARS


def test_heldout_is_asked_as_one_line_where_it_is_one() -> None:
    case = heldout.Case("n", "p", "python", "line", "a = ", "b + c", "\n")
    assert heldout.request_for(case, 7) == FillRequest(
        ("a = ", None, "\n"), language="python", single_line=True, max_tokens=7
    )
    block = heldout.Case("n", "p", "python", "block", "if a:\n    ", "b\n    c", "\n")
    assert not heldout.request_for(block, 7).single_line


def test_heldout_is_right_when_it_is_the_same() -> None:
    case = heldout.Case("n", "p", "python", "line", "a = ", "b + c", "\n")
    assert heldout.judge(case, reply(" b + c")).right
    near = heldout.judge(case, reply("b + d"))
    assert (near.right, near.shares["edit_similarity"].hits, near.group) == (False, 0.8, "line")


def test_a_directory_without_heldout_shards_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no heldout-\*"):
        list(documents.read_documents(tmp_path))
