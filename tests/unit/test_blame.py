"""What of a text's faults a fill is to blame for."""

from __future__ import annotations

import pytest

from engine.code import languages
from engine.code.faults import Blame, Faults

PYTHON = languages.by_id("python")
CLEAN = Faults(0, 0)


def blame(prefix: str, fill: str, suffix: str, language: str = "python") -> Faults:
    return Blame(prefix, suffix, languages.by_id(language)).of(fill)


@pytest.mark.parametrize(
    ("prefix", "fill", "suffix", "faults"),
    [
        ("a = 1\nb = ", "(a", "\n", Faults(1, 0)),
        ("a = 1\nb = ", "a", "\n", CLEAN),
        ("def f(a):\n", "    a = 2\n", "        return a\n", Faults(1, 0)),  # a block could be opened here
        ("def f(a):\n", "    if a:\n", "        return a\n", CLEAN),
        ("def f(a):\n", "    b = a\n", "    return c\n", Faults(0, 1)),  # the hole could have bound it
        ("def f(a):\n", "    c = a\n", "    return c\n", CLEAN),
        ("a = 1\nb = ", "q", "\n", Faults(0, 1)),
        ("a = 1\nb = ", "", "\n", Faults(2, 0)),  # blank
    ],
)
def test_what_another_fill_could_mend(prefix: str, fill: str, suffix: str, faults: Faults) -> None:
    found = blame(prefix, fill, suffix)
    assert bool(found) == bool(faults) and found.unknown == faults.unknown


@pytest.mark.parametrize(
    ("prefix", "fill", "suffix", "language"),
    [
        ("def g(:\n    pass\n\n\ndef f(a):\n", "    c = a\n", "    return c\n", "python"),
        ("x = (\n\na = 1\nb = ", "a", "\n", "python"),
        ("print(missing)\na = 1\nb = ", "a", "\nprint(b, absent)\n", "python"),
        ("function f( {\n}\nlet a = 1;\nlet b = ", "a", ";\n", "javascript"),
    ],
)
def test_what_is_wrong_anyway_is_no_blame(prefix: str, fill: str, suffix: str, language: str) -> None:
    assert blame(prefix, fill, suffix, language) == CLEAN
