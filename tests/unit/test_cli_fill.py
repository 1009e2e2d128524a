"""`unmask fill`: where it fills, what it prints, what it writes, and when it refuses."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from engine.engine import Engine
from engine.types import FillRequest, FillResult, Related
from lsp_server.cli import files
from tests.unit.conftest import Unmask

FAKE = ("--model", "fake:answer=a %2B b")
SOURCE = "def add(a, b):\n    return \n\n\nprint(add(1, 2))\n"


@pytest.fixture
def source(unmask: Unmask) -> Path:
    path = Path("add.py")
    path.write_text(SOURCE, newline="")
    return path


def test_a_cursor_is_filled_and_the_whole_file_printed(unmask: Unmask, source: Path) -> None:
    outcome = unmask("fill", str(source), "--at", "2:12", *FAKE)
    assert outcome.out.decode() == SOURCE.replace("return ", "return a + b")
    assert (outcome.code, outcome.err, source.read_text()) == (0, "", SOURCE)


def test_a_range_of_lines_is_replaced(unmask: Unmask, source: Path) -> None:
    outcome = unmask("fill", str(source), "--lines", "5-5", *FAKE)
    assert outcome.out.decode() == SOURCE.replace("print(add(1, 2))", "a + b")


def test_marks_are_filled_in_a_file_and_on_stdin(unmask: Unmask) -> None:
    Path("two.py").write_text("x = <hole>\ny = <hole>\n")
    filled = b"x = a + b\ny = a + b\n"
    assert unmask("fill", "two.py", *FAKE).out == filled
    assert unmask("fill", "-", *FAKE, stdin=b"x = <hole>\ny = <hole>\n").out == filled


def test_the_json_is_the_answer_of_batch(unmask: Unmask) -> None:
    source = "x = <hole>\ny = 1\n"
    said = json.loads(unmask("fill", "-", "--json", "--language", "python", *FAKE, stdin=source.encode()).out)
    request = {"language": "python", "segments": ["x = ", None, "\ny = 1\n"], "single_line": True}
    answered = json.loads(unmask("batch", *FAKE, stdin=json.dumps(request).encode()).out)
    assert said["fills"] == ["a + b"]
    assert {**said, "ms": 0} == {**answered, "ms": 0} and list(said) == list(answered)


def test_the_diff_is_of_the_lines_that_changed(unmask: Unmask, source: Path) -> None:
    outcome = unmask("fill", str(source), "--at", "2:12", "--diff", *FAKE)
    assert outcome.out.decode() == (
        "--- a/add.py\n+++ b/add.py\n@@ -1,5 +1,5 @@\n def add(a, b):\n"
        "-    return \n+    return a + b\n \n \n print(add(1, 2))\n"
    )


def test_the_diff_is_in_the_files_bytes(unmask: Unmask) -> None:
    Path("mark.py").write_bytes(b"\xef\xbb\xbfx = <hole>\r\n")
    Path("latin.py").write_bytes("# coding: latin-1\nx = <hole> # é\n".encode("latin-1"))
    assert (
        b"\n-\xef\xbb\xbfx = <hole>\r\n+\xef\xbb\xbfx = a + b\r\n"
        in unmask("fill", "mark.py", "--diff", *FAKE).out
    )
    assert b"\n+x = a + b # \xe9\n" in unmask("fill", "latin.py", "--diff", *FAKE).out


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_the_diff_names_a_file_by_its_bytes(unmask: Unmask) -> None:
    for name, head in ((b"\xff.py", b""), ("→.py".encode(), b"# coding: latin-1\n# \xe9\n")):
        Path(os.fsdecode(name)).write_bytes(head + b"x = <hole>\n")
        outcome = unmask("fill", os.fsdecode(name), "--diff", *FAKE)
        assert outcome.code == 0 and outcome.out.startswith(b"--- a/" + name + b"\n+++ b/" + name + b"\n")


@pytest.mark.parametrize(
    ("name", "head", "tail", "encoding"),
    [
        ("crlf.py", "a = 1\r\nb = ", "\r\nc = 3\r\n", "utf-8"),
        ("mark.py", "\ufeffa = 1\nb = ", "", "utf-8"),
        ("emoji.js", "// 😀\nlet b = ", ";\n", "utf-8"),
        ("latin.py", "# coding: latin-1\n# é\nb = ", "\n", "latin-1"),
        ("wide.py", "# é\r\nb = ", "\r\n", "utf-16"),
        ("odd.py", "a = 1\rb = 2\x0c\u2028\nb = ", "\n\n\n", "utf-8"),
    ],
)
def test_write_changes_nothing_but_the_hole(
    unmask: Unmask, name: str, head: str, tail: str, encoding: str
) -> None:
    path = Path(name)
    path.write_bytes(f"{head}<hole>{tail}".encode(encoding))
    outcome = unmask("fill", name, "--write", *FAKE)
    assert path.read_bytes() == f"{head}a + b{tail}".encode(encoding)
    assert (outcome.code, outcome.out) == (0, b"") and f"wrote {name}" in outcome.err


@pytest.mark.parametrize("flag", ["--diff", "--json"])
def test_write_goes_with_diff_and_json(unmask: Unmask, source: Path, flag: str) -> None:
    outcome = unmask("fill", str(source), "--at", "2:12", "--write", flag, *FAKE)
    assert outcome.out and "return a + b" in source.read_text()


def test_several_lines_take_the_files_newlines(unmask: Unmask) -> None:
    Path("f.py").write_bytes(b"def f():\r\n    <hole>\r\n")
    outcome = unmask("fill", "f.py", "--multi-line", "--model", "fake:answer=x = 1%0A    return x")
    assert outcome.out == b"def f():\r\n    x = 1\r\n    return x\r\n"


@pytest.mark.parametrize(
    ("text", "options", "filled"),
    [
        (b"def f():\n    <hole>\n", (), b"def f():\n    x\n    y\n"),
        (b"def f():\n    <hole>\n", ("--single-line",), b"def f():\n    x\n"),
        (b"z = <hole> + 1\n", (), b"z = x + 1\n"),
    ],
)
def test_the_place_decides_how_many_lines_unless_told(
    unmask: Unmask, text: bytes, options: tuple[str, ...], filled: bytes
) -> None:
    model = ("--model", "fake:answer=x%0A    y")
    assert unmask("fill", "-", "--language", "python", *options, *model, stdin=text).out == filled


def test_a_language_that_is_not_known_is_said(unmask: Unmask) -> None:
    filled = [
        unmask("fill", "-", "--language", name, *FAKE, stdin=b"x = <hole>\n")
        for name in ("pyhton", "cobol", "plaintext", "py")
    ]
    assert [(outcome.code, outcome.out) for outcome in filled] == [(0, filled[-1].out)] * 4
    assert "pyhton is no language" in filled[0].err and "did you mean python?" in filled[0].err
    assert "cobol is no language" in filled[1].err and "did you mean" not in filled[1].err
    assert "no language" not in filled[2].err + filled[3].err


@pytest.mark.parametrize("output", [(), ("--diff",), ("--json",), ("--write",)])
def test_a_refusal_prints_and_writes_no_text(unmask: Unmask, source: Path, output: tuple[str, ...]) -> None:
    outcome = unmask("fill", str(source), "--at", "2:12", "--model", "fake:answer=", *output)
    assert outcome.code == 1 and "nothing to give" in outcome.err
    assert source.read_text() == SOURCE
    if "--json" in output:
        assert json.loads(outcome.out)["status"] == "refused"
    else:
        assert outcome.out == b""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("add.py", "--at", "2:99"), "column 99 is outside line 2. Give a column from 1 to 12."),
        (("add.py", "--at", "99:1"), "line 99 is outside the file. Give a line from 1 to 6."),
        (("add.py", "--lines", "4-99"), "Give a line from 1 to 6."),
        (("add.py", "--at", "here"), "LINE:COL"),
        (("add.py",), "add.py has no <hole>"),
        (("-", "--write"), "--write needs a file"),
        (("missing.py", "--at", "1:1"), "there is no file missing.py"),
        ((".", "--at", "1:1"), "is a directory"),
        (("binary.py", "--at", "1:1"), "binary.py looks binary"),
        (("latin.py", "--at", "1:1"), "latin.py is not UTF-8"),
        (("huge.py", "--at", "1:1"), "huge.py is larger than 16 MiB"),
        ((".env", "--at", "1:1"), "secrets"),
    ],
)
def test_input_that_cannot_be_used_is_two(
    unmask: Unmask, source: Path, arguments: tuple[str, ...], named: str
) -> None:
    Path("binary.py").write_bytes(b"\x00\x01\x02")
    Path("latin.py").write_bytes("é = 1\n".encode("latin-1"))
    Path(".env").write_text("KEY=<hole>\n")
    with Path("huge.py").open("wb") as file:
        file.truncate(50 * 2**20)
    outcome = unmask("fill", *arguments, *FAKE)
    assert (outcome.code, outcome.out) == (2, b"")
    assert named in outcome.err and outcome.err.count("\n") == 1


def test_an_unknown_declared_encoding_is_read_as_utf_8(unmask: Unmask) -> None:
    Path("odd.py").write_bytes(b"# coding: klingon\nx = <hole>\n")
    assert unmask("fill", "odd.py", *FAKE).out == b"# coding: klingon\nx = a + b\n"


@pytest.mark.parametrize(("option", "told"), [((), False), (("--context-files", "99"), True)])
def test_what_a_file_imports_is_told(
    unmask: Unmask, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...], told: bool
) -> None:
    seen: list[FillRequest] = []
    fill = Engine.fill

    def spy(self: Engine, request: FillRequest) -> FillResult:
        seen.append(request)
        return fill(self, request)

    monkeypatch.setattr(Engine, "fill", spy)
    Path("pack").mkdir()
    Path("pack/a.py").write_text("def f(x): ...\ndef g(): ...\n")
    Path("pack/m.py").write_text("from a import f\nfrom ..b import h\nf(<hole>)\n")
    Path("b.py").write_text("def h(): ...\n")
    assert unmask("fill", "pack/m.py", *option, *FAKE).code == 0
    assert seen[0].related == ((Related("a.py", ("def f(x):",)),) if told else ())
    Path(".git").mkdir()  # the repository is the bound now
    assert unmask("fill", "pack/m.py", *option, *FAKE).code == 0
    assert [file.path for file in seen[1].related] == (["pack/a.py", "b.py"] if told else [])


LONG = "fake:answer=a = 1%0Ab = 2%0Ac = 3%0A"


@pytest.mark.parametrize("output", ["--write", "--diff"])
def test_lines_are_not_replaced_by_the_beginning_of_others(unmask: Unmask, output: str) -> None:
    Path("abc.py").write_text(before := "a = 0\nb = 0\nc = 0\n")
    short = ("--max-tokens", "8")
    outcome = unmask("fill", "abc.py", "--lines", "1-3", output, *short, "--model", LONG)
    assert "stopped at max_tokens" in outcome.err and Path("abc.py").read_text() == before
    assert (outcome.code, "Raise --max-tokens." in outcome.err) == (
        (1, True) if output == "--write" else (0, False)
    )
    assert unmask("fill", "abc.py", "--lines", "1-3", "--write", "--model", LONG).code == 0


def test_a_hole_may_be_as_long_as_what_stood_there(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    fill = Engine.fill

    def spy(self: Engine, request: FillRequest) -> FillResult:
        seen.append(request.max_tokens)
        return fill(self, request)

    monkeypatch.setattr(Engine, "fill", spy)
    Path("long.py").write_text("x = 1\n" + "y = 2222\n" * 1000)
    unmask("fill", "long.py", "--lines", "1-1", *FAKE)
    unmask("fill", "long.py", "--lines", "2-801", *FAKE)
    unmask("fill", "long.py", "--lines", "2-1001", *FAKE)
    unmask("fill", "long.py", "--lines", "1-1", "--max-tokens", "7", *FAKE)
    assert seen == [256, 3599, 4096, 7]


def test_a_hole_that_is_left_empty_is_named(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("two.py").write_text("x = <hole>\ny = <hole>\n")
    result = FillResult("ok", ("a", ""), reason="nothing to add")
    monkeypatch.setattr(Engine, "fill", lambda *_: result)
    outcome = unmask("fill", "two.py", "--write", *FAKE)
    assert (outcome.code, Path("two.py").read_text()) == (0, "x = a\ny = \n")
    assert outcome.err.startswith("unmask: left empty: hole 2: nothing to add\nunmask: wrote two.py")


def test_secrets_are_not_read_by_another_name(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("KEY=<hole>\n", encoding="utf-8")
    Path("notes.txt").symlink_to(".env")
    Path(".ssh").mkdir()
    Path(".ssh/config").write_text("Host <hole>\n", encoding="utf-8")
    for name, folder in (("notes.txt", "."), ("config", ".ssh")):
        monkeypatch.chdir(folder)
        outcome = unmask("fill", name, "--model", "fake", "--write")
        assert (outcome.code, f"{name} looks like a file of secrets" in outcome.err) == (2, True)


@pytest.mark.parametrize("name", ["gen/a.py", "gen/../gen/a.py"])
@pytest.mark.parametrize("how", [("--at", "1:5"), ("--task", "types"), ("--at", "1:5", "--write")])
def test_a_file_that_the_settings_exclude_is_not_read(
    unmask: Unmask, monkeypatch: pytest.MonkeyPatch, name: str, how: tuple[str, ...]
) -> None:
    Path("gen").mkdir()
    Path("gen/a.py").write_text("x = \n")
    Path("unmask.toml").write_text('exclude = ["gen/**"]\n')
    monkeypatch.setattr(files, "read", lambda name: pytest.fail(f"{name} was read"))
    outcome = unmask("fill", name, *how, *FAKE)
    assert (outcome.code, outcome.out) == (2, b"")
    assert outcome.err == (
        f"unmask: {name} is excluded in the settings. Pipe it through stdin if you mean it.\n"
    )


def test_a_file_beside_those_that_are_excluded_is_filled(unmask: Unmask) -> None:
    Path("src").mkdir()
    Path("src/gen.py").write_text("x = \n")
    Path("unmask.toml").write_text('exclude = ["gen/**"]\n')
    assert unmask("fill", "src/gen.py", "--at", "1:5", *FAKE).out == b"x = a + b\n"


def test_what_is_followed_is_not_read_either_where_it_is_excluded(unmask: Unmask) -> None:
    Path("gen").mkdir()
    for name in ("gen/old.py", "new.py"):
        Path(name).write_text("def f(a):\n    return a\n")
    Path("unmask.toml").write_text('exclude = ["gen/**"]\n')
    outcome = unmask("fill", "new.py", "--task", "follow", "--before", "gen/old.py", *FAKE)
    assert (outcome.code, "gen/old.py is excluded" in outcome.err) == (2, True)


@pytest.mark.parametrize("glob", ["private", "**/private/**"])
def test_outside_all_projects_the_whole_path_counts(
    unmask: Unmask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, glob: str
) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a.py").write_text("x = \n")
    (tmp_path / "user.toml").write_text(f'exclude = ["{glob}"]\n')
    monkeypatch.setenv("UNMASK_CONFIG", str(tmp_path / "user.toml"))
    outcome = unmask("fill", str(tmp_path / "private" / "a.py"), "--at", "1:5", *FAKE)
    assert (outcome.code, "is excluded" in outcome.err) == (2, True)
