"""Model output is run within bounds, and what stopped it is said."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from engine.errors import UsageError
from export import sandbox
from export.sandbox import Toolchain, Verdict, run_program, run_python


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language whose compiler and machine are this interpreter, run without namespaces."""
    compile_it = (
        "text = open('candidate.txt').read(); compile(text, 'candidate.txt', 'exec');"
        "open('candidate', 'w').write(text)"
    )
    chain = Toolchain(
        tools=("toy",),
        source="candidate.txt",
        compile=("{toy}", "-I", "-S", "-c", compile_it),
        run=("{toy}", "-I", "-S", "candidate"),
        before="ready = True\n",
    )
    which = shutil.which
    monkeypatch.setattr(sandbox, "TOOLCHAINS", {"toy": chain})
    monkeypatch.setattr(shutil, "which", lambda tool: sys.executable if tool == "toy" else which(tool))
    monkeypatch.setattr(sandbox, "_confinement", lambda: ("env",))


@pytest.mark.parametrize(
    ("program", "passed", "complaint"),
    [
        ("assert 1 + 1 == 2", True, ""),
        ("assert 1 + 1 == 3, 'wrong'", False, "AssertionError: wrong"),
        ("def broken(:", False, "SyntaxError: invalid syntax"),
        ("import socket; socket.socket()", False, "PermissionError: socket.__new__"),
        ("import subprocess; subprocess.run(['true'])", False, "PermissionError: subprocess.Popen"),
        ("import os; os.system('true')", False, "PermissionError: os.system"),
        ("x = 'a' * (1 << 31)", False, "MemoryError"),
        ("import os; assert not {'HOME', 'PATH'} & set(os.environ)", True, ""),
        ("import os; assert os.listdir('.') == ['candidate.py']", True, ""),
    ],
)
def test_python(program: str, passed: bool, complaint: str) -> None:
    assert run_python(program, seconds=8) == Verdict(passed, complaint)


def test_it_ends_in_time() -> None:
    assert run_python("while True: pass", seconds=0.3) == Verdict(False, "timed out")


def test_it_cannot_write_without_end() -> None:
    program = "open('big', 'wb').write(bytes(2 << 20))"
    assert not run_python(program, seconds=8).passed
    assert not run_python("import sys; sys.stderr.write('x' * (2 << 20))", seconds=8).passed


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("program", "passed", "complaint"),
    [
        ("assert ready", True, ""),
        ("assert not ready, 'ran'", False, "AssertionError: ran"),
        ("def broken(:", False, "does not compile: SyntaxError: invalid syntax"),
    ],
)
def test_a_compiled_language(program: str, passed: bool, complaint: str) -> None:
    assert run_program("toy", program, seconds=8) == Verdict(passed, complaint)


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UsageError, match=r"java cannot be run: no javac and no java on this machine"):
        run_program("java", "", seconds=1)


@pytest.mark.usefixtures("toy")
def test_without_a_namespace_only_python_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_confinement", lambda: ())
    with pytest.raises(UsageError, match="toy cannot be run without network access"):
        run_program("toy", "", seconds=1)
    assert run_program("python", "", seconds=8).passed


def test_nothing_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_python("open('left', 'w').close()", seconds=8)
    assert list(tmp_path.iterdir()) == []
