"""A candidate program to a verdict: run in a child process with bounds on time, memory, files and no network.

Model output is untrusted. The child gets an empty directory, no environment, no standard input, limits
set by the operating system, its own network namespace where the system allows one, and an audit hook
that refuses sockets and processes everywhere. POSIX only: evaluation is a developer's tool.
"""

from __future__ import annotations

import functools
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

MEMORY_BYTES = 1 << 30
FILE_BYTES = 1 << 20

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a program ran to its end, and the last line it complained with."""

    passed: bool
    complaint: str


def run_python(program: str, *, seconds: float) -> Verdict:
    """Run a Python program; it passes if it exits with 0 in time.

    Args:
        program: source text.
        seconds: wall-clock bound; the processor-time bound is the same, rounded up.
    """
    with tempfile.TemporaryDirectory(prefix="unmask-eval-") as scratch:
        path = Path(scratch) / "candidate.py"
        path.write_text(_GUARD + program, encoding="utf-8")
        try:
            done = subprocess.run(
                [*_no_network(), sys.executable, "-I", "-S", str(path)],
                cwd=scratch,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=seconds,
                preexec_fn=functools.partial(_limit, int(seconds) + 1),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Verdict(False, "timed out")
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return Verdict(done.returncode == 0, "" if done.returncode == 0 else (lines or ["killed"])[-1])


def _limit(cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@functools.cache
def _no_network() -> tuple[str, ...]:
    """The command prefix that gives a child a network namespace of its own; empty where none can be had."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    prefix = (unshare, "--net", "--map-root-user")
    works = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    return prefix if works else ()
