"""Evaluation problems are kept out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from engine.errors import UsageError
from export.corpus.decontaminate import Problems, read_problems
from tests.corpora import PROBLEM

OTHER = (
    "import math\n\n\nclass Circle:\n    def area(self, radius):\n        return math.pi * radius ** 2\n\n\n"
)


def test_a_problem_inside_a_file_is_found_whatever_its_layout() -> None:
    problems = Problems([PROBLEM])
    assert problems.reason(OTHER + PROBLEM + OTHER) == "evaluation problem"
    squeezed = PROBLEM.replace("    ", "\t").replace("\n\n", "\n")
    assert problems.reason(OTHER + squeezed) == "evaluation problem"
    assert problems.reason(OTHER) is None


def test_a_few_shared_lines_are_no_copy() -> None:
    problems = Problems([PROBLEM])
    assert problems.reason(OTHER + "\n".join(PROBLEM.splitlines()[2:5])) is None
    renamed = PROBLEM.replace("distance", "gap").replace("index", "i").replace("closer", "near")
    assert problems.reason(renamed) is None


def test_ten_lines_are_enough_where_they_are_short() -> None:
    names = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa")
    lines = [f"{name} =\\" for name in names]
    problems = Problems(["\n".join(lines)])
    assert problems.reason("\n\n    ".join(["first", *lines, "last"])) == "evaluation problem"
    assert problems.reason("\n".join(lines[1:])) is None


@pytest.mark.parametrize(
    "everywhere",
    [
        "[" + ", ".join(f'"{letter}"' for letter in "abcdefghijklmnopqrstuvwxyz") + "]",
        "[" + ", ".join(str(number) for number in range(100)) + "]",
        "}\n" * 40,
        "if x == 1:\n    return x\n" * 20,
    ],
)
def test_trivial_windows_do_not_count(everywhere: str) -> None:
    assert Problems([everywhere]).reason(everywhere) is None


def write(path: Path, *problems: object) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(problem) + "\n" for problem in problems)


def test_problems_are_read_with_their_pieces_joined(tmp_path: Path) -> None:
    half = PROBLEM.index("        for other")
    write(
        tmp_path / "a.jsonl.gz", {"prompt": PROBLEM[:half], "canonical_solution": PROBLEM[half:], "line": 3}
    )
    texts = read_problems(tmp_path)
    assert PROBLEM in texts
    assert Problems(texts).reason(OTHER + PROBLEM) == "evaluation problem"
    assert Problems(texts).sha256 == Problems(texts[::-1]).sha256 != Problems([]).sha256


def test_wrong_problems_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no problems"):
        read_problems(tmp_path)
    (tmp_path / "a.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError, match=r"a\.jsonl\.gz cannot be read"):
        read_problems(tmp_path)
    write(tmp_path / "a.jsonl.gz", ["no object"])
    with pytest.raises(UsageError, match=r"a\.jsonl\.gz cannot be read"):
        read_problems(tmp_path)
