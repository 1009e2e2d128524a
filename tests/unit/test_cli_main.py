"""How `unmask` starts, teaches and fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import errors
from lsp_server.cli import batch, main
from tests.unit.conftest import Unmask

HEAVY = ("numpy", "onnxruntime", "tokenizers", "rich", "pygls", "lsprotocol", "torch", "tree_sitter", "httpx")


def test_help_teaches_what_it_is_examples_and_exit_codes(unmask: Unmask) -> None:
    outcome = unmask("--help")
    text = outcome.out.decode()
    assert (outcome.code, outcome.err) == (0, "")
    assert "fills masked spans of code in place" in text
    for command in ("demo", "fill", "batch", "serve", "models", "doctor", "bench"):
        assert f"\n    {command} " in text
    examples = text.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) == 3 and all("unmask " in line for line in examples)
    for code in ("0", "1", "2", "3", "4", "70", "130"):
        assert f"\n  {code} " in text


def test_the_example_of_the_help_works_as_it_stands(unmask: Unmask) -> None:
    outcome = unmask(
        "fill",
        "-",
        "--language",
        "python",
        "--model",
        "fake:answer=a",
        stdin=b"def add(a, b): return <hole>\n",
    )
    assert outcome.out == b"def add(a, b): return a\n"


@pytest.mark.parametrize("command", ["demo", "fill", "batch", "doctor", "bench"])
def test_every_command_has_help_with_the_shared_options(unmask: Unmask, command: str) -> None:
    outcome = unmask(command, "--help")
    assert outcome.code == 0
    for option in (
        "--model",
        "--device",
        "--threads",
        "--context-tokens",
        "--offline",
        "--cache-dir",
        "--sources",
    ):
        assert option in outcome.out.decode()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from lsp_server.cli.main import main; main(['--help']);"
        f"sys.exit(' '.join(m for m in {HEAVY!r} if m in sys.modules) or 0)"
    )
    root = Path(main.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("bogus",), "bogus"),
        (("fill",), "FILE"),
        (("fill", "x", "--at", "1:1", "--lines", "1"), "--lines"),
        (("fill", "x", "--max-tokens", "many"), "'many' is not a whole number"),
        (("batch", "--threads", "-1"), "-1 is not between"),
        (("batch", "--device", "tpu"), "tpu"),
        (("batch", "--sources", "hub,torrent"), "torrent"),
        (("batch", "--bogus"), "--bogus"),
        (("batch", "--off"), "--off"),
        (("models", "list", "--js"), "--js"),
    ],
)
def test_wrong_usage_is_one_line_and_two(unmask: Unmask, arguments: tuple[str, ...], named: str) -> None:
    outcome = unmask(*arguments)
    assert (outcome.code, outcome.out) == (2, b"")
    assert outcome.err.count("\n") == 1 and outcome.err.startswith("unmask: ")
    assert named in outcome.err and "--help" in outcome.err


def test_no_command_shows_the_help(unmask: Unmask) -> None:
    outcome = unmask()
    assert (outcome.code, outcome.out) == (2, b"") and "examples:" in outcome.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            errors.ModelNotFoundError("no model 'x'", "Run `unmask models list`."),
            3,
            "no model 'x'. Run `unmask models list`.",
        ),
        (errors.BackendError("ONNX\nRuntime is broken"), 4, "ONNX Runtime is broken"),
        (errors.ConfigError("a.", "B."), 2, "a. B."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (errors.Cancelled(), 130, "cancelled"),
        (
            ZeroDivisionError("oh\nno"),
            70,
            "internal error: ZeroDivisionError: oh no. Run it again as `unmask --debug …` to see the trace.",
        ),
    ],
)
def test_every_error_is_one_line_with_its_code(
    unmask: Unmask, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr(batch, "run", fail)
    outcome = unmask("batch")
    assert (outcome.code, outcome.out, outcome.err) == (code, b"", f"unmask: {line}\n")


@pytest.mark.parametrize("arguments", [("--debug", "fill", "missing.py"), ("fill", "missing.py", "--debug")])
def test_debug_shows_the_trace_before_the_line(unmask: Unmask, arguments: tuple[str, ...]) -> None:
    outcome = unmask(*arguments)
    first, *_, last = outcome.err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last.startswith("unmask: there is no file missing.py")


def test_a_reader_that_leaves_is_no_error(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(args: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(batch, "run", fail)
    monkeypatch.setattr(main, "_drop_stdout", lambda: None)
    outcome = unmask("batch")
    assert (outcome.code, outcome.err) == (1, "")


def test_a_model_that_does_not_exist_is_three(unmask: Unmask) -> None:
    outcome = unmask("batch", "--model", "no-such-model")
    assert outcome.code == 3 and "no-such-model" in outcome.err and outcome.err.count("\n") == 1


def test_a_setting_that_cannot_be_used_is_said_and_dropped(unmask: Unmask) -> None:
    Path("unmask.toml").write_text('model = "fake:answer=x"\nthreads = "many"\n')
    outcome = unmask("fill", "-", stdin=b"<hole>\n")
    assert (outcome.code, outcome.out) == (0, b"x\n")
    assert "threads" in outcome.err and outcome.err.count("\n") == 1


def test_the_command_line_wins_over_the_settings_file(unmask: Unmask) -> None:
    Path("unmask.toml").write_text('model = "fake:answer=file"\n')
    outcome = unmask("fill", "-", "--model", "fake:answer=line", stdin=b"<hole>\n")
    assert outcome.out == b"line\n"


@pytest.mark.skipif(os.name == "nt", reason="HOME names the home of POSIX systems")
def test_without_a_home_what_needs_none_works(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UNMASK_CONFIG", "UNMASK_CACHE_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")
    assert unmask("fill", "-", "--model", "fake:answer=x", stdin=b"<hole>\n").out == b"x\n"
    assert unmask("models", "list").code == 3
    outcome = unmask("stats")
    assert outcome.code == 2 and "UNMASK_STATS_FILE" in outcome.err


@pytest.mark.skipif(os.name == "nt", reason="of POSIX shells")
@pytest.mark.parametrize(
    ("streams", "code", "said"),
    [
        ("<&-", 2, "unmask: stdin is closed. "),
        ("< text >&-", 0, ""),
        ("< text >/dev/full", 2, "unmask: cannot write the output (No space left on device). "),
        ("< text 2>&-", 0, ""),
    ],
)
@pytest.mark.usefixtures("unmask")
def test_streams_that_are_closed_or_full(streams: str, code: int, said: str) -> None:
    if "/dev/full" in streams and not Path("/dev/full").exists():
        pytest.skip("of Linux")
    Path("text").write_text("<hole>\n")
    command = f"{sys.executable} -m lsp_server.cli.main fill - --model fake:answer=x {streams}"
    environ = {**os.environ, "PYTHONPATH": str(Path(main.__file__).parents[2])}
    done = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.startswith(said) and done.stderr.count("\n") == bool(said)


TOO_LONG = "x" * 300


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("batch", "--model", TOO_LONG), 3),
        (("models", "info", TOO_LONG), 3),
        (("models", "list", "--cache-dir", TOO_LONG), 3),
        (("models", "pull", "qwen2.5-coder-0.5b", "--offline", "--cache-dir", TOO_LONG), 3),
        (("fill", "x.py", "--at", "1:1", "--cache-dir", TOO_LONG), 3),
        (("doctor", "--model", TOO_LONG), 1),
        (("doctor", "--model", "fake", "--cache-dir", TOO_LONG), 1),
        (("doctor", "--model", "fake", "--base-file", TOO_LONG), 1),
    ],
)
def test_a_name_the_system_refuses_is_no_bug(unmask: Unmask, arguments: tuple[str, ...], code: int) -> None:
    Path("x.py").write_text("x\n")
    outcome = unmask(*arguments)
    assert outcome.code == code
    assert TOO_LONG in outcome.err + outcome.out.decode().replace("\n", "")


def test_what_the_system_refuses_names_the_file(unmask: Unmask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(args: object) -> int:
        raise PermissionError(13, "Permission denied", "/root/x")

    monkeypatch.setattr(batch, "run", fail)
    outcome = unmask("batch")
    assert outcome.code == 2 and outcome.err.startswith(
        "unmask: /root/x cannot be used (Permission denied). "
    )
