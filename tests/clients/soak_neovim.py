"""Two real Neovims on one project for a while: ``python -m tests.clients.soak_neovim [--minutes 10]``.

Each has our plugin, as the page on editors says, a server of its own, and twenty files open, in a terminal.
They type lines that begin like others, key by key, wait for the ghost text or do not, take it or a word of
it, save, and remove the line again. The fake model copies lines of the file, so what is taken has to be one
of them. Exit code 1 where it is none, Neovim shows or logs an error, or a server's memory grows.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.clients import home, neovim_editor
from tests.clients.home import Home
from tests.clients.neovim_editor import Neovim
from tests.clients.soak import END, KEY_S, N_FILES, memory_growth, tell
from tests.clients.terminal import Terminal

MODEL = "fake:step_ms=20"
PATIENCE_S = 1.5
"""How long ghost text is waited for."""
_TROUBLE = re.compile(r"^E\d+:|Error executing|stack traceback|\[ERROR\]", re.MULTILINE)


@dataclass(slots=True)
class Typist:
    """One of the two: an editor, and what a person does in it.

    Attributes:
        editor: the running Neovim.
        random: what is done next.
        counts: what has happened.
        wrong: what should not have happened.
    """

    editor: Neovim
    random: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def run(self, until: float) -> None:
        """Work until a moment of the monotonic clock."""
        while time.monotonic() < until:
            self.type_a_line()
            if self.random.random() < 0.2:
                self.editor.command("silent write")
                self.counts["saved"] += 1

    def type_a_line(self) -> None:
        """Type a line at the end of a file that begins like another, take what is shown, and look at it."""
        terminal = self.editor.terminal
        self.editor.command(f"buffer module_{self.random.randrange(N_FILES)}.py")
        number = self.random.randrange(10**6)
        line = f"value_{number} = compute({number})"
        at_end = "vim.api.nvim_buf_set_lines(0, {}, -1, false, {{'{}', '{}'}})"
        self.editor.ask(at_end.format("vim.fn.line('$') - 2", line, END.strip()))
        self.editor.command("normal! G")
        terminal.press("o")
        terminal.type(line.partition(" ")[0], each_s=self.random.uniform(0, 2 * KEY_S))
        self.counts["typed"] += 1
        if self.random.random() < 0.7:
            self.take(line)
        self.editor.command("normal! Gdd")

    def take(self, line: str) -> None:
        """Wait for the suggestion, take it or its first word, and hold it to the line it has to be."""
        screen = self.editor.terminal.screen
        until = time.monotonic() + PATIENCE_S
        while screen().count(line) < 2:
            if time.monotonic() > until:
                self.counts["not shown in time"] += 1
                return
            time.sleep(0.05)
        self.counts["shown"] += 1
        whole = self.random.random() < 0.6
        self.editor.terminal.press("Tab" if whole else "M-Right")
        got = self.line_other_than(line.partition(" ")[0])  # Neovim takes it a moment later
        self.editor.terminal.press("Escape")
        self.counts["taken" if whole else "taken in part"] += 1
        if (got != line) if whole else not line.startswith(got.rstrip()):
            self.wrong.append(f"what was taken became {got!r} where {line!r} was shown")

    def line_other_than(self, before: str) -> str:
        """The line at the cursor once it has changed, or as it is when patience ends."""
        until = time.monotonic() + PATIENCE_S
        while True:
            line = self.editor.ask("vim.api.nvim_get_current_line()")
            if line != before or time.monotonic() > until:
                return line


def servers(editors: list[Neovim]) -> list[psutil.Process]:
    """The server process of each editor."""
    found = []
    for editor in editors:
        (pid,) = (int(word) for word in re.findall(r"\d+", editor.ask("vim.fn.getpid()")))
        children = psutil.Process(pid).children(recursive=True)
        found.append(next(child for child in children if "serve" in child.cmdline()))
    return found


def soak(minutes: float, most_growth_mb: float) -> list[str]:
    """Let two people type; prints what happened and returns what should not have."""
    terminals: list[Terminal] = []
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        first = neovim_editor.set_up(home.make(base / "home", MODEL))

        def in_terminal(user: Home, command: Sequence[str]) -> Terminal:
            files = base / f"terminal-{len(terminals)}"
            terminals.append(Terminal(command, user.env, user.project, files))
            return terminals[-1]

        paths = []
        for number in range(N_FILES):
            body = "".join(f"def f_{number}_{i}(argument):\n    return argument + {i}\n" for i in range(40))
            paths.append(first.file(f"module_{number}.py", f"{body}value_0 = compute({number})\n{END}"))
        try:
            editors = [
                neovim_editor.start(first, paths, base / f"nvim-{number}.socket", in_terminal)
                for number in range(2)
            ]
            for editor in editors:
                editor.command("set autoread noswapfile shortmess+=A | silent bufdo edit")
            typists = [Typist(editor, random.Random(seed)) for seed, editor in enumerate(editors)]
            processes = servers(editors)
            until = time.monotonic() + 60 * minutes
            threads = [threading.Thread(target=typist.run, args=(until,)) for typist in typists]
            for thread in threads:
                thread.start()
            used: list[list[float]] = [[] for _ in processes]
            while any(thread.is_alive() for thread in threads):
                for process, megabytes in zip(processes, used, strict=True):
                    if process.is_running():
                        megabytes.append(process.memory_info().rss / 1e6)
                time.sleep(0.5)
            return verdict(typists, processes, used, most_growth_mb)
        finally:
            for terminal in terminals:
                terminal.close()


def verdict(
    typists: list[Typist], processes: list[psutil.Process], used: list[list[float]], most_growth_mb: float
) -> list[str]:
    """What went wrong; prints the rest."""
    wrong = []
    for number, typist in enumerate(typists):
        growth, megabytes = memory_growth(used[number]), used[number]
        print(f"editor {number + 1}: {dict(sorted(typist.counts.items()))}")
        print(f"  memory {megabytes[0]:.0f} MB at first, {megabytes[-1]:.0f} at last, {growth:+.1f} MB")
        said = typist.editor.ask("vim.fn.execute('messages')")
        log = Path(typist.editor.ask("vim.lsp.log.get_filename()").strip())
        logged = log.read_text(encoding="utf-8") if log.is_file() else ""
        wrong += typist.wrong
        wrong += [f"editor {number + 1}: {match[0]!r} in its messages" for match in _TROUBLE.finditer(said)]
        wrong += [f"editor {number + 1}: {line}" for line in logged.splitlines() if _TROUBLE.search(line)]
        if not processes[number].is_running():
            wrong.append(f"server {number + 1} is gone")
        if growth > most_growth_mb:
            wrong.append(f"server {number + 1} grew by {growth:.1f} MB")
        if not typist.counts["shown"]:
            wrong.append(f"editor {number + 1} was never shown anything")
    return wrong


def main() -> int:
    """Run it; exit code 1 where something was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--most-growth-mb", type=float, default=3.0)
    asked = parser.parse_args()
    return tell(soak(asked.minutes, asked.most_growth_mb))


if __name__ == "__main__":
    sys.exit(main())
