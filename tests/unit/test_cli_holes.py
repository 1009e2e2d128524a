"""Positions and ranges as people give them, to spans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PositionError, UsageError
from engine.types import Span
from lsp_server.cli import holes

TEXT = "def f():\r\n\treturn 😀 + 1\r\n"


@pytest.mark.parametrize(
    ("position", "left"),
    [
        ("1:1", ""),
        ("1:9", "def f():"),
        ("2:9", "def f():\r\n\treturn "),
        ("2:10", "def f():\r\n\treturn 😀"),
        ("3:1", TEXT),
    ],
)
def test_a_cursor_counts_characters_from_one(position: str, left: str) -> None:
    assert holes.at(TEXT, position) == Span(len(left), len(left))


@pytest.mark.parametrize(
    ("position", "range_named"),
    [
        ("1:10", "1 to 9"),
        ("1:0", "1 to 9"),
        ("0:1", "1 to 3"),
        ("4:1", "1 to 3"),
        ("3:2", "1 to 1"),
        ("999999999:1", "1 to 3"),
    ],
)
def test_a_cursor_outside_names_what_there_is(position: str, range_named: str) -> None:
    with pytest.raises(PositionError, match=range_named):
        holes.at(TEXT, position)


@pytest.mark.parametrize("position", ["", "3", "a:b", "1:2:3", "-1:2", "1:", "1.5:2", "٣:1"])
def test_a_cursor_of_another_form_is_a_usage_error(position: str) -> None:
    with pytest.raises(UsageError, match="LINE:COL"):
        holes.at(TEXT, position)


@pytest.mark.parametrize(
    ("numbers", "taken"),
    [
        ("1-1", "def f():"),
        ("1", "def f():"),
        ("2", "return 😀 + 1"),
        ("1-2", "def f():\r\n\treturn 😀 + 1"),
        ("3-3", ""),
    ],
)
def test_lines_keep_the_indentation_in_front_and_the_newline_behind(numbers: str, taken: str) -> None:
    span = holes.lines(TEXT, numbers)
    assert TEXT[span.start_char : span.end_char] == taken


@pytest.mark.parametrize("numbers", ["2-1", "0-1", "1-4", "4"])
def test_lines_outside_are_a_position_error(numbers: str) -> None:
    with pytest.raises(PositionError):
        holes.lines(TEXT, numbers)


@pytest.mark.parametrize("numbers", ["", "a-b", "1-", "-2", "1-2-3"])
def test_lines_of_another_form_are_a_usage_error(numbers: str) -> None:
    with pytest.raises(UsageError, match="A-B"):
        holes.lines(TEXT, numbers)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1), st.data())
def test_every_column_of_every_line_is_where_it_says(lines: list[str], data: st.DataObject) -> None:
    newline = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    line = data.draw(st.integers(0, len(lines) - 1))
    column = data.draw(st.integers(0, len(lines[line])))
    text = newline.join(lines)
    span = holes.at(text, f"{line + 1}:{column + 1}")
    assert text[: span.start_char] == newline.join([*lines[:line], lines[line][:column]])
