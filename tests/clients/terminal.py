"""A program in a terminal, used as a person uses it: keys go in, the screen is looked at.

The terminal is tmux, one server of its own for each.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.clients import install, tmux

TIMEOUT_S = 20.0
_CONFIG = """\
set -g default-terminal screen-256color
set -s escape-time 0
set -g remain-on-exit on
set -g status off
"""


class Terminal:
    """A running program.

    Args:
        command: how to start it.
        env: its environment.
        cwd: its working directory.
        files: a directory for the terminal's own files.
        size: columns and rows.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        files: Path,
        size: tuple[int, int] = (100, 30),
    ) -> None:
        files.mkdir(parents=True, exist_ok=True)
        config = files / "tmux.conf"
        config.write_text(_CONFIG)
        program = install.directory("tmux") / tmux.PROGRAM
        self._tmux = [str(program), "-u", "-S", str(files / "socket"), "-f", str(config)]
        self._env = {**env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        columns, rows = size
        self._do("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(cwd), "--", *command)

    def type(self, text: str, *, each_s: float = 0.0) -> None:
        """Type characters; with ``each_s``, that many seconds apart."""
        for part in text if each_s else [text]:
            self._do("send-keys", "-l", "--", part)
            time.sleep(each_s)

    def press(self, *keys: str) -> None:
        """Press keys by their names, such as ``Escape``, ``M-Right``, ``C-x``."""
        self._do("send-keys", *keys)

    def screen(self) -> str:
        """What is on the screen, rows without the blanks at their ends."""
        return self._do("capture-pane", "-p")

    def wait(self, wanted: str | Callable[[str], bool], timeout_s: float = TIMEOUT_S) -> str:
        """The screen once it shows a text, or satisfies a condition."""
        satisfied = (lambda screen: wanted in screen) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + timeout_s
        while not satisfied(screen := self.screen()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not {wanted!r} within {timeout_s:.0f} s, but:\n{screen}")
            time.sleep(0.05)
        return screen

    def close(self) -> None:
        """End the program, however it is."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    def _do(self, *command: str) -> str:
        done = subprocess.run(
            [*self._tmux, *command], env=self._env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def eventually(ask: Callable[[], str], wanted: Callable[[str], bool], timeout_s: float = TIMEOUT_S) -> str:
    """What is told once it is what is wanted."""
    deadline = time.monotonic() + timeout_s
    while not wanted(told := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s; the last was:\n{told}")
        time.sleep(0.05)
    return told
