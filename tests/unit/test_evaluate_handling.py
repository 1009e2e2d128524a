"""Places where errors can be handled, and what counts as a handler."""

from __future__ import annotations

import random

import pytest

from engine.code import languages
from export.evaluate import handling

PYTHON = "def load(path):\n    text = read(path)\n    data = parse(text)\n    check(data)\n    return data\n"
GO = """package m

func load(path string) (int, error) {
	n, err := read(path)
	if err != nil {
		return 0, err
	}
	return n, nil
}
"""
RUST = """fn read(path: &str) -> u8 {
    1
}

fn load(path: &str) -> u8 {
    let a = read(path);
    let b = a + 1;
    b
}
"""


def asked(text: str, language: str) -> handling.Asked:
    found = handling.asked(text, languages.by_id(language), random.Random(0))
    assert found is not None
    return found


def selected(found: handling.Asked) -> str:
    return found.text[found.selection.start_char : found.selection.end_char]


def test_statements_are_asked_about_as_they_are() -> None:
    found = asked(PYTHON, "python")
    assert (found.text, found.original) == (PYTHON, None)
    assert "(" in selected(found)


def test_a_check_of_go_is_taken_out() -> None:
    found = asked(GO, "go")
    assert selected(found) == "n, err := read(path)"
    assert found.text == GO.replace("\tif err != nil {\n\t\treturn 0, err\n\t}\n", "")
    assert found.original == GO


def test_a_function_of_rust_is_made_one_that_may_fail() -> None:
    found = asked(RUST, "rust")
    assert selected(found) == "let a = read(path);"
    assert found.text == RUST.replace("-> u8", "-> Result<u8, String>", 1)


@pytest.mark.parametrize("text", ["def f():\n    a = 1\n    b = 2\n    c = 3\n    return 4\n", "def f(:\n"])
def test_where_nothing_is_called_nothing_is_asked(text: str) -> None:
    assert handling.asked(text, languages.by_id("python"), random.Random(0)) is None


@pytest.mark.parametrize(
    ("language", "text", "number"),
    [
        ("python", "try:\n    a()\nexcept B as error:\n    c()\n", 1),
        ("python", "try:\n    a()\nexcept B as error:\n    # c()\n    pass\n", 0),
        ("javascript", "try { a(); } catch (error) { b(); }", 1),
        ("javascript", "try { a(); } catch (error) { /* b */ }", 0),
        ("go", "package m\nfunc f() {\n\tif err != nil {\n\t\tg()\n\t}\n\tif err != nil {\n\t}\n}\n", 1),
        ("rust", "fn f() { match a { Ok(b) => b, Err(c) => {} } }", 0),
        ("rust", "fn f() { match a { Ok(b) => b, Err(c) => return d } }", 1),
        ("rust", "fn f() { if let Err(a) = b { c(); } }", 1),
        ("java", "class A { void f() { try { a(); } catch (B e) { c(); } } }", 1),
        ("cpp", "void f() { try { a(); } catch (const B& e) { c(); } }", 1),
    ],
)
def test_handlers_that_do_something_are_counted(language: str, text: str, number: int) -> None:
    assert handling.n_handlers(text, languages.by_id(language)) == number


def test_tokens_stay_in_order() -> None:
    assert handling.is_kept("a = b();", "try { a =\n  b(); } catch (e) { c(); }")
    assert not handling.is_kept("a = b();", "try { b() } catch (a) { c(); }")
