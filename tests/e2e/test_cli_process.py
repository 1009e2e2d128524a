"""`unmask` as a process: its streams, its pipes, its start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import environment

UNMASK = (sys.executable, "-m", "lsp_server.cli.main")
FAKE = ("--model", "fake:answer=x")


def unmask(
    *arguments: str, cwd: Path, stdin: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*UNMASK, *arguments],
        cwd=cwd,
        env=environment(**environ),
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_batch_answers_each_line_before_the_next_is_sent(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*UNMASK, "batch", *FAKE],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        for number in range(3):
            process.stdin.write(json.dumps({"id": number, "segments": ["é = ", None]}).encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert (answer["id"], answer["fills"]) == (number, ["x"])
        process.stdin.close()
        assert (process.stdout.read(), process.stderr.read(), process.wait(60)) == (b"", b"", 0)


def test_a_reader_that_leaves_early_is_met_with_silence(tmp_path: Path) -> None:
    text = b"x = <hole>\n" + b"y = 1\n" * 500_000
    with subprocess.Popen(
        [*UNMASK, "fill", "-", *FAKE],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write(text)
        process.stdin.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 1)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_bytes_pass_through_under_any_locale(tmp_path: Path, newline: bytes) -> None:
    source = newline.join(["# 😀 é".encode(), b"x = <hole>", b""])
    done = unmask(
        "fill", "-", *FAKE, cwd=tmp_path, stdin=source, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == source.replace(b"<hole>", b"x")


def test_what_people_read_is_utf_8_under_any_locale(tmp_path: Path) -> None:
    done = unmask(
        "demo", "--model", "fake", cwd=tmp_path, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )
    assert done.returncode == 0 and "▒▒" in done.stdout.decode("utf-8")


def test_no_color_is_honoured_where_colour_is_forced(tmp_path: Path) -> None:
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    arguments = ("demo", "--no-animation", "--sample", "cart", "--model", "fake")
    assert b"\x1b[38;5;" in unmask(*arguments, cwd=tmp_path, **forced).stdout
    assert b"\x1b[38;5;" not in unmask(*arguments, cwd=tmp_path, **forced, NO_COLOR="1").stdout


def test_a_workspace_with_its_own_engine_package_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('hijacked')\n")
    code = "import sys; from lsp_server.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "fill", "-", *FAKE],
        cwd=tmp_path,
        env=environment(),
        input=b"<hole>",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == (b"x", 0)
