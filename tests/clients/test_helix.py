"""Helix, set up as the page on editors says, in a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients import helix, home, install
from tests.clients.conftest import Open
from tests.clients.home import Home
from tests.clients.terminal import Terminal, eventually

pytestmark = pytest.mark.editor("tmux", "helix")

TOTAL = "total = compute(1)\nprint(total)\n"


@dataclass(frozen=True, slots=True)
class Helix:
    """A running Helix."""

    terminal: Terminal
    file: Path

    def saves(self, text: str, timeout_s: float = 20) -> None:
        """Wait until what is saved is a text."""
        deadline = time.monotonic() + timeout_s
        while self.file.read_text() != text:
            assert time.monotonic() < deadline, f"{self.file.read_text()!r}\n{self.terminal.screen()}"
            self.terminal.press("Escape")
            self.terminal.type(":w\r")
            time.sleep(0.3)


Edit = Callable[..., Helix]


@pytest.fixture
def edit(tmp_path: Path, in_terminal: Open) -> Edit:
    """Open a file in a Helix set up by the page alone."""

    def start(text: str, model: str = "fake") -> Helix:
        user = home.make(tmp_path / "home", model, UNMASK_LOG_LEVEL="info")
        directory = install.directory("helix")
        program = user.path / "bin" / "hx"
        program.parent.mkdir()
        program.symlink_to(directory / helix.PROGRAM)
        path = os.pathsep.join([str(program.parent), user.env["PATH"]])
        user = Home(user.path, user.project, {**user.env, **helix.environment(directory), "PATH": path})
        for script in home.blocks("Helix", "sh"):
            user.run(script)
        file = user.file("a.py", text)
        log = tmp_path / "helix.log"
        terminal = in_terminal(user, ["hx", "-v", "--log", str(log), str(file)], {})
        eventually(lambda: log.read_text() if log.exists() else "", lambda said: "ready: " in said, 90)
        return Helix(terminal, file)

    return start


def choose(editor: Helix, title: str) -> None:
    """Pick an entry of the menu of code actions."""
    editor.terminal.type(" a")
    screen = editor.terminal.wait(title)
    entries = re.findall(r"Unmask: [\w ().+]+", screen)
    number = next(i for i, entry in enumerate(entries) if entry.startswith(title))
    editor.terminal.press(*["Down"] * number, "Enter")


def test_the_completion_list(edit: Edit):
    editor = edit(TOTAL)
    editor.terminal.type("geo")
    editor.terminal.type("tot")
    editor.terminal.press("C-x")
    editor.terminal.wait("total = compute(1) text")
    editor.terminal.press("Tab", "Enter")
    editor.saves(TOTAL + "total = compute(1)\n")


def test_holes_are_filled_and_undone_at_once(edit: Edit):
    editor = edit("x = <hole>\ny = <hole>\n", model="fake:answer=compute(1)")
    choose(editor, "Unmask: fill 2 holes")
    editor.saves("x = compute(1)\ny = compute(1)\n")
    editor.terminal.type("u")
    editor.saves("x = <hole>\ny = <hole>\n")


def test_every_language_of_the_configuration_has_unmask(tmp_path: Path):
    user = home.make(tmp_path / "home", "fake")
    for script in home.blocks("Helix", "sh"):
        user.run(script)
    directory = install.directory("helix")
    languages = tomllib.loads((user.path / ".config/helix/languages.toml").read_text())["language"]
    assert len(languages) > 10
    for language in languages:
        told = subprocess.run(
            [*helix.command(directory), "--health", language["name"]],
            env={**user.env, **helix.environment(directory)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert re.search(rf"✓.* unmask: .*{user.env['PATH'].split(os.pathsep)[0]}", told.stdout), told.stdout


@pytest.mark.model
def test_a_journey_with_the_real_model(edit: Edit):
    text = 'def add(a: int, b: int) -> int:\n    """The sum of two numbers."""\n    return <hole>\n'
    editor = edit(text, model=home.REAL)
    choose(editor, "Unmask: fill 1 hole")
    editor.saves(text.replace("<hole>", "a + b"), 60)
