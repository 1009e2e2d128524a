"""Commands that install an editor: run to their end, or refused in one line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.clients.errors import NotInstalled


def run(command: Sequence[str | Path], timeout_s: float, **environ: str) -> None:
    """Run a command, asking nobody anything.

    Args:
        command: the program and its arguments.
        timeout_s: seconds until it is given up.
        environ: further variables of the environment.

    Raises:
        NotInstalled: it failed, or took too long.
    """
    name = " ".join([Path(command[0]).name, *map(str, command[1:2])])
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{name} took longer than {timeout_s:g} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotInstalled(f"{name} failed: {said[-1] if said else 'no word why'}")
