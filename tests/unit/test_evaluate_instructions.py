"""EditEval: how its fields become a request and a program."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from engine.denoising.fake import FakeDenoiser
from engine.engine import Engine
from export.evaluate import instructions
from export.evaluate.answers import Reply
from export.evaluate.instructions import Case, evaluation, judge, read_cases
from export.sandbox import Verdict

CODE = "def f():\n    return 1"
ROWS = [
    {"task_id": "E/0", "instruction": "Give 2. ", "input": CODE},
    {"task_id": "E/1", "instruction": "Give 2.", "input": CODE, "context": ""},
    {"task_id": "E/2", "instruction": "Give 2.", "input": CODE, "context": "x = 1\n{{Code}}\ny = 2\n"},
    {
        "task_id": "E/3",
        "instruction": "Give 2.",
        "input": CODE,
        "context": '{{Code}}\ns = """\n{{Code}}\n"""',
    },
    {"task_id": "E/4", "instruction": "Give 2.", "input": CODE, "context": 's = """\n{{Code}}\n"""'},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for row in ROWS:
            file.write(
                json.dumps({**row, "output": "def f():\n    return 2\n", "test": "def check(): pass"}) + "\n"
            )
    return path


def test_what_surrounds_the_code_is_context_and_what_looks_at_it_is_not(path: Path) -> None:
    cases = read_cases(path)
    assert [(case.before, case.after) for case in cases] == [
        ("", ""),
        ("", ""),
        ("x = 1\n", "\ny = 2\n"),
        ("", ""),
        ("", ""),
    ]
    assert cases[0].instruction == "Give 2."
    assert cases[0].program == "{{Code}}\ndef check(): pass\ncheck()\n"
    assert cases[3].program.count("{{Code}}") == 2


def test_the_task_is_asked_and_the_piece_is_judged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs: list[str] = []

    def run_python(program: str, *, seconds: float) -> Verdict:
        programs.append(program)
        return Verdict(True, "")

    monkeypatch.setattr(instructions, "run_python", run_python)
    asked = evaluation(path, limit=None, max_tokens=200)
    fake = FakeDenoiser("def f():\n    return 2\n")
    replies = [asked.ask(Engine(fake, fake.codec, 1024), case) for case in asked.cases[2:3]]
    assert [reply.texts for reply in replies] == [("def f():\n    return 2",)]
    answer = asked.judge(asked.cases[2], replies[0])
    assert programs == ["x = 1\ndef f():\n    return 2\ny = 2\n\ndef check(): pass\ncheck()\n"]
    assert answer.right and answer.shares["exact"].hits and answer.shares["parses"].hits


def test_a_refusal_is_the_old_code(path: Path) -> None:
    case = Case("E/9", "Do it.", "", CODE, "", CODE, "{{Code}}\nassert f() == 2\n")
    answer = judge(case, Reply((CODE,), "refused", 3, 3, 1, 0, 1.0))
    assert not answer.right and not answer.shares["changed"].hits
