"""Samples with their keystrokes in them: what is typed where, and that it comes to real files."""

from __future__ import annotations

import ast

import pytest

from engine.code import languages
from engine.code.syntax import error_count
from lsp_server.cli import keystrokes
from lsp_server.cli.keystrokes import PARTS_A_VISIT, Part, Sample

MARKED = "a = ⟦1⏸⇥ + 2⟧\nb = ⟦⟨x⟩3⟧\nif a:\n    ⟦c()\n    d()⟧\n"


def played(sample: Sample) -> str:
    """The file when all strokes are done and nothing was taken."""
    text = sample.text
    for part in sample.parts:
        typed = ""
        for stroke in part.strokes:
            typed = typed[:-1] if stroke.kind == "delete" else typed + stroke.text
        assert typed == part.text
        text = text[: part.at_char] + typed + text[part.at_char :]
    return text


def kinds(part: Part) -> list[str]:
    return [stroke.text or stroke.kind for stroke in part.strokes]


def test_the_marks() -> None:
    sample = keystrokes.read("sample.py", MARKED)
    assert (sample.language, sample.text) == ("python", "a = \nb = \nif a:\n    \n")
    assert [kinds(part) for part in sample.parts] == [
        ["1", "pause", "accept", " ", "+", " ", "2"],
        ["x", "pause", "delete", "3"],
        ["c", "(", ")", "\n    ", "d", "(", ")"],
    ]
    assert played(sample) == "a = 1 + 2\nb = 3\nif a:\n    c()\n    d()\n"


def test_the_same_sample_has_the_same_keys_at_the_same_intervals() -> None:
    assert keystrokes.read("sample.py", MARKED) == keystrokes.read("sample.py", MARKED)


@pytest.mark.parametrize("sample", keystrokes.shipped(), ids=lambda sample: str(sample.name))
def test_shipped_samples_come_to_code_that_parses(sample: Sample) -> None:
    text = played(sample)
    assert error_count(text, languages.by_id(sample.language)) == 0
    if sample.language == "python":
        ast.parse(text)
    assert not set(text) & set("⟦⟧⏸⇥⟨⟩")


def test_files_are_worked_on_in_turn_and_to_the_end() -> None:
    samples = keystrokes.shipped()
    order = [(sample.name, part.at_char) for sample, part in keystrokes.visits(samples)]
    assert sorted(order) == sorted((sample.name, part.at_char) for sample in samples for part in sample.parts)
    for sample in samples:
        own = [at_char for name, at_char in order if name == sample.name]
        assert own == sorted(own)
    assert [name for name, _ in order[:PARTS_A_VISIT]] == [samples[0].name] * PARTS_A_VISIT
    assert order[PARTS_A_VISIT][0] == samples[1].name


def test_a_replay_takes_four_minutes_at_most() -> None:
    strokes = [stroke for sample in keystrokes.shipped() for part in sample.parts for stroke in part.strokes]
    assert sum(stroke.after_seconds for stroke in strokes) < 230
