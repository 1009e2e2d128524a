"""`unmask eval`: every mode over the same cases, the base first."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from lsp_server.cli.eval import _in_order
from tests.unit.conftest import Unmask

MODES = ["left_to_right", "lossless", "parallel"]


@pytest.fixture
def problems(tmp_path: Path) -> str:
    path = tmp_path / "set.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for number in range(3):
            problem = {
                "task_id": f"SingleLineInfilling/HumanEval/{number}/L0",
                "entry_point": "f",
                "prompt": "def f():\n",
                "canonical_solution": "    return 1\n",
                "suffix": "",
                "test": f"def check(f):\n    assert f() + {number} <= 2\n",
            }
            file.write(json.dumps(problem) + "\n")
    return str(path)


FAKE = ("--model", "fake:answer=    return 1\n")


def test_one_object_for_all_modes(unmask: Unmask, problems: str) -> None:
    outcome = unmask("eval", "infilling", problems, "--single-line", "--json", *FAKE)
    report = json.loads(outcome.out)
    assert outcome.code == 0, outcome.err
    assert (report["set"], report["model"], report["provider"]) == ("set.jsonl.gz", "fake", "fake")
    assert list(report["modes"]) == MODES
    for figures in report["modes"].values():
        assert (figures["problems"], figures["pass_at_1"], figures["agreement"]) == (3, 0.6667, 1.0)


def test_the_base_is_always_there_and_answers_are_kept(unmask: Unmask, problems: str, tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    arguments = ("--modes", "lossless", "--limit", "2", "--answers", str(kept), "--json")
    outcome = unmask("eval", "infilling", problems, *arguments, *FAKE)
    assert list(json.loads(outcome.out)["modes"]) == MODES[:2]
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert [line["mode"] for line in lines] == ["left_to_right"] * 2 + ["lossless"] * 2
    assert lines[0]["case"] == lines[2]["case"] == "SingleLineInfilling/HumanEval/0/L0"
    assert lines[0]["reply"]["texts"] == ["    return 1\n"]


def test_a_model_that_cannot_draft_has_one_mode() -> None:
    assert _in_order(None, can_draft=False) == ["left_to_right"]
    assert _in_order(None, can_draft=True) == MODES
    assert _in_order(["parallel"], can_draft=False) == ["left_to_right", "parallel"]


def test_for_people_it_is_a_table(unmask: Unmask, problems: str) -> None:
    outcome = unmask("eval", "infilling", problems, "--modes", "left_to_right", *FAKE)
    text = outcome.out.decode()
    assert "pass at 1" in text and "left_to_right" in text and "lossless" not in text
    assert "left_to_right: 3 of 3" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("infilling",), "no data for infilling"),
        (("infilling", "gone.gz"), "gone.gz cannot be read"),
        (("heldout",), "corpus has no heldout-*.jsonl.gz"),
        (("translate", ".", "--to", "cobol"), "cobol is no target"),
        (("infilling", "x.gz", "--modes", "fast"), "'fast' must be some of left_to_right, lossless"),
    ],
)
def test_what_cannot_be_measured(unmask: Unmask, arguments: tuple[str, ...], complaint: str) -> None:
    outcome = unmask("eval", *arguments, "--model", "fake")
    assert outcome.code == 2
    assert complaint in outcome.err


def test_the_reference_has_one_mode(unmask: Unmask, problems: str) -> None:
    outcome = unmask("eval", "infilling", problems, "--reference", "--modes", "parallel")
    assert (outcome.code, "left to right only" in outcome.err) == (2, True)
