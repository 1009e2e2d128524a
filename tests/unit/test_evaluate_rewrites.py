"""Rewrites without words: what is asked, and that an answer must still pass."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from export.evaluate.rewrites import evaluation

PROBLEM = {
    "task_id": "Python/0",
    "declaration": "import math\n\n\ndef twice(n):\n",
    "canonical_solution": "    return n+n\n",
    "test": "assert twice(2) == 4\n",
}


@pytest.mark.parametrize(
    ("answer", "changed", "right"),
    [
        ("def twice(n):\n    return n + n", 1, True),
        ("def twice(n):\n    return n+n", 0, True),
        ("def twice(n):\n    return n + n + n", 0, True),  # refused: what it adds
        ("def twice(n):\n    if n:\n        return n + n", 1, True),
    ],
)
def test_what_is_changed_must_still_pass(tmp_path: Path, answer: str, changed: int, right: bool) -> None:
    path = tmp_path / "set.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for problem in (PROBLEM, PROBLEM | {"canonical_solution": '    "\n    return n+n\n'}):
            file.write(json.dumps(problem) + "\n")
    asked = evaluation(path, limit=None, max_tokens=200)
    assert [case.strength for case in asked.cases] == ["restyle", "rework", "rewrite"]
    case = asked.cases[1]
    assert (case.before, case.code) == ("import math\n\n\n", "def twice(n):\n    return n+n")
    fake = FakeDenoiser(answer)
    judged = asked.judge(case, asked.ask(Engine(fake, fake.codec, 1024), case))
    assert (judged.shares["changed"].hits, judged.right) == (changed, right)
