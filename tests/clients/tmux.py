"""tmux, from Debian: the terminal that the editors are tested in."""

from __future__ import annotations

from pathlib import Path

from tests.clients import debian

PROGRAM = "usr/bin/tmux"


def install(directory: Path) -> None:
    """Have a directory hold tmux."""
    debian.install(directory, ["tmux"], [PROGRAM])


def is_installed(directory: Path) -> bool:
    """Whether ``install`` has been here."""
    return (directory / PROGRAM).exists()
