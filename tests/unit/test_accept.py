from __future__ import annotations

import argparse
import csv
import heapq
import random
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.code.languages import LANGUAGES, PLAINTEXT, Language, by_id, by_path
from engine.code.regions import landmarks, shape_at
from engine.code.syntax import error_count
from engine.code.text import split_lines
from engine.filling import accept
from engine.filling.accept import (
    MIN_CONFIDENCE,
    NOTHING_TO_ADD,
    PARSES_WORSE,
    REPEATS_LINE_ABOVE,
    REPEATS_NEXT_LINE,
    UNSURE,
    judge,
    tidy,
)

PYTHON = [Path(module.__file__) for module in (csv, heapq, textwrap)]
SAMPLES = sorted((Path(__file__).parents[1] / "cases" / "code").iterdir())
CUTS_PER_FILE = 90
BROKEN = st.text(alphabet=st.sampled_from(list("ab_ \t\r\n(){}[]<>:;,.'\"`#/*\\=é😀\ud83d\0")), max_size=60)


def cuts(text: str, rng: random.Random) -> Iterator[tuple[int, int, bool]]:
    """Spans people and benchmarks leave out: start, end, and whether a single line was asked for."""
    lines = split_lines(text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for _ in range(CUTS_PER_FILE):
        row = rng.randrange(len(lines))
        inside = starts[row] + rng.randrange(len(lines[row]))
        line_end = starts[row] + len(lines[row].rstrip("\r\n"))
        yield from (
            (starts[row], starts[row + 1], True),
            (starts[row], starts[min(len(lines), row + rng.randint(2, 8))], False),
            (inside, max(inside, line_end), True),
            (inside, min(len(text), inside + rng.randint(1, 120)), False),
        )


def failures(text: str, language: Language) -> tuple[list[str], int]:
    found: list[str] = []
    n_cuts = 0
    for start, end, single_line in cuts(text, random.Random(20)):
        prefix, truth, suffix = text[:start], text[start:end], text[end:]
        if not truth.strip():
            continue
        n_cuts += 1
        tidied = tidy(prefix, truth, suffix, language, single_line=single_line)
        if tidied != truth:
            found.append(f"{prefix[-40:]!r} [{truth!r} -> {tidied!r}] {suffix[:40]!r}")
        elif reason := judge(prefix, truth, suffix, language, confidence=1.0, automatic=True):
            found.append(f"{prefix[-40:]!r} [{truth!r}: {reason}] {suffix[:40]!r}")
        assert judge(prefix, truth, suffix, language, confidence=0.0, automatic=False) is None
    return found, n_cuts


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("path", [*PYTHON, *SAMPLES], ids=lambda path: path.name)
def test_the_truth_passes_unchanged(path: Path, newline: str) -> None:
    text = path.read_text(encoding="utf-8").replace("\n", newline)
    found, n_cuts = failures(text, by_path(path))
    assert n_cuts > 300
    assert len(found) <= 0.02 * n_cuts, "\n".join(found)


@settings(max_examples=150)
@given(BROKEN, BROKEN, BROKEN, st.sampled_from([*LANGUAGES, PLAINTEXT]), st.booleans())
def test_tidy_takes_away_only(
    prefix: str, fill: str, suffix: str, language: Language, single_line: bool
) -> None:
    tidied = tidy(prefix, fill, suffix, language, single_line=single_line)
    rest = iter(fill.replace("\r\n", "\n").replace("\r", "\n"))
    assert all(char in rest for char in tidied.replace("\r\n", "\n").replace("\r", "\n"))
    if single_line:
        assert len(split_lines(tidied)) <= 1
    assert judge(prefix, tidied, suffix, language, confidence=float("nan"), automatic=True)
    judge(prefix, tidied, suffix, language, confidence=1.0, automatic=True)


@pytest.mark.parametrize(
    ("language", "prefix", "fill", "suffix", "expected"),
    [
        # brackets and the rest of the line the editor has already
        ("python", "x = f(", "a, b)", ")\n", "a, b"),
        ("python", "x = f(", "a, b)\n", ")\n", "a, b"),
        ("python", "x = f(g(", "a)", ")\n", "a)"),
        ("python", "x = f(", "g(a)", ")\n", "g(a)"),
        ("python", "x = [f(", "a)]", ")]\n", "a"),
        ("python", "for i ", "in range(10):", " range(10):\n    pass\n", "in"),
        ("python", "def f(", "a, b):", "):\n    pass\n", "a, b"),
        ("python", "d = {'a': f(", "1)}", ")}\n", "1"),
        ("python", "s = 'f(", "x)", ")'\n", "x)"),
        ("python", "print(", "'(a)')", ")\n", "'(a)'"),
        ("javascript", "foo(", "a, b);", ");\n", "a, b"),
        ("javascript", "f(() => {\n  ", "a();\n});", "\n});\n", "a();"),
        ("javascript", "function f() {\n", "  return 1;\n}\n", "}\n", "  return 1;\n"),
        ("javascript", "function f() {\n  ", "return 1;\n}", "\n}\n", "return 1;"),
        ("javascript", "function f() {\n  if (a) {\n    ", "b();\n  }", "\n}\n", "b();\n  }"),
        ("plaintext", "(see ", "above)", ") and", "above"),
        # lines that come next anyway
        ("python", "def f(a):\n", "    b = a\n    return b\n", "    return b\n", "    b = a\n"),
        ("python", "def f(a):\n    ", "b = a\n    return b", "\n    return b\n", "b = a"),
        ("python", "def f(a):\n    ", "b = a\n\n    return b\n", "\n\n    return b\n", "b = a"),
        ("python", "x = f(", "a)\ny = 2", ")\ny = 2\n", "a"),
        ("python", "def f(a):\n", "    a()\n    a()\n", "    return\n", "    a()\n    a()\n"),
        ("javascript", "{\n  {\n", "    a();\n  }\n", "}\n", "    a();\n  }\n"),
        # loops
        ("python", "", "a(1)\nb(2)\nb(2)\nb(2)\nb(2)\n", "\n", "a(1)\nb(2)\n"),
        ("python", "b(2)\n", "b(2)\nb(2)\nb(2)\n", "", "b(2)\n"),
        ("python", "", "a(1)\nb(2)\n" * 6 + "a(", "", "a(1)\nb(2)\n"),
        ("javascript", "{{{\n", "}\n}\n}\n", "", "}\n}\n}\n"),
        ("python", "x = [\n", "[0, 1],\n" * 3 + "[1, 1],\n", "]", "[0, 1],\n" * 3 + "[1, 1],\n"),
        # white space at the end
        ("python", "x = ", "1  ", "\n", "1"),
        ("python", "x = ", "1 ", "+ 2\n", "1 "),
        ("python", "def f():\n    ", "return 1\n    ", "\n", "return 1"),
        ("python", "def f():\n", "    x = 1\n", "    return x\n", "    x = 1\n"),
        ("python", "def f():\n", "    x = 1\n", "\n    return x\n", "    x = 1\n"),
        # newlines of the file
        ("python", "a\r\n", "b\nc\r\n", "d\r\n", "b\r\nc\r\n"),
        ("python", "a\r", "\nb\n", "\r\nc\r\n", "\nb\r\n"),
        ("python", "a\n", "b\r\n", "c\n", "b\n"),
    ],
)
def test_tidy(language: str, prefix: str, fill: str, suffix: str, expected: str) -> None:
    assert tidy(prefix, fill, suffix, by_id(language), single_line=False) == expected


@pytest.mark.parametrize(
    ("prefix", "fill", "suffix", "expected"),
    [
        ("def f():\n", "    x = 1\n    y = 2\n", "    return x\n", "    x = 1\n"),
        ("def f():\n", "    x = 1\n", "    return x\n", "    x = 1\n"),
        ("def f():\n", "\n\n    x = 1\n", "    return x\n", "    x = 1\n"),
        ("def f():\n    ", "x = 1\n    y = 2", "\n    return x\n", "x = 1"),
        ("def f():\n    x = ", "1\n", "    return x\n", "1\n"),
        ("x = f(", "a\n", ")\n", "a\n"),
        ("x = ", "1\n", "", "1\n"),
        ("x = ", "\n1", "\n", ""),
    ],
)
def test_a_single_line(prefix: str, fill: str, suffix: str, expected: str) -> None:
    assert tidy(prefix, fill, suffix, by_id("python"), single_line=True) == expected


@pytest.mark.parametrize(
    ("language", "prefix", "fill", "suffix", "reason"),
    [
        ("python", "x = ", "", "\n", NOTHING_TO_ADD),
        ("python", "x = 1\n", "\n  \n", "y = 2\n", NOTHING_TO_ADD),
        ("python", "a()\n", "b(1)\n", "b(1)\n", REPEATS_NEXT_LINE),
        ("python", "if a:\n    ", "b(1)", "\n    b(1)\n", REPEATS_NEXT_LINE),
        ("python", "b(1)\n", "b(1)\n", "c()\n", REPEATS_LINE_ABOVE),
        ("python", "if a:\n    b(1)\n    ", "b(1)", "\n", REPEATS_LINE_ABOVE),
        ("python", "        return 1\n", "    return 1\n", "x = 1\n", None),
        ("javascript", "{\n{\n}\n", "}\n", "", None),
        ("python", "x = f(", "a))", ")\n", PARSES_WORSE),
        ("python", "x = 1\n", "y = = 2\n", "z = 3\n", PARSES_WORSE),
        ("python", "x = 1\n", "if x:\n", "z = 3\n", None),
        ("python", "x = 1\n", "y = f(\n", "z = 3\n", None),
        ("javascript", "a();\n", "if (b) {", "\nc();\n", None),
        ("ruby", "a\n", "xs.each do |x|", "\nb\n", None),
        ("shellscript", "a\n", "for x in y; do", "\nb\n", None),
        ("plaintext", "a ", "b)", " c", None),
        ("python", "x = (1\n", "y = 2\n", "z = 3\n", None),
    ],
)
def test_judge_of_automatic_fills(
    language: str, prefix: str, fill: str, suffix: str, reason: str | None
) -> None:
    assert judge(prefix, fill, suffix, by_id(language), confidence=1.0, automatic=True) == reason
    asked = judge(prefix, fill, suffix, by_id(language), confidence=0.0, automatic=False)
    assert asked == (NOTHING_TO_ADD if reason == NOTHING_TO_ADD else None)


@pytest.mark.parametrize(
    ("language", "prefix", "fill", "suffix", "says_something"),
    [
        ("python", "return", " ", "x\n", True),
        ("python", "if x:", "\n    ", "y()\n", True),
        ("python", "if x:\n  ", "  ", "y()\n", True),
        ("python", "if x:\n    ", "    ", "\n", False),
        ("python", "x = 1\n", "\n\n", "y()\n", False),
        ("python", "x =", " ", "1\n", False),
        ("go", "{\n", "\t", "y()\n", False),
    ],
)
def test_white_space_is_given_where_it_matters_and_was_asked_for(
    language: str, prefix: str, fill: str, suffix: str, says_something: bool
) -> None:
    asked = judge(prefix, fill, suffix, by_id(language), confidence=1.0, automatic=False)
    assert (asked is None) is says_something
    unasked = judge(prefix, fill, suffix, by_id(language), confidence=1.0, automatic=True)
    assert unasked == NOTHING_TO_ADD


def test_a_grammar_that_cannot_read_the_file_has_no_say() -> None:
    cpp = by_id("cpp")
    line = 'DEFINE_CONSTANT(name_{}, "name")\n'
    fill = line.format("new")
    few, many = ("".join(line.format(row) for row in range(n_lines)) for n_lines in (3, 20))
    assert error_count(few + fill, cpp) > error_count(few, cpp) > 0
    assert judge(few, fill, "", cpp, confidence=1.0, automatic=True) == PARSES_WORSE
    assert judge(many, fill, "", cpp, confidence=1.0, automatic=True) is None


@pytest.mark.parametrize(
    ("confidence", "reason"),
    [(MIN_CONFIDENCE, None), (MIN_CONFIDENCE - 0.01, UNSURE), (float("nan"), UNSURE)],
)
def test_an_unsure_fill_is_not_shown_unasked(confidence: float, reason: str | None) -> None:
    assert judge("x = ", "1", "\n", by_id("python"), confidence=confidence, automatic=True) == reason


def test_a_file_of_2000_lines_is_judged_in_time() -> None:
    text = "".join(split_lines(Path(argparse.__file__).read_text(encoding="utf-8"))[:2000])
    at = text.index("\n", len(text) // 2)
    python = by_id("python")
    seconds = []
    for attempt in range(5):
        changed = f"# {attempt}\n{text}"
        prefix, suffix = changed[: at + 4], changed[at + 4 :]
        start = time.perf_counter()
        shape_at(prefix + suffix, len(prefix), python)
        landmarks(prefix + suffix, len(prefix), python)
        fill = tidy(prefix, "\n        self.x = 1", suffix, python, single_line=False)
        judge(prefix, fill, suffix, python, confidence=1.0, automatic=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.2  # about 0.03 alone on a core: room for a busy machine


@pytest.mark.parametrize(
    ("prefix", "fill", "suffix", "reason"),
    [
        ("return ", "total", "total\n", accept.REPEATS_REST),
        ("return to", "tal", "tal\n", accept.REPEATS_REST),
        ("f(", "a, b", "a, b)\n", accept.REPEATS_REST),
        ("print(", "area(5, 3))  # 15", "volume)\n", accept.COMMENTS_OUT),
        ("x = f(", "first)\n# y", "second)\n", accept.COMMENTS_OUT),
        ("# see ", "the # other", " one)\n", None),
        ("f(", "ab", "ab)\n", None),
        ("# see ", "the other", " one\n", None),
        ("x = ", "first + ", "second  # y\n", None),
        ("x = ", "'#' + ", "second\n", None),
        ("x = ", "first  # y", "\n", None),
    ],
)
def test_the_rest_of_the_line_is_neither_repeated_nor_made_a_comment(
    prefix: str, fill: str, suffix: str, reason: str | None
) -> None:
    python = by_id("python")
    assert accept.judge(prefix, fill, suffix, python, confidence=1.0, automatic=True) == reason
    assert accept.judge(prefix, fill, suffix, python, confidence=1.0, automatic=False) is None
