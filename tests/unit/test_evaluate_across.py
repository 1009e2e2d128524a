"""Sets of what lies elsewhere: calls that follow a signature, and calls of what a sibling module defines."""

from __future__ import annotations

from dataclasses import replace

from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from engine.types import EditRequest, Related
from export.corpus.shards import Document
from export.evaluate import crossfile, follow
from export.evaluate.answers import Reply

FUNCTION = "def area(width, height):\n    return width * height\n\n\n"
CALLS = "a = area(1, 2)\nb = area(a, height=4)\n"
REPLY = Reply((), "ok", 1, 1, 0, 1, 1.0)


def document(path: str, text: str) -> Document:
    return Document("pypi", "shapes", "1", "MIT", path, "python", text)


def test_a_parameter_is_taken_out_of_a_signature_and_its_calls() -> None:
    (case,) = follow.cases_of([document("a.py", FUNCTION + CALLS), document("b.py", "x = 1\n")])
    assert case.before == FUNCTION.replace(", height", "", 1) + "a = area(1)\nb = area(a)\n"
    assert case.text == FUNCTION + "a = area(1)\nb = area(a)\n"
    right = follow.judge(case, replace(REPLY, texts=(case.original,)))
    assert right.right
    assert right.shares["calls_exact"].hits == 2
    half = case.original.replace("height=4", "5")
    wrong = follow.judge(case, replace(REPLY, texts=(half,)))
    assert (wrong.right, wrong.shares["calls_exact"].hits, wrong.complaint) == (
        False,
        1,
        ", 5 for , height=4",
    )


def test_the_task_does_what_the_set_asks() -> None:
    (case,) = follow.cases_of([document("a.py", FUNCTION + "a = area(1, 2)\n")])
    fake = FakeDenoiser("2")
    engine = Engine(fake, fake.codec, 1024)
    result = engine.edit(EditRequest("follow", case.text, case.language, before=case.before))
    assert follow.judge(case, Reply.of_edit(result, result.text)).right


def test_calls_of_what_a_sibling_defines() -> None:
    user = "from shapes.a import area\n\n\ndef f(x):\n    print(x)\n    return area(x, 2) + 1\n"
    cases = crossfile.cases_of([document("shapes/a.py", FUNCTION), document("shapes/m.py", user)], 64)
    arguments, line = sorted(cases, key=lambda case: case.kind)
    assert (arguments.solution, line.solution) == ("x, 2) + 1", "return area(x, 2) + 1")
    assert arguments.request.related == (Related("shapes/a.py", ("def area(width, height):",)),)
    assert arguments.request.segments[2] == "\n"
    answer = crossfile.judge(arguments, replace(REPLY, texts=("x, 2) + 1", "x)")))
    assert answer.right
    assert {name: share.hits for name, share in answer.shares.items() if "similarity" not in name} == {
        "exact_without": 0,
        "better": 1,
        "worse": 0,
    }
