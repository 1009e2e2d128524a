"""`unmask fill --task`: edits of files from the command line, with the fake model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.conftest import Unmask

SOURCE = "def f():\r\n    return 1\r\n\r\n\r\ndef g():\r\n    return 2\r\n"
FAKE = ("--model", "fake:answer=def g():%0A    return 3")
JS = ("--model", "fake:answer=function f() {}%0Afunction g() {}")


@pytest.fixture
def source() -> Path:
    Path("app.py").write_bytes(SOURCE.encode())
    return Path("app.py")


NEW = SOURCE.replace("2", "3").encode()
LINES = ("fill", "app.py", "--lines", "5-6", "--instruction", "Give 3.")


def test_lines_are_rewritten_and_the_file_is_printed(unmask: Unmask, source: Path) -> None:
    outcome = unmask(*LINES, *FAKE)
    assert (outcome.code, outcome.out) == (0, NEW) and source.read_bytes() == SOURCE.encode()


def test_diff_write_and_json(unmask: Unmask, source: Path) -> None:
    assert b"@@ -3,4 +3,4 @@\n" in unmask(*LINES, "--diff", *FAKE).out
    answer = json.loads(unmask(*LINES, "--json", *FAKE).out)
    assert answer["text"] == NEW.decode() and answer["edits"] == [
        {"start": SOURCE.index("2"), "end": SOURCE.index("2") + 1, "new_text": "3"}
    ]
    outcome = unmask(*LINES, "--write", *FAKE)
    assert (outcome.out, source.read_bytes()) == (b"", NEW) and "wrote app.py" in outcome.err


def test_a_translation_is_written_beside_and_never_over_anything(unmask: Unmask, source: Path) -> None:
    translate = ("fill", "app.py", "--task", "translate", "--to", "js")
    text = b"function f() {}\r\nfunction g() {}\r\n"
    assert unmask(*translate, *JS).out == text
    outcome = unmask(*translate, "--write", "--json", *JS)
    assert Path("app.js").read_bytes() == text and "wrote app.js" in outcome.err
    assert json.loads(outcome.out)["edits"] == [] and source.read_bytes() == SOURCE.encode()
    Path("app.js").write_text("mine")
    outcome = unmask(*translate, "--write", *JS)
    assert outcome.code == 2 and "app.js is there already" in outcome.err
    assert Path("app.js").read_text() == "mine"
    assert unmask(*translate, "--diff", *JS).out == (
        b"--- /dev/null\n+++ b/app.js\n@@ -0,0 +1,2 @@\n+function f() {}\r\n+function g() {}\r\n"
    )


def test_a_refusal_prints_and_writes_nothing(unmask: Unmask, source: Path) -> None:
    outcome = unmask(*LINES, "--write", "--model", "fake:answer=def g(")
    assert (outcome.code, outcome.out) == (1, b"") and "does not parse" in outcome.err
    assert source.read_bytes() == SOURCE.encode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--task", "translate"), "no language to translate to"),
        (("--task", "translate", "--to", "cobol"), "cobol is no language to translate to"),
        (("--to", "go"), "--to belongs to the task"),
        (("--strength", "restyle"), "--strength belongs to the task"),
        (("--before", "old.py"), "--before belongs to the task"),
        (("--task", "docstring", "--to", "go"), "--to belongs to the task translate"),
        (("--instruction", "Do.", "--to", "go"), "--to belongs to the task translate"),
        (("--instruction", " "), "--instruction says nothing"),
        (("--instruction", "caf\udce9"), "--instruction is not UTF-8"),
        (("--task", "follow"), "follow needs the file as it was before"),
        (("--task", "follow", "--before", "old.py"), "there is no file old.py"),
        (("--task", "follow", "--before", ".env"), ".env looks like a file of secrets"),
        (("--task", "translate", "--to", "cobol", "--write"), "cobol is no language to translate to"),
    ],
)
def test_mistakes_are_named(unmask: Unmask, source: Path, arguments: tuple[str, ...], said: str) -> None:
    outcome = unmask("fill", "app.py", *arguments, *FAKE)
    assert outcome.code == 2 and said in outcome.err


def test_stdin_is_read_once(unmask: Unmask) -> None:
    outcome = unmask("fill", "-", "--task", "follow", "--before", "-", *FAKE, stdin=b"x\n")
    assert outcome.code == 2 and "stdin cannot be the file and" in outcome.err


def test_calls_follow_a_signature(unmask: Unmask, source: Path) -> None:
    Path("old.py").write_bytes((SOURCE + "f()\r\n").encode())
    text = SOURCE.replace("f()", "f(n)") + "f()\r\n"
    source.write_bytes(text.encode())
    follow = ("fill", "app.py", "--task", "follow", "--before", "old.py", "--model", "fake:answer=7")
    assert unmask(*follow).out == text.replace("f()", "f(7)").encode()
    line = {
        "language": "python",
        "segments": [text],
        "task": {"kind": "follow", "before": SOURCE + "f()\r\n"},
    }
    outcome = unmask("batch", "--model", "fake:answer=7", stdin=json.dumps(line).encode())
    assert json.loads(outcome.out)["text"] == text.replace("f()", "f(7)")


def test_stdin_and_what_the_user_should_know(unmask: Unmask) -> None:
    model = ("--model", "fake:answer=function f( {")
    outcome = unmask(
        "fill",
        "-",
        "--language",
        "python",
        "--task",
        "translate",
        "--to",
        "js",
        *model,
        stdin=b"def f(): pass\n",
    )
    assert outcome.code == 0 and outcome.out.startswith(b"// Unmask: does not parse")
    assert "not translated well" in outcome.err


def test_byte_order_marks_and_encodings_are_kept(unmask: Unmask) -> None:
    Path("mark.py").write_bytes(b"\xef\xbb\xbfx = 1\r\n# \xc3\xa9\r\n")
    unmask(
        "fill", "mark.py", "--lines", "1-1", "--instruction", "2", "--write", "--model", "fake:answer=x = 2"
    )
    assert Path("mark.py").read_bytes() == b"\xef\xbb\xbfx = 2\r\n# \xc3\xa9\r\n"


def test_a_new_file_is_plain_utf_8(unmask: Unmask) -> None:
    Path("app.py").write_bytes(b"# coding: latin-1\n" + SOURCE.encode())
    js = ("--model", "fake:answer=function f() { return 'é→' }")
    translate = ("fill", "app.py", "--task", "translate", "--to", "js", *js)
    printed = unmask(*translate)
    assert printed.code == 0 and "é→".encode() in printed.out
    assert unmask(*translate, "--write").code == 0 and Path("app.js").read_bytes() == printed.out
