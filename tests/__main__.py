"""The tasks of this project, the same for people and for CI: ``python -m tests [TASK …]``.

lint    ruff: style and formatting
types   mypy, strict, on engine and lsp_server
unit    everything that needs neither the real model nor an editor
model   what needs the real base model (pulled on first use)
editors clients in the real editors that are installed (python -m tests.clients.install)
all     these five, in this order (the default)
"""

from __future__ import annotations

import subprocess
import sys
import time

PYTHON = [sys.executable, "-m"]
TASKS: dict[str, list[list[str]]] = {
    "lint": [[*PYTHON, "ruff", "check", "."], [*PYTHON, "ruff", "format", "--check", "."]],
    "types": [[*PYTHON, "mypy"]],
    "unit": [[*PYTHON, "pytest", "-m", "not model and not editor"]],
    "model": [[*PYTHON, "pytest", "-m", "model and not editor"]],
    "editors": [[*PYTHON, "pytest", "-m", "editor"]],
}

AGAIN = {"editors": ["--last-failed"]}
"""What fails of these is tried once more: windows of real editors, on a machine that may be busy."""


def main(names: list[str]) -> int:
    """Run tasks in order and stop at the first that fails; its exit code is ours."""
    if names in ([], ["all"]):
        names = list(TASKS)
    unknown = [name for name in names if name not in TASKS]
    if unknown:
        print(__doc__, file=sys.stderr)
        return 2
    for name in names:
        for command in TASKS[name]:
            print(f"== {name}: {' '.join(command[2:])}", flush=True)
            start = time.monotonic()
            code = subprocess.run(command, check=False).returncode
            if code != 0 and name in AGAIN:
                print(f"== {name}: what failed, once more", flush=True)
                code = subprocess.run([*command, *AGAIN[name]], check=False).returncode
            print(
                f"== {name}: {'ok' if code == 0 else f'failed ({code})'} in {time.monotonic() - start:.0f} s",
                flush=True,
            )
            if code != 0:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
