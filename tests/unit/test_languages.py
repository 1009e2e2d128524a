from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from engine.code.brackets import ends_in_string, unmatched
from engine.code.languages import LANGUAGES, PLAINTEXT, by_id, by_path, grammar_of
from engine.code.syntax import error_count

SAMPLES = sorted((Path(__file__).parents[1] / "cases" / "code").iterdir())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("python", "python"),
        ("sh", "shellscript"),
        ("bash", "shellscript"),
        ("tsx", "typescriptreact"),
        ("typescriptreact", "typescriptreact"),
        ("javascriptreact", "javascript"),
        (" Python ", "python"),
        ("c++", "cpp"),
        ("cobol", "plaintext"),
        ("", "plaintext"),
    ],
)
def test_by_id(given: str, expected: str) -> None:
    assert by_id(given).id == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.py", "python"),
        (PurePosixPath("/x/Y.TSX"), "typescriptreact"),
        (PureWindowsPath(r"C:\x\main.rs"), "rust"),
        (r"C:\x.d\Rakefile", "ruby"),
        ("/home/u/.bashrc", "shellscript"),
        ("a.b/c", "plaintext"),
        ("x.unknown", "plaintext"),
        ("", "plaintext"),
        ("..", "plaintext"),
    ],
)
def test_by_path(path: str, expected: str) -> None:
    assert by_path(path).id == expected


def test_no_key_stands_for_two_languages() -> None:
    keys = [
        key
        for language in LANGUAGES
        for key in (language.id, *language.aliases, *language.extensions, *language.file_names)
    ]
    assert len(keys) == len(set(keys))


def test_every_language_has_a_sample() -> None:
    assert {by_path(path).id for path in SAMPLES} | {"python"} == {language.id for language in LANGUAGES}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_grammar_reads_its_sample_and_the_brackets_match(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    language = by_path(path)
    assert error_count(text, language) == 0
    last = text.rindex(")")
    assert error_count(text[:last] + text[last + 1 :], language) > 0
    if language.id != "shellscript":  # `case` patterns close what nothing opened
        assert unmatched(text, language).count == 0


def test_plain_text_has_no_grammar() -> None:
    assert grammar_of(PLAINTEXT) is None


@pytest.mark.parametrize(
    ("language", "line", "is_open"),
    [
        ("python", 'x = "abc', True),
        ("python", 'x = "abc"', False),
        ("python", 'x = "abc\\"', True),
        ("python", "x = '''it's", True),
        ("python", "x = ''", False),
        ("python", 'x = 1  # "', False),
        ("rust", "fn f<'a>(", False),
        ("javascript", "`a ${b", True),
        ("plaintext", "it's", False),
    ],
)
def test_open_strings(language: str, line: str, is_open: bool) -> None:
    assert ends_in_string(line, by_id(language)) is is_open
