"""The diff of filled holes: it applies, and it is no longer than it must be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.code.regions import cut, join
from engine.types import Span
from lsp_server.cli.diff import unified_diff


def restored(diff: str, old: str) -> str:
    """What ``patch`` makes of ``old``: hunks by their line numbers, every removed and kept line checked."""
    lines = [line + "\n" for line in old.split("\n")]
    lines[-1] = lines[-1][:-1]
    result: list[str] = []
    at = 0
    _, _, *body = [line + "\n" for line in diff.split("\n")[:-1]]
    for index, line in enumerate(body):
        ends_bare = index + 1 < len(body) and body[index + 1].startswith("\\")
        text = line[1:-1] if ends_bare else line[1:]
        if header := re.match(r"@@ -(\d+)(?:,(\d+))? ", line):
            start = int(header[1]) - (header[2] != "0")
            result += lines[at:start]
            at = start
        elif line[0] in " -":
            assert lines[at] == text
            at += 1
            result += [text] if line[0] == " " else []
        elif line[0] == "+":
            result.append(text)
    return "".join(result + lines[at:])


TEXTS = st.lists(
    st.sampled_from(["a", "b", "", "é\r", "\u2028", "--- x", "@@ -1 +1 @@", "\\ no", "same", "same", "same"]),
    max_size=30,
).map("\n".join)


@st.composite
def filled(draw: st.DrawFn) -> tuple[str, list[Span], list[str]]:
    old = draw(TEXTS)
    ends = sorted(
        draw(st.lists(st.integers(0, len(old)), max_size=6).filter(lambda ends: len(ends) % 2 == 0))
    )
    spans = [Span(start, end) for start, end in zip(ends[::2], ends[1::2], strict=True)]
    return old, spans, [draw(TEXTS) for _ in spans]


@given(filled())
def test_any_diff_applies(case: tuple[str, list[Span], list[str]]) -> None:
    old, spans, fills = case
    new = join(cut(old, spans), fills)
    diff = "".join(unified_diff(old, spans, fills, "f"))
    assert bool(diff) == (old != new)
    assert (restored(diff, old) if diff else old) == new


def test_two_far_holes_are_two_hunks_however_much_the_lines_repeat() -> None:
    old = "first\n" + "same\n" * 5000 + "last"
    spans = [Span(0, 5), Span(len(old) - 4, len(old))]
    diff = "".join(unified_diff(old, spans, ["1", "2"], "f"))
    assert diff == (
        "--- a/f\n+++ b/f\n"
        "@@ -1,4 +1,4 @@\n-first\n+1\n same\n same\n same\n"
        "@@ -4999,4 +4999,4 @@\n same\n same\n same\n"
        "-last\n\\ No newline at end of file\n+2\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize(
    ("old", "fill", "hunk"),
    [("", "a\n", "@@ -0,0 +1 @@\n+a\n"), ("a\n", "", "@@ -1 +0,0 @@\n-a\n"), ("a\n", "a\n", "")],
)
def test_a_whole_file_that_comes_goes_or_stays(old: str, fill: str, hunk: str) -> None:
    diff = "".join(unified_diff(old, [Span(0, len(old))], [fill], "f"))
    assert diff.partition("+++ b/f\n")[2] == hunk
