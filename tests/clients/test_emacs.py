"""Emacs with our package, set up as the page on editors says, in a terminal: with lsp-mode and with eglot."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients import emacs, home, install
from tests.clients.conftest import Open
from tests.clients.home import ROOT, Home
from tests.clients.terminal import Terminal, eventually

pytestmark = pytest.mark.editor("tmux", "emacs")

TOTAL = "total = compute(1)\nprint(total)\n"
# What has nothing to do with Unmask: no questions, no window for messages, and a server for `ask`.
QUIET = """
(package-initialize)
(load "lsp-mode-autoloads" nil t) ; as where lsp-mode is installed as a package
(setq lsp-auto-guess-root t lsp-headerline-breadcrumb-enable nil lsp-session-file "~/session"
      lsp-enable-suggest-server-download nil lsp-disabled-clients '(ruff pylsp pyls ty-ls pyright)
      inhibit-startup-screen t ring-bell-function #'ignore make-backup-files nil auto-save-default nil
      create-lockfiles nil native-comp-async-report-warnings-errors nil server-name (getenv "EMACS_SOCKET"))
(server-start)
"""


@dataclass(frozen=True, slots=True)
class Emacs:
    """A running Emacs."""

    terminal: Terminal
    home: Home

    def ask(self, lisp: str) -> str:
        """What a Lisp expression evaluates to in the buffer of the file."""
        directory = install.directory("emacs")
        done = subprocess.run(
            [
                str(directory / emacs.CLIENT), "-s", self.home.env["EMACS_SOCKET"], "--eval",
                f'(with-current-buffer "a.py" {lisp})',
            ],
            env=self.home.env, capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
        return (done.stdout or done.stderr).strip()

    def text(self) -> str:
        """The text of the buffer, in Lisp's quotes."""
        return self.ask("(buffer-substring-no-properties (point-min) (point-max))").replace("\\n", "\n")

    def command(self, name: str) -> None:
        """``M-x``."""
        self.terminal.press("M-x")
        self.terminal.type(f"{name}\r")

    def ready(self) -> Emacs:
        """Once the server has its engine."""
        eventually(
            lambda: self.ask("(and unmask-mode (substring-no-properties (unmask--lighter)))"),
            '" Unmask"'.__eq__,
            90,
        )
        return self

    def saved(self) -> str:
        """The file, saved."""
        self.terminal.press("C-x", "C-s")
        eventually(lambda: self.ask("(buffer-modified-p)"), "nil".__eq__)
        return (self.home.project / "a.py").read_text()


Edit = Callable[..., Emacs]


@pytest.fixture
def edit(tmp_path: Path, in_terminal: Open) -> Edit:
    """Open a file in an Emacs set up by a section of the page alone."""

    def start(section: str, text: str, model: str = "fake") -> Emacs:
        user = home.make(tmp_path / "home", model)
        directory = install.directory("emacs")
        program = user.path / "bin" / "emacs"
        program.parent.mkdir()
        arguments = " ".join(f"'{part}'" for part in emacs.command(directory))
        program.write_text(f'#!/bin/sh\nexec {arguments} "$@"\n')
        program.chmod(0o755)
        path = os.pathsep.join([str(program.parent), user.env["PATH"]])
        sockets = {"EMACS_SOCKET": str(tmp_path / "emacs.socket")}
        env = {**user.env, **emacs.environment(directory), "PATH": path, **sockets}
        user = Home(user.path, user.project, env)
        for script in home.blocks("Emacs", "sh"):
            user.run(script)
        config = user.path / ".emacs.d/init.el"
        config.write_text(emacs.INTERPRETED + QUIET + "".join(home.blocks(section, "elisp")))
        file = user.file("a.py", text)
        return Emacs(in_terminal(user, ["emacs", "-nw", str(file)], {}), user).ready()

    return start


def shows_ghost(screen: str) -> bool:
    return screen.count("total = compute(1)") == 2  # the line it copies, and the one at the cursor


def test_lsp_mode_ghost_text_by_word_and_whole(edit: Edit):
    editor = edit("lsp-mode", TOTAL)
    editor.terminal.press("M->")
    editor.terminal.type("tot")
    editor.terminal.wait(shows_ghost)
    editor.terminal.press("M-Right")
    eventually(editor.text, lambda text: text.endswith('\ntotal"'))
    editor.terminal.wait(shows_ghost)
    editor.terminal.press("Tab")
    eventually(editor.text, lambda text: text.endswith('\ntotal = compute(1)"'))
    assert editor.saved() == TOTAL + "total = compute(1)\n"


def test_lsp_mode_commands(edit: Edit):
    editor = edit("lsp-mode", "x = <hole>\ny = <hole>\n", model="fake:answer=compute(1)&step_ms=300")
    editor.terminal.press("C-c", "u", "h")
    editor.terminal.wait("Unmask:…")
    done = "x = compute(1)\ny = compute(1)\n"
    eventually(editor.text, f'"{done}"'.__eq__)
    assert editor.saved() == done
    editor.command("unmask-pause")
    editor.terminal.wait("Unmask:paused")
    editor.terminal.press("C-c", "u", "s")
    editor.terminal.wait("Unmask is ready: fake on fake.")


def test_lsp_mode_pausing(edit: Edit):
    editor = edit("lsp-mode", TOTAL)
    editor.terminal.press("C-c", "u", "p")
    editor.terminal.wait("suggestions come when asked for")
    editor.terminal.press("M->")
    editor.terminal.type("tot")
    with pytest.raises(AssertionError):
        editor.terminal.wait(shows_ghost, 2)
    editor.command("lsp-inline-completion-display")
    editor.terminal.wait(shows_ghost)


def test_eglot_completion_and_commands(edit: Edit):
    editor = edit("eglot", TOTAL)
    editor.terminal.press("M->")
    editor.terminal.type("tot")
    editor.terminal.press("C-M-i")
    eventually(editor.text, lambda text: text.endswith('\ntotal = compute(1)"'))
    assert editor.saved() == TOTAL + "total = compute(1)\n"
    editor.terminal.press("C-c", "u", "s")
    editor.terminal.wait("Unmask is ready: fake on fake.")


def test_eglot_rewrites_the_region_and_nothing_else(edit: Edit):
    editor = edit("eglot", "a = 1\nb = 2\nc = 3\n", model="fake:answer=b%20%3D%204")
    editor.terminal.press("C-n", "C-Space", "C-e", "C-c", "u", "r")
    editor.terminal.wait("Rewrite how?")
    editor.terminal.type("make it four\r")
    eventually(editor.text, '"a = 1\nb = 4\nc = 3\n"'.__eq__)
    assert editor.saved() == "a = 1\nb = 4\nc = 3\n"


def test_eglot_cancelling(edit: Edit):
    editor = edit("eglot", "x = <hole>\n", model="fake:step_ms=60000")
    editor.terminal.press("C-c", "u", "h")
    editor.terminal.wait("Unmask:…")
    editor.terminal.press("C-c", "u", "k")
    editor.ready()
    assert editor.text() == '"x = <hole>\n"'


def test_eglot_what_is_refused_is_said(edit: Edit):
    editor = edit("eglot", TOTAL)
    editor.command("unmask-repair")
    editor.terminal.wait("Unmask: ")
    assert editor.saved() == TOTAL


def test_eglot_pausing_and_restarting(edit: Edit):
    editor = edit("eglot", TOTAL)
    editor.terminal.press("C-c", "u", "p")
    editor.terminal.wait("Unmask:paused")
    editor.terminal.press("C-c", "u", "p")
    editor.ready()
    server = int(editor.ask("(process-id (jsonrpc--process (eglot-current-server)))"))
    os.kill(server, signal.SIGKILL)
    eventually(lambda: editor.ask("(eq (eglot-current-server) nil)"), "t".__eq__)
    editor.command("eglot")
    editor.ready()


def test_it_compiles_without_warnings(tmp_path: Path):
    directory = install.directory("emacs")
    copy = tmp_path / "unmask.el"
    copy.write_bytes((ROOT / "editor-clients/emacs/unmask.el").read_bytes())
    done = subprocess.run(
        [*emacs.command(directory), "-Q", "--batch", "--eval", "(setq byte-compile-error-on-warn t)",
         "-f", "batch-byte-compile", str(copy)],
        env={**os.environ, **emacs.environment(directory)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.model
@pytest.mark.parametrize(("section", "keys"), [("lsp-mode", ["Tab"]), ("eglot", ["C-M-i"])])
def test_a_journey_with_the_real_model(edit: Edit, section: str, keys: list[str]):
    text = 'def add(a: int, b: int) -> int:\n    """The sum of two numbers."""\n'
    editor = edit(section, text, model=home.REAL)
    editor.terminal.press("M->")
    editor.terminal.type("    return ")
    if section == "lsp-mode":
        editor.terminal.wait("return a + b", 60)
    editor.terminal.press(*keys)
    eventually(editor.text, lambda shown: shown.endswith('return a + b"'), 60)
    assert editor.saved() == text + "    return a + b\n"
