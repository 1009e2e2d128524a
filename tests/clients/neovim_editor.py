"""A Neovim with our plugin, set up as the page on editors says, in a terminal, and what it can be asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.clients import home, install, neovim
from tests.clients.home import Home
from tests.clients.terminal import Terminal, eventually


@dataclass(frozen=True, slots=True)
class Neovim:
    """A running Neovim."""

    terminal: Terminal
    home: Home
    socket: Path

    def ask(self, lua: str) -> str:
        """What a Lua expression evaluates to, as text."""
        directory = install.directory("neovim")
        expression = f"luaeval('{lua.replace(chr(39), chr(39) * 2)}')"
        done = subprocess.run(
            [*neovim.command(directory), "--server", str(self.socket), "--remote-expr", expression],
            env={**self.home.env, **neovim.environment(directory)},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return done.stdout or done.stderr

    def command(self, line: str) -> None:
        """Type a command of normal mode's command line."""
        self.terminal.press("Escape")
        self.terminal.type(f":{line}\r")

    def ready(self) -> Neovim:
        """Once the server has its engine."""
        eventually(lambda: self.ask("require('unmask').status()"), lambda said: said == "unmask", 90)
        return self


def set_up(user: Home, more: str = "") -> Home:
    """A home whose Neovim is set up by the page alone; ``more`` is Lua besides."""
    directory = install.directory("neovim")
    link = user.path / "bin"
    link.mkdir()
    (link / "nvim").symlink_to(directory / neovim.PROGRAM)
    path = f"{link}{os.pathsep}{user.env['PATH']}"
    user = Home(user.path, user.project, {**user.env, **neovim.environment(directory), "PATH": path})
    for script in home.blocks("Neovim", "sh"):
        user.run(script)
    config = user.path / ".config/nvim/init.lua"
    config.parent.mkdir(parents=True)
    config.write_text("".join(home.blocks("Neovim", "lua")) + more)
    return user


def start(
    user: Home, files: Sequence[Path], socket: Path, open_terminal: Callable[[Home, Sequence[str]], Terminal]
) -> Neovim:
    """Open files in a Neovim that ``set_up`` has prepared."""
    terminal = open_terminal(user, ["nvim", "--listen", str(socket), *map(str, files)])
    return Neovim(terminal, user, socket).ready()
