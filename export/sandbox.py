"""A candidate program to a verdict: run in a child process with bounds on time, memory, files and no network.

Model output is untrusted. The child gets an empty directory, no environment, no standard input, limits
set by the operating system, and its own network and process namespaces where the system allows them. Python
gets an audit hook besides that refuses sockets and processes everywhere; other languages are run only where
the namespaces are to be had. POSIX only: evaluation is a developer's tool.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UsageError

MEMORY_BYTES = 1 << 30
FILE_BYTES = 1 << 20
COMPILER_SECONDS = 60.0
COMPILER_MEMORY_BYTES = 3 << 30
COMPILER_FILE_BYTES = 64 << 20
MAX_COMPLAINT_CHARS = 300

_GUARD = """\
import sys
def _guard(event, arguments):
    family = event.partition(".")[0]
    if family in ("socket", "subprocess", "pty", "ctypes") or event in (
        "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.kill", "os.spawn"
    ):
        raise PermissionError(event)
sys.addaudithook(_guard)
"""

_NAMES_AN_ERROR = re.compile(r"^\w*(Error|Exception)\b|(^|\s)(fatal )?error(\[\w+\])?:|panicked at")

_COMPILER_ENVIRONMENT = ("PATH", "HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a program ran to its end, and the last line it complained with."""

    passed: bool
    complaint: str


@dataclass(frozen=True, slots=True)
class Toolchain:
    """How a language is run, in the directory its source lies in.

    Attributes:
        tools: the programs it needs; in commands, ``{tool}`` stands for where one is.
        source: file name of the program's text.
        compile: command that compiles it; empty where there is nothing to compile.
        run: command that runs it.
        before: text put before the program.
    """

    tools: tuple[str, ...]
    source: str
    compile: tuple[str, ...]
    run: tuple[str, ...]
    before: str = ""


# `console.assert` prints and goes on: a failed test must end the program.
_JS_ASSERT = 'console.assert = (holds) => { if (!holds) { throw new Error("assertion failed"); } };\n'

TOOLCHAINS: Mapping[str, Toolchain] = {
    "javascript": Toolchain(
        ("node",), "candidate.cjs", (), ("{node}", "--max-old-space-size=512", "candidate.cjs"), _JS_ASSERT
    ),
    "cpp": Toolchain(
        ("g++",),
        "candidate.cpp",
        ("{g++}", "-std=c++17", "-O1", "-w", "-o", "candidate", "candidate.cpp"),
        ("./candidate",),
    ),
    "java": Toolchain(
        ("javac", "java"),
        "Main.java",
        ("{javac}", "-J-Xmx512m", "-J-XX:+UseSerialGC", "-nowarn", "-encoding", "UTF-8", "Main.java"),
        ("{java}", "-Xmx512m", "-Xss16m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", ".", "Main"),
    ),
    "rust": Toolchain(
        ("rustc",),
        "candidate.rs",
        ("{rustc}", "--edition=2018", "--test", "--cap-lints=allow", "-o", "candidate", "candidate.rs"),
        ("./candidate", "--test-threads=1", "--nocapture"),
    ),
    "go": Toolchain(
        ("go",),
        "candidate_test.go",
        ("{go}", "test", "-c", "-vet=off", "-o", "candidate", "candidate_test.go"),
        ("./candidate",),
    ),
}


def run_python(program: str, *, seconds: float) -> Verdict:
    """Run a Python program; it passes if it exits with 0 in time.

    Args:
        program: source text.
        seconds: wall-clock bound; the processor-time bound is the same, rounded up.
    """
    with tempfile.TemporaryDirectory(prefix="unmask-eval-") as scratch:
        Path(scratch, "candidate.py").write_text(_GUARD + program, encoding="utf-8")
        limits = _Limits(seconds, FILE_BYTES, address_bytes=MEMORY_BYTES)
        return _child([sys.executable, "-I", "-S", "candidate.py"], scratch, {}, limits)


def run_program(language: str, program: str, *, seconds: float) -> Verdict:
    """Compile and run a program; it passes if it compiles and exits with 0 in time.

    Args:
        language: a key of ``TOOLCHAINS``, or ``python``.
        program: source text, with its tests.
        seconds: wall-clock bound of the run; compiling has ``COMPILER_SECONDS``.

    Raises:
        UsageError: see ``check_toolchain``.
    """
    if language == "python":
        return run_python(program, seconds=seconds)
    check_toolchain(language)
    toolchain = TOOLCHAINS[language]
    paths = {tool: str(shutil.which(tool)) for tool in toolchain.tools}
    with tempfile.TemporaryDirectory(prefix="unmask-eval-") as scratch:
        Path(scratch, toolchain.source).write_text(toolchain.before + program, encoding="utf-8")
        if toolchain.compile:
            environment = {name: os.environ[name] for name in _COMPILER_ENVIRONMENT if name in os.environ}
            limits = _Limits(COMPILER_SECONDS, COMPILER_FILE_BYTES, data_bytes=COMPILER_MEMORY_BYTES)
            environment["TMPDIR"] = scratch
            compiled = _child(_command(toolchain.compile, paths), scratch, environment, limits)
            if not compiled.passed:
                return Verdict(False, f"does not compile: {compiled.complaint}")
        limits = _Limits(seconds, FILE_BYTES, data_bytes=MEMORY_BYTES)
        return _child(_command(toolchain.run, paths), scratch, {}, limits)


def missing_tools(language: str) -> list[str]:
    """The programs a language needs that are not on this machine."""
    return [tool for tool in TOOLCHAINS[language].tools if shutil.which(tool) is None]


def check_toolchain(language: str) -> None:
    """Make sure a language can be run here, and safely.

    Raises:
        UsageError: a program is missing, or a child cannot be given a network namespace of its own.
    """
    if missing := missing_tools(language):
        raise UsageError(
            f"{language} cannot be run: no {' and no '.join(missing)} on this machine",
            "Install it, or leave the language out with `--to`.",
        )
    if not _confinement():
        raise UsageError(
            f"{language} cannot be run without network access here: `unshare --net` is not to be had",
            "Run it on Linux with user namespaces allowed.",
        )


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a child may use.

    Runtimes with a garbage collector reserve far more addresses than they use, so they are bounded by the
    data they may hold and not by ``address_bytes``.
    """

    seconds: float
    file_bytes: int
    address_bytes: int | None = None
    data_bytes: int | None = None

    def apply(self) -> None:
        """Set them for this process."""
        cpu_seconds = int(self.seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        if self.address_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (self.address_bytes, self.address_bytes))
        if self.data_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (self.data_bytes, self.data_bytes))
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_bytes, self.file_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _child(
    command: Sequence[str], directory: str, environment: Mapping[str, str], limits: _Limits
) -> Verdict:
    """Run a command in a session of its own; nothing of it outlives the call."""
    with (
        tempfile.TemporaryFile() as errors,  # a file, so that what it holds is bounded too
        subprocess.Popen(
            [*_confinement(), *command],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=limits.apply,  # noqa: PLW1509 (takes no lock: system calls alone)
        ) as process,
    ):
        try:
            status = process.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            return Verdict(False, "timed out")
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        if status == 0:
            return Verdict(True, "")
        errors.seek(0)
        return Verdict(False, _complaint(errors.read().decode("utf-8", "replace"), status))


def _complaint(stderr: str, status: int) -> str:
    """The line of an error output that says most: the first that names an error, or else the last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    naming = next((line for line in lines if _NAMES_AN_ERROR.search(line)), None)
    return (naming or (lines or [f"ended with {status}"])[-1])[:MAX_COMPLAINT_CHARS]


def _command(template: Sequence[str], paths: Mapping[str, str]) -> list[str]:
    """A command with each ``{tool}`` replaced by where it is."""
    return [paths.get(word.strip("{}"), word) if word.startswith("{") else word for word in template]


@functools.cache
def _confinement() -> tuple[str, ...]:
    """The command prefix that gives a child no network, the strongest that works; empty where none does."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    network = (unshare, "--net", "--map-root-user")
    processes = (*network, "--pid", "--fork", "--kill-child")
    for prefix in (processes, network):
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return prefix
    return ()
