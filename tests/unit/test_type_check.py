"""`unmask fill --task types --check`: what mypy complains of is left out, and nothing of the project runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.code.languages import by_id
from engine.tasks.imports import without_idle
from lsp_server import type_check
from tests.unit.conftest import Unmask

TYPES = ("fill", "app.py", "--task", "types", "--check", "--model", "fake:answer=int")
GOOD = "def twice(n):\n    return n * 2\n\n\n"
BAD = "def shout(text):\n    return text.upper()\n\n\ndef loud(\n    a,\n):\n    return a.upper()\n"


def test_what_the_checker_complains_of_is_left_out(unmask: Unmask) -> None:
    Path("sitecustomize.py").write_text("raise SystemExit('ran')\n")
    Path("mypy.py").write_text("raise SystemExit('ran')\n")
    Path("plug.py").write_text("raise SystemExit('ran')\n")
    Path("mypy.ini").write_text("[mypy]\nplugins = plug.py\n")
    Path("app.py").write_text(GOOD + BAD + "1 + ''\n")  # the last line is wrong to begin with
    outcome = unmask(*TYPES)
    assert outcome.code == 0, outcome.err
    good = GOOD.replace("(n):", "(n: int) -> int:")
    half = BAD.replace("(text):", "(text) -> int:").replace("\n):", "\n) -> int:")
    assert outcome.out.decode() == good + half + "1 + ''\n"
    assert "2 of 6 changes are left out: mypy complains of them" in outcome.err


def test_what_goes_together_is_kept() -> None:
    text = "def half(word):\n    return len(word) / 2\n\n\nhalf('a')\n"
    assert type_check.checked(text, text.replace("(word):", "(word: int) -> str:")).text == text
    done = type_check.checked(text, text.replace("(word):", "(word: int) -> float:"))
    assert done.text == text.replace("(word):", "(word) -> float:")
    assert done.note == "1 of 2 changes are left out: mypy complains of them"


def test_what_is_left_out_is_not_imported_either() -> None:
    text = "from a import b\n\n\ndef half(word):\n    return b(word) / 2\n\n\nhalf('a')\n"
    typed = text.replace("(word):", "(word: Sequence[int]) -> Any:")
    done = type_check.checked(text, f"from typing import Any, Sequence\n{typed}")
    assert done.text == "from typing import Any\n" + text.replace("(word):", "(word) -> Any:")


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("import re\nx = 1\n", "import re\nfrom a import B\nx = 1\n", "import re\nx = 1\n"),
        ("from a import A\nA\n", "from a import A, B\nA\n", "from a import A\nA\n"),
        ("from a import A\nx = 1\n", "from a import A\nx: int = 1\n", "from a import A\nx: int = 1\n"),
        ("x = 1\n", "from a import B, C\n\nx: B = 1\n", "from a import B\n\nx: B = 1\n"),
    ],
)
def test_an_import_that_nothing_uses_is_taken_back(old: str, new: str, left: str) -> None:
    assert without_idle(old, new, by_id("python")) == left


@pytest.mark.parametrize(
    "arguments",
    [("app.js", "--task", "types"), ("app.py", "--task", "docstring"), ("-", "--task", "types")],
)
def test_only_types_of_python_files_are_checked(unmask: Unmask, arguments: tuple[str, ...]) -> None:
    Path("app.py").write_text(GOOD)
    Path("app.js").write_text("f();\n")
    outcome = unmask("fill", *arguments, "--check", "--model", "fake")
    assert outcome.code == 2
    assert "--check" in outcome.err
